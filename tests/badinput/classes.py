"""The 60 classes of bad input, by number, with what becomes of every record.

An outcome is one of: a dead letter and nothing else (``letter``), a dead letter and ``rejected`` with all violations
(``rejected``), or carried out all the same since it does no harm (``works``). What the broker or AWS refuses, what
waits and what nobody sees has tests of its own, by its class's number: ``ELSEWHERE``.
"""

from dataclasses import dataclass
from typing import Final

from tests.badinput.records import Record, Said


@dataclass(frozen=True)
class Expected:
    """What becomes of a record.

    Attributes:
        outcome: See the module.
        code: Reason of the letter, code of the error.
        said: Path and rule of every violation, no more and no less.
        tells: Words of which each is in some message: what is allowed.
    """

    outcome: str
    code: str = ""
    said: frozenset[Said] = frozenset()
    tells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """One bad record.

    Attributes:
        number: Of the class.
        what: What is bad about it.
        record: The record.
        expected: What becomes of it.
    """

    number: int
    what: str
    record: Record
    expected: Expected

    def __str__(self) -> str:
        return f"{self.number:02}-{self.what.replace(' ', '-')}"


def letter(code: str) -> Expected:
    return Expected("letter", code)


def rejected(code: str, *said: Said, tells: tuple[str, ...] = ()) -> Expected:
    return Expected("rejected", code, frozenset(said), tells)


def invalid(*said: Said, tells: tuple[str, ...] = ()) -> Expected:
    return rejected("ValidationFailed", *said, tells=tells)


def works() -> Expected:
    return Expected("works")


NAMES: Final = {
    1: "null value",
    2: "empty value",
    3: "too large",
    4: "compressed bomb",
    5: "batch in every codec",
    6: "20,000 headers",
    7: "duplicate, null and non-UTF-8 headers",
    8: "key of 500 kB",
    9: "key that is not the routing key",
    10: "wrong partition",
    11: "timestamp far off",
    12: "record of an aborted transaction",
    13: "invalid UTF-8",
    14: "byte order mark",
    15: "UTF-16",
    16: "truncated",
    17: "trailing bytes",
    18: "not an object",
    19: "depth 100,000",
    20: "integer of 5,000 digits",
    21: "NaN and Infinity",
    22: "number beyond a double",
    23: "duplicate members",
    24: "lone surrogate",
    25: "very many members",
    26: "very long array",
    27: "unknown member",
    28: "string for a number",
    29: "boolean for an integer",
    30: "id, source or type missing",
    31: "unsupported specversion",
    32: "unknown type or version",
    33: "batched mode",
    34: "id again, same content",
    35: "id again, other content",
    36: "deadline passed",
    37: "reply topic not allowed",
    38: "malformed trace context",
    39: "blank name",
    40: "name of 64 characters",
    41: "control and direction characters in a name",
    42: "aws: tag",
    43: "more than 50 tags",
    44: "ARN of a wrong kind",
    45: "ARN that would be a path",
    46: "S3 location",
    47: "role not allowed",
    48: "foreign KMS key",
    49: "training window",
    50: "audience size",
    51: "seed twice or not at all",
    52: "policy too large or open to all",
    53: "delete of something not ours",
    54: "update of something deleted",
    55: "export of an unfinished job",
    56: "tenant without a right",
    57: "tenant over its quota",
    58: "unknown target",
    59: "malformed chain",
    60: "unknown predecessor",
}

ELSEWHERE: Final = {
    1: "a record of nothing at all: dead letter",
    3: "larger than the topic takes: refused to its sender",
    4: "refused to its sender",
    5: "works",
    7: "a header's name that is not UTF-8: dead letter",
    10: "works",
    11: "works: the broker stamps the time",
    12: "was never said",
    34: "answered from memory",
    35: "rejected, and no dead letter",
    36: "failed, and never sent",
    44: "failed by AWS: there is no such resource",
    46: "denied by the tenant's grant",
    47: "denied by the tenant's grant",
    48: "denied by the tenant's grant",
    49: "a failed job",
    50: "failed by AWS: not among the model's",
    53: "failed by AWS",
    54: "failed by AWS",
    55: "failed by AWS",
    56: "denied by the tenant's grant",
    57: "waits, and is carried out",
    60: "rejected, and no dead letter",
}
"""Classes with tests that carry their numbers in their names, and what becomes of such records."""
