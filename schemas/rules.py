"""The rules that AWS's documentation states in words, beyond the model's constraints: one row each.

A row applies to every value of a shape, or to every structure that has certain members, wherever it occurs; so the rows
name shapes and members and never an operation. Rules look at requests that may be wrong in other ways too, and say
nothing about values of a wrong type: the model's constraints do.
"""

import re
from collections.abc import Callable, Iterator, Sized
from dataclasses import dataclass
from typing import Any, Final

from botocore.model import Shape, StructureShape

from schemas import strictjson
from schemas.cloudevents import timestamp
from schemas.operations import MARKER_MEMBER, OPERATIONS, Operation
from schemas.shapes import Violation, input_shape, render, walk

MARKER_OPENING: Final = "[crml:"
MARKER_LENGTH: Final = len(f" {MARKER_OPENING}{'x' * 26}]")
MAX_DESCRIPTION: Final = 255 - MARKER_LENGTH
"""What the service's marker leaves of a description: 221 characters."""

MAX_TAGS: Final = 50
_UNBOUNDED: Final = 2**31
MAX_PERCENTAGE: Final = 100
SINGLE_COLUMNS: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")

# C0, C1, line and paragraph separators, and Unicode's bidirectional controls.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_ARN_FORBIDDEN: Final = re.compile(r"[?#%\\\s]|\.\.")
_BUCKET: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/.*)?", re.DOTALL)

Check = Callable[[Any], Iterator[str]]
"""Yields a message for each breach; the value is of the type that the row names."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        name: The rule, as in a violation.
        kind: The Python type of the values it can judge.
        check: Judges one value.
        shapes: Shapes it applies to.
        members: Or: it applies to structures with all these members.
    """

    name: str
    kind: type[Sized]
    check: Check
    shapes: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()

    def applies(self, shape: Shape, value: Any) -> bool:
        """True when the rule judges this value; one that is too long already breaks the model, and may be huge."""
        if not isinstance(value, self.kind) or len(value) > shape.metadata.get("max", _UNBOUNDED):
            return False
        if self.members:
            return isinstance(shape, StructureShape) and self.members <= shape.members.keys()
        return shape.name in self.shapes


def violations(operation: str, params: Any) -> Iterator[Violation]:
    """What the rules refuse in a request."""
    top = input_shape(operation)
    for location, shape, value in walk(top, params):
        for rule in RULES:
            if rule.applies(shape, value):
                for message in rule.check(value):
                    yield Violation(render(top, location)[0], rule.name, message)
    if isinstance(params, dict):
        yield from _marker_room(OPERATIONS[operation], params.get(MARKER_MEMBER))


def _marker_room(row: Operation, description: Any) -> Iterator[Violation]:
    """The service appends its marker to the description of what it creates, and again when an update replaces it."""
    if not (row.creates or row.restamps) or not isinstance(description, str):
        return
    path = f"data.{MARKER_MEMBER}"
    if len(description) > MAX_DESCRIPTION:
        message = (
            f"must have at most {MAX_DESCRIPTION} characters: the service appends {MARKER_LENGTH} of its own, "
            "by which it finds the resource again after a failure"
        )
        yield Violation(path, "max", message)
    if MARKER_OPENING in description.lower():
        yield Violation(path, "marker", f"must not contain {MARKER_OPENING!r}, which is the service's own mark")


# --- checks -----------------------------------------------------------------------------------------------------------


def _name(text: str) -> Iterator[str]:
    if not text.strip():
        yield "must not be blank"
    if _CONTROL.search(text):
        yield "must not contain control, line or text direction characters"


def _tags(tags: dict[str, Any]) -> Iterator[str]:
    if len(tags) > MAX_TAGS:
        yield f"must have at most {MAX_TAGS} tags, the limit of a resource"
    yield from _tag_keys(list(tags))
    if any(isinstance(text, str) and _CONTROL.search(text) for text in [*tags, *tags.values()]):
        yield "keys and values must not contain control, line or text direction characters"


def _tag_keys(keys: list[Any]) -> Iterator[str]:
    if any(isinstance(key, str) and key.lower().startswith("aws:") for key in keys):
        yield "keys must not start with aws:, in any case; AWS reserves it"


def _arn(text: str) -> Iterator[str]:
    if _ARN_FORBIDDEN.search(text) or _CONTROL.search(text):
        yield "must not contain '..', '?', '#', '%', a backslash, white space or control characters"


def _s3_uri(text: str) -> Iterator[str]:
    if ".." in text or _CONTROL.search(text):
        yield "must not contain '..' or control characters"
    if text.startswith("s3://") and not _BUCKET.fullmatch(text):
        yield "must name a bucket of 3 to 63 lower-case letters, digits, dots and hyphens, as in s3://bucket/prefix"


def _size_bins(bins: list[Any]) -> Iterator[str]:
    numbers = [item for item in bins if isinstance(item, int)]
    if len(set(numbers)) != len(numbers):
        yield "must be unique"


def _percentages(config: dict[str, Any]) -> Iterator[str]:
    bins = config.get("audienceSizeBins")
    if config.get("audienceSizeType") != "PERCENTAGE" or not isinstance(bins, list):
        return
    if any(isinstance(item, int) and item > MAX_PERCENTAGE for item in bins):
        yield f"audienceSizeBins must be 1 to {MAX_PERCENTAGE} when audienceSizeType is PERCENTAGE"


def _percentage(size: dict[str, Any]) -> Iterator[str]:
    value = size.get("value")
    if size.get("type") == "PERCENTAGE" and isinstance(value, int) and value > MAX_PERCENTAGE:
        yield f"value must be 1 to {MAX_PERCENTAGE} when type is PERCENTAGE"


def _columns(schema: list[Any]) -> Iterator[str]:
    types: list[Any] = []
    for column in schema:
        found = column.get("columnTypes") if isinstance(column, dict) else None
        types.extend(found if isinstance(found, list) else ())
    for wanted in SINGLE_COLUMNS:
        if (count := types.count(wanted)) != 1:
            yield f"must have exactly one column of type {wanted}; it has {count}"


def _seed(seed: dict[str, Any]) -> Iterator[str]:
    if ("dataSource" in seed) == ("sqlParameters" in seed):
        yield "must have exactly one of: dataSource, sqlParameters"


def _sql_needs_collaboration(job: dict[str, Any]) -> Iterator[str]:
    seed = job.get("seedAudience")
    if isinstance(seed, dict) and "sqlParameters" in seed and "collaborationId" not in job:
        yield "must have collaborationId when seedAudience has sqlParameters"


def _window(model: dict[str, Any]) -> Iterator[str]:
    ends = [model.get(name) for name in ("trainingDataStartTime", "trainingDataEndTime")]
    start, end = (timestamp(text) if isinstance(text, str) else None for text in ends)
    if start is not None and end is not None and start >= end:
        yield "trainingDataStartTime must be before trainingDataEndTime"


def _policy(text: str) -> Iterator[str]:
    try:
        policy = strictjson.loads(text.encode("utf-8"))
    except strictjson.JsonError as error:
        yield f"must be a JSON object; as JSON, it {error.message}"
        return
    if not isinstance(policy, dict):
        yield "must be a JSON object"


ARNS: Final = frozenset(
    {
        "AnalysisTemplateArn",
        "AudienceGenerationJobArn",
        "AudienceModelArn",
        "ConfiguredAudienceModelArn",
        "IamRoleArn",
        "KmsKeyArn",
        "TaggableArn",
        "TrainingDatasetArn",
    }
)
"""Shapes whose values are ARNs."""

RULES: Final = (
    Rule("name", str, _name, shapes=frozenset({"NameString"})),
    Rule("tags", dict, _tags, shapes=frozenset({"TagMap"})),
    Rule("tags", list, _tag_keys, shapes=frozenset({"TagKeys"})),
    Rule("arn", str, _arn, shapes=ARNS),
    Rule("s3-uri", str, _s3_uri, shapes=frozenset({"S3Path"})),
    Rule("unique", list, _size_bins, shapes=frozenset({"AudienceSizeBins"})),
    Rule("percentage", dict, _percentages, shapes=frozenset({"AudienceSizeConfig"})),
    Rule("percentage", dict, _percentage, shapes=frozenset({"AudienceSize"})),
    Rule("columns", list, _columns, shapes=frozenset({"DatasetInputConfigSchemaList"})),
    Rule("one-of", dict, _seed, shapes=frozenset({"AudienceGenerationJobDataSource"})),
    Rule("required", dict, _sql_needs_collaboration, members=frozenset({"seedAudience", "collaborationId"})),
    Rule("window", dict, _window, members=frozenset({"trainingDataStartTime", "trainingDataEndTime"})),
    Rule("policy", str, _policy, shapes=frozenset({"ResourcePolicy"})),
)
"""All rules, in the order in which their violations are told."""
