"""The rules that AWS's documentation states in words, beyond the model's constraints: one row each.

A row applies to every value of a shape, or to every structure that has certain members, wherever it occurs; so the rows
name shapes and members and never an operation. Rules check requests that can be wrong in other ways too, and say
nothing about values of a wrong type: the model's constraints do.

A row that is *assumed* is our reading: it follows from what AWS says, or from how such a request would end, but AWS
does not state it. A setting leaves what only such rows refuse to AWS.

A row carries the same rule in JSON Schema, for the published schemas, or the reason why JSON Schema cannot say it.
Patterns are written so that every engine reads them alike: without classes such as ``\\s``, which differ.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass
from typing import Any, Final

from botocore.model import Shape, StructureShape

from . import strictjson
from .cloudevents import timestamp
from .operations import MARKER_MEMBER, OPERATIONS
from .references import referred
from .shapes import Violation, input_shape, render, walk

MARKER_OPENING: Final = "[crml:"
MARKER_LENGTH: Final = len(f" {MARKER_OPENING}{'x' * 26}]")
MAX_DESCRIPTION: Final = 255 - MARKER_LENGTH
"""What the service's marker leaves of a description: 221 characters."""

MAX_TAGS: Final = 50
_UNBOUNDED: Final = 2**31
MAX_PERCENTAGE: Final = 100
FEATURES: Final = ("CATEGORICAL_FEATURE", "NUMERICAL_FEATURE")
SINGLE_COLUMNS: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")

_CONTROL: Final = r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
"""C0, C1, line and paragraph separators, and Unicode's bidirectional controls."""
_SPACES: Final = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_BLANK: Final = rf"^[{_SPACES}]*$"
_ARN_FORBIDDEN: Final = rf"[?#%\\{_SPACES}]|\.\.|{_CONTROL}"
_URI_FORBIDDEN: Final = rf"\.\.|{_CONTROL}"
_BUCKET: Final = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](?:/.*)?"
_RESERVED_KEY: Final = "^[aA][wW][sS]:"
_MARKER: Final = r"\[[cC][rR][mM][lL]:"

ASSUMED: Final = "assumed: AWS does not state this; with the setting rules.assumed=false it is left to AWS"
"""Follows the message of a rule that is our reading."""

MAX_FEATURES: Final = 10

Check = Callable[[Any], Iterator[str]]
"""Yields a message for each breach; the value is of the type that the row names."""

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        name: The rule, as in a violation.
        kind: The Python type of the values it can judge.
        check: Judges one value.
        schema: The same rule in JSON Schema, to be merged into that of the value; empty when it cannot say it.
        shapes: Shapes it applies to.
        members: Or: it applies to structures with all these members.
        assumed: Whether it is our reading, and not AWS's word.
        unsaid: Why JSON Schema cannot say it; empty when it does.
    """

    name: str
    kind: type[Sized]
    check: Check
    schema: Schema
    shapes: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    assumed: bool = False
    unsaid: str = ""

    def applies(self, shape: Shape, value: Any) -> bool:
        """True when the rule judges this value; one that is too long already breaks the model, and may be huge."""
        if not isinstance(value, self.kind) or len(value) > shape.metadata.get("max", _UNBOUNDED):
            return False
        return self.covers(shape)

    def covers(self, shape: Shape) -> bool:
        """True when the rule is about values of this shape."""
        if self.members:
            return isinstance(shape, StructureShape) and self.members <= shape.members.keys()
        return shape.name in self.shapes


def violations(operation: str, params: Any, *, assumed: bool = True) -> Iterator[Violation]:
    """What the rules refuse in a request.

    Args:
        operation: A row's name.
        params: The request.
        assumed: Whether the rules that are our reading count too.
    """
    top = input_shape(operation)
    for location, shape, value in walk(top, params):
        for rule in RULES:
            if (assumed or not rule.assumed) and rule.applies(shape, value):
                for message in rule.check(value):
                    text = f"{message} ({ASSUMED})" if rule.assumed else message
                    yield Violation(render(top, location)[0], rule.name, text)
    if isinstance(params, dict):
        yield from marker_violations(operation, params)


MARKER_ROOM: Final[Schema] = {"maxLength": MAX_DESCRIPTION, "not": {"pattern": _MARKER}}
"""What JSON Schema says of a description that gets the marker."""


def stamped(operation: str) -> bool:
    """True when the service appends its marker to the description of such a request."""
    row = OPERATIONS[operation]
    return row.creates or row.restamps


def marker_violations(operation: str, params: Mapping[str, Any]) -> Iterator[Violation]:
    """The service appends its marker to the description of what it creates, and again when an update replaces it."""
    description = params.get(MARKER_MEMBER)
    if not stamped(operation) or not isinstance(description, str):
        return
    path = f"data.{MARKER_MEMBER}"
    if len(description) > MAX_DESCRIPTION:
        message = (
            f"must have at most {MAX_DESCRIPTION} characters: the service appends {MARKER_LENGTH} of its own, "
            "by which it finds the resource again after a failure"
        )
        yield Violation(path, "max", message)
    if re.search(_MARKER, description):
        yield Violation(path, "marker", f"must not contain {MARKER_OPENING!r}, which is the service's own mark")


# --- checks -----------------------------------------------------------------------------------------------------------


def _name(text: str) -> Iterator[str]:
    if re.search(_BLANK, text):
        yield "must not be blank"
    if re.search(_CONTROL, text):
        yield "must not contain control, line or text direction characters"


def _tags(tags: dict[str, Any]) -> Iterator[str]:
    if len(tags) > MAX_TAGS:
        yield f"must have at most {MAX_TAGS} tags, the limit of a resource"
    yield from _tag_keys(list(tags))
    if any(isinstance(text, str) and re.search(_CONTROL, text) for text in [*tags, *tags.values()]):
        yield "keys and values must not contain control, line or text direction characters"


def _tag_keys(keys: list[Any]) -> Iterator[str]:
    if any(isinstance(key, str) and re.search(_RESERVED_KEY, key) for key in keys):
        yield "keys must not start with aws:, in any case; AWS reserves it"


def _arn(text: str) -> Iterator[str]:
    if referred(text):
        return
    if re.search(_ARN_FORBIDDEN, text):
        yield "must not contain '..', '?', '#', '%', a backslash, white space or control characters"


def _s3_uri(text: str) -> Iterator[str]:
    if re.search(_URI_FORBIDDEN, text):
        yield "must not contain '..' or control characters"
    if text.startswith("s3://") and not re.fullmatch(_BUCKET, text, re.DOTALL):
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


def _some_tag_keys(keys: list[Any]) -> Iterator[str]:
    if not keys:
        yield "must have at least 1 item: they are sent in the query, which shows nothing of an empty list"


def _types(schema: list[Any]) -> list[Any]:
    types: list[Any] = []
    for column in schema:
        found = column.get("columnTypes") if isinstance(column, dict) else None
        types.extend(found if isinstance(found, list) else ())
    return types


def _columns(schema: list[Any]) -> Iterator[str]:
    types = _types(schema)
    for wanted in SINGLE_COLUMNS:
        if (count := types.count(wanted)) != 1:
            yield f"must have exactly one column of type {wanted}; it has {count}"


def _features(schema: list[Any]) -> Iterator[str]:
    types = _types(schema)
    if (count := sum(types.count(kind) for kind in FEATURES)) > MAX_FEATURES:
        yield f"must have at most {MAX_FEATURES} columns of types {' and '.join(FEATURES)}; it has {count}"


def _column_names(schema: list[Any]) -> Iterator[str]:
    names = [column.get("columnName") for column in schema if isinstance(column, dict)]
    folded = [name.lower() for name in names if isinstance(name, str)]
    if len(set(folded)) != len(folded):
        yield "must not name a column twice; case makes no difference, since Glue folds it"


def _query(sql: dict[str, Any]) -> Iterator[str]:
    if bool(sql.get("queryString")) == bool(sql.get("analysisTemplateArn")):
        yield "must have exactly one of: queryString, analysisTemplateArn"


def _compute(seed: dict[str, Any]) -> Iterator[str]:
    if "sqlComputeConfiguration" in seed and "sqlParameters" not in seed:
        yield "must have sqlComputeConfiguration only beside sqlParameters"


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
        yield f"must be the text of a JSON object; it {error.message}"
        return
    if not isinstance(policy, dict):
        yield "must be the text of a JSON object; it is JSON of another type"


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

_SCHEMA: Final = frozenset({"DatasetInputConfigSchemaList"})
_SEED: Final = frozenset({"AudienceGenerationJobDataSource"})
_JOB: Final = frozenset({"seedAudience", "collaborationId"})
_WINDOW: Final = frozenset({"trainingDataStartTime", "trainingDataEndTime"})


def _without(*patterns: str) -> Schema:
    return {"not": {"pattern": "|".join(patterns)}}


def _when(condition: Schema, then: Schema) -> Schema:
    return {"allOf": [{"if": condition, "then": then}]}


def _has(member: str) -> Schema:
    """A member is there; strict validators want to find what is required among the properties."""
    return {"properties": {member: {}}, "required": [member]}


def _is(member: str, value: str) -> Schema:
    return {"properties": {member: {"const": value}}, "required": [member]}


def _column(*types: str) -> Schema:
    """A column of one of the types; a column has exactly one."""
    columns = {"type": "array", "contains": {"enum": list(types)}}
    return {"type": "object", "properties": {"columnTypes": columns}, "required": ["columnTypes"]}


_TAGS: Final[Schema] = {
    "maxProperties": MAX_TAGS,
    "propertyNames": _without(_RESERVED_KEY, _CONTROL),
    "additionalProperties": _without(_CONTROL),
}
_PERCENT: Final[Schema] = {"type": "integer", "maximum": MAX_PERCENTAGE}
_PERCENTAGES: Final = _when(
    _is("audienceSizeType", "PERCENTAGE"),
    {"properties": {"audienceSizeBins": {"type": "array", "items": _PERCENT}}},
)
_PERCENTAGE: Final = _when(_is("type", "PERCENTAGE"), {"properties": {"value": _PERCENT}})
_ONE_EACH: Final[Schema] = {"allOf": [{"contains": _column(kind), "maxContains": 1} for kind in SINGLE_COLUMNS]}
# Not with minContains: 0, which readers of older drafts do not know: to them, contains means at least one.
_FEW_FEATURES: Final[Schema] = {
    "allOf": [
        {
            "anyOf": [
                {"not": {"contains": _column(*FEATURES)}},
                {"contains": _column(*FEATURES), "maxContains": MAX_FEATURES},
            ]
        }
    ]
}
_ONE_SOURCE: Final[Schema] = {"allOf": [{"oneOf": [_has(name) for name in ("dataSource", "sqlParameters")]}]}
_ONE_QUERY: Final[Schema] = {
    "allOf": [
        {
            "oneOf": [
                {"properties": {"queryString": {"type": "string", "minLength": 1}}, "required": ["queryString"]},
                _has("analysisTemplateArn"),
            ]
        }
    ]
}
_COMPUTED: Final = _when(_has("sqlComputeConfiguration"), _has("sqlParameters"))
_COLLABORATION: Final = _when(
    {"properties": {"seedAudience": {"type": "object", **_has("sqlParameters")}}, "required": ["seedAudience"]},
    _has("collaborationId"),
)

RULES: Final = (
    Rule("name", str, _name, _without(_BLANK, _CONTROL), shapes=frozenset({"NameString"})),
    Rule("tags", dict, _tags, _TAGS, shapes=frozenset({"TagMap"})),
    Rule("tags", list, _tag_keys, {"items": _without(_RESERVED_KEY)}, shapes=frozenset({"TagKeys"})),
    Rule("min", list, _some_tag_keys, {"minItems": 1}, shapes=frozenset({"TagKeys"})),
    Rule("arn", str, _arn, _without(_ARN_FORBIDDEN), shapes=ARNS),
    Rule(
        "s3-uri",
        str,
        _s3_uri,
        {"pattern": f"^{_BUCKET}$", **_without(_URI_FORBIDDEN)},
        shapes=frozenset({"S3Path"}),
    ),
    Rule("unique", list, _size_bins, {"uniqueItems": True}, shapes=frozenset({"AudienceSizeBins"})),
    Rule("percentage", dict, _percentages, _PERCENTAGES, shapes=frozenset({"AudienceSizeConfig"})),
    Rule("percentage", dict, _percentage, _PERCENTAGE, shapes=frozenset({"AudienceSize"})),
    Rule("columns", list, _columns, _ONE_EACH, shapes=_SCHEMA, assumed=True),
    Rule("columns", list, _features, _FEW_FEATURES, shapes=_SCHEMA),
    Rule(
        "unique",
        list,
        _column_names,
        {},
        shapes=_SCHEMA,
        assumed=True,
        unsaid="JSON Schema compares whole items, not one member of them, and knows no case-insensitive equality.",
    ),
    Rule("one-of", dict, _seed, _ONE_SOURCE, shapes=_SEED, assumed=True),
    Rule("dependent", dict, _compute, _COMPUTED, shapes=_SEED, assumed=True),
    Rule("one-of", dict, _query, _ONE_QUERY, shapes=frozenset({"ProtectedQuerySQLParameters"}), assumed=True),
    Rule("required", dict, _sql_needs_collaboration, _COLLABORATION, members=_JOB, assumed=True),
    Rule(
        "window",
        dict,
        _window,
        {},
        members=_WINDOW,
        assumed=True,
        unsaid="JSON Schema does not compare two values.",
    ),
    Rule(
        "policy",
        str,
        _policy,
        {"contentMediaType": "application/json"},
        shapes=frozenset({"ResourcePolicy"}),
        unsaid="JSON Schema notes that a string holds JSON (contentMediaType), but does not check it.",
    ),
)
"""All rules, in the order in which their violations are reported."""
