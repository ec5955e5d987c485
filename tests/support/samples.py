"""Valid values for every shape of the requests, and values that break exactly one constraint of the model."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from schemas import documented_rules, shapes
from schemas.operations import OPERATIONS

ACCOUNT: Final = "123456789012"


def arn(kind: str, name: str = "x-1") -> str:
    return f"arn:aws:cleanrooms-ml:eu-west-1:{ACCOUNT}:{kind}/{name}"


def _arns(kind: str) -> tuple[str, str]:
    shortest = arn(kind, "x")
    return shortest, shortest + "y" * (2048 - len(shortest))


_ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/r"
_KEY: Final = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k"
_TEMPLATE: Final = f"arn:aws:cleanrooms:eu-west-1:{ACCOUNT}:membership/m-1/analysistemplate/t"
_UUID: Final = "6b1f0c52-0000-4000-8000-0123456789ab"

# Strings with a pattern, by shape: a short one and the longest.
STRINGS: Final[dict[str, tuple[str, str]]] = {
    "NameString": ("n", "n é" * 21),
    "IamRoleArn": (_ROLE, _ROLE + "/r" * ((2048 - len(_ROLE)) // 2)),
    "KmsKeyArn": (_KEY, _KEY + "k" * (2048 - len(_KEY))),
    "AnalysisTemplateArn": (_TEMPLATE, _TEMPLATE + "t" * (200 - len(_TEMPLATE))),
    "ColumnName": ("c", "c -" * 42 + "cc"),
    "GlueTableName": ("t", "t -" * 42 + "tt"),
    "GlueDatabaseName": ("d", "d_-" * 42 + "dd"),
    "AccountId": (ACCOUNT, ACCOUNT),
    "TrainingDatasetArn": _arns("training-dataset"),
    "AudienceModelArn": _arns("audience-model"),
    "ConfiguredAudienceModelArn": _arns("configured-audience-model"),
    "AudienceGenerationJobArn": _arns("audience-generation-job"),
    "TaggableArn": _arns("audience-model"),
    "S3Path": ("s3://bucket", "s3://bucket/" + "k" * 1273),
    "Hash": ("0" * 64, "f" * 128),
    "ParameterName": ("p", "P_0" * 33 + "x"),
    "UUID": (_UUID, _UUID),
    "ResourceDescription": ("", "d\r\n\té" + "d" * 216),
    "ResourcePolicy": ("{}", '{"a":"' + "x" * 20_472 + '"}'),
}

_COLUMNS: Final = ("USER_ID", "ITEM_ID", "TIMESTAMP")


def value(shape: Shape, *, full: bool) -> Any:
    """A valid value: with the required members and the least sizes, or with all members and the greatest."""
    if shape.name in _SPECIAL:
        return _SPECIAL[shape.name](full)
    if isinstance(shape, StructureShape):
        names = shape.members if full or shape.is_tagged_union else shape.required_members
        return {name: value(shape.members[name], full=full) for name in names}
    if isinstance(shape, ListShape):
        return [value(shape.member, full=full) for _ in range(_count(shape, full))]
    if isinstance(shape, MapShape):
        return {f"k{number}": value(shape.value, full=full) for number in range(min(50, _count(shape, full)))}
    return _scalar(shape, full)


def _count(shape: Shape, full: bool) -> int:
    least = int(shape.metadata.get("min", 0))
    return int(shape.metadata.get("max", 60)) if full else least


def _scalar(shape: Shape, full: bool) -> Any:
    if isinstance(shape, StringShape):
        if shape.enum:
            return shape.enum[-1 if full else 0]
        if shape.name in STRINGS:
            return STRINGS[shape.name][full]
        return "v" * int(shape.metadata["max" if full else "min"])
    if shape.type_name == "boolean":
        return full
    if shape.type_name == "timestamp":
        return "2025-01-31T12:00:00.123456Z" if full else "2025-01-31t12:00:00+01:00"
    return shape.metadata["max" if full else "min"]


def _seed(full: bool) -> Any:
    model = shapes.service_model()
    seed = {"roleArn": STRINGS["IamRoleArn"][full]}
    if not full:
        return seed | {"dataSource": {"s3Uri": "s3://bucket/seed.jsonl"}}
    sql = value(model.shape_for("ProtectedQuerySQLParameters"), full=True)
    del sql["analysisTemplateArn"]
    compute = value(model.shape_for("ComputeConfiguration"), full=True)
    return seed | {"sqlParameters": sql, "sqlComputeConfiguration": compute}


def _columns(full: bool) -> Any:
    types = [*_COLUMNS, *["NUMERICAL_FEATURE"] * (10 if full else 0)]
    return [{"columnName": f"c{number}", "columnTypes": [kind]} for number, kind in enumerate(types)]


def _tag_keys(full: bool) -> Any:
    shape = shapes.service_model().shape_for("TagKeys")
    assert isinstance(shape, ListShape)
    return [_scalar(shape.member, full) for _ in range(_count(shape, full) or 1)]


def _bins(full: bool) -> Any:
    return [20_000_000 - number for number in range(25)] if full else [1]


def _size_config(full: bool) -> Any:
    return {"audienceSizeType": "ABSOLUTE" if full else "PERCENTAGE", "audienceSizeBins": _bins(full)}


def _size(full: bool) -> Any:
    return {"type": "ABSOLUTE" if full else "PERCENTAGE", "value": 20_000_000 if full else 1}


_SPECIAL: Final[dict[str, Any]] = {
    "AudienceGenerationJobDataSource": _seed,
    "DatasetInputConfigSchemaList": _columns,
    "TagKeys": _tag_keys,
    "AudienceSizeBins": _bins,
    "AudienceSizeConfig": _size_config,
    "AudienceSize": _size,
}


def payload(operation: str, *, full: bool) -> dict[str, Any]:
    """A valid request: minimal, or maximal."""
    result: dict[str, Any] = value(shapes.input_shape(operation), full=full)
    if full and "trainingDataEndTime" in result:
        result["trainingDataEndTime"] = "2025-02-28T12:00:00Z"
    return result


Location = tuple[str | int, ...]


@dataclass(frozen=True)
class Breach:
    """A request with one thing wrong."""

    operation: str
    location: Location
    rule: str
    what: str
    params: Any

    def __str__(self) -> str:
        place = ".".join(map(str, self.location))
        return f"{self.operation}-{place}-{self.rule}-{self.what}"


def breaches() -> Iterator[Breach]:
    """Every constraint of every member of every request, broken alone."""
    for operation in OPERATIONS:
        top = shapes.input_shape(operation)
        maximal = payload(operation, full=True)
        for base in variants(maximal):
            for location, shape, _ in shapes.walk(top, base):
                if _repeated(location):
                    continue
                for rule, what, wrong in _wrong(shape):
                    yield Breach(operation, location, rule, what, replaced(base, location, wrong))
                yield from _members(operation, base, location, shape)


Wrong = Callable[[Any], Any]


def _becomes(*values: Any) -> tuple[Wrong, ...]:
    return tuple((lambda _, value=value: value) for value in values)


def _ends(*texts: str) -> tuple[Wrong, ...]:
    return tuple((lambda good, text=text: good[:100] + text) for text in texts)


def _has(**members: Any) -> Wrong:
    return lambda good: {**good, **members}


def _lacks(*names: str) -> Wrong:
    return lambda good: {name: item for name, item in good.items() if name not in names}


def _features(count: int) -> Wrong:
    return lambda _: [*_columns(False), *({"columnName": f"f{n}", "columnTypes": [_FEATURE]} for n in range(count))]


_FEATURE: Final = "CATEGORICAL_FEATURE"
_QUERY: Final = {"queryString": "SELECT 1"}
_S3: Final = {"s3Uri": "s3://bucket/x"}

RULE_BREACHES: Final[dict[str, tuple[Wrong, ...]]] = {
    "_name": _becomes(" ", "\t", "\u00a0\u3000", "a\nb", "a\x85", "\u202ea", "a\u2028", "a\n"),
    "_tags": _becomes(
        {f"k{number}": "v" for number in range(51)},
        {"aws:x": "v"},
        {"AWS:": "v"},
        {"a": "v", "aWs:y": "v"},
        {"a\n": "v"},
        {"\u2066": "v"},
        {"a": "v\x00"},
        {"a": "\u202e"},
    ),
    "_tag_keys": _becomes(["aws:x"], ["a", "AwS:"]),
    "_some_tag_keys": _becomes([]),
    "_arn": _ends("..", "?", "#", "%2e", "\\", " ", "\u00a0", "\u3000", "\n", "\x00", "\u202e"),
    "_s3_uri": _becomes(
        "s3://b/x", "s3://B00/x", "s3:///x", "s3://-bucket", "s3://bucket/..", "s3://bucket/a\nb", "s3://"
    ),
    "_size_bins": _becomes([5, 6, 5], [1, 1]),
    "_percentages": _becomes({"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [1, 101]}),
    "_percentage": _becomes({"type": "PERCENTAGE", "value": 101}),
    "_columns": (
        *_becomes(_columns(False)[1:], _columns(False)[:2], [_columns(False)[n] for n in (0, 2)]),
        *(lambda _, kind=kind: [*_columns(False), {"columnName": "x", "columnTypes": [kind]}] for kind in _COLUMNS),
    ),
    "_features": (_features(11), _features(12)),
    "_column_names": (lambda _: [*_columns(False), {"columnName": "C0", "columnTypes": [_FEATURE]}],),
    "_seed": (_has(dataSource=_S3, sqlParameters=_QUERY), _lacks("dataSource", "sqlParameters")),
    "_compute": (
        lambda good: {"roleArn": good["roleArn"], "dataSource": _S3, "sqlComputeConfiguration": {"worker": {}}},
    ),
    "_query": _becomes(
        {}, {"queryString": ""}, {"parameters": {}}, _QUERY | {"analysisTemplateArn": STRINGS["AnalysisTemplateArn"][0]}
    ),
    "_sql_needs_collaboration": (
        lambda good: _lacks("collaborationId")(
            good | {"seedAudience": good["seedAudience"] | {"sqlParameters": _QUERY}}
        ),
    ),
    "_window": (_has(trainingDataStartTime="2025-01-02T00:00:00Z", trainingDataEndTime="2025-01-02T01:00:00+01:00"),),
    "_policy": _becomes(
        *("x", "[]", '{"a":1,"a":2}', "{", '{"a":' * 33 + "1" + "}" * 33, f'{{"a":[{"1," * 2_000}1]}}'),
        *('{"a":1e999}', f'{{"a":0.{"1" * 5_000}}}', '{"a":"\\ud800"}', "\ufeff{}"),
    ),
}
"""By the name of a rule's check: what makes a good value a wrong one."""

STAMP_BREACHES: Final = ("d" * 222, "x [crml:0", "[CrMl:")
"""Descriptions that leave no room for the marker, or forge it."""


def rule_breaches() -> Iterator[Breach]:
    """Every rule broken wherever it applies."""
    for operation in OPERATIONS:
        top = shapes.input_shape(operation)
        for full in (False, True):
            base = payload(operation, full=full)
            for location, shape, good in shapes.walk(top, base):
                if _repeated(location):
                    continue
                for rule in documented_rules.RULES:
                    for number, wrong in enumerate(RULE_BREACHES[rule.check.__name__] if rule.covers(shape) else ()):
                        params = replaced(base, location, wrong(good))
                        yield Breach(operation, location, rule.name, f"{rule.check.__name__}{number}", params)
            if documented_rules.stamped(operation):
                for text in STAMP_BREACHES:
                    yield Breach(operation, ("description",), "marker", ascii(text[:9]), base | {"description": text})


def variants(maximal: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The request, and those with the members that exclude some of its own."""
    yield maximal
    if "seedAudience" in maximal:
        other = copy.deepcopy(maximal)
        other["seedAudience"] = _seed(False)
        yield other
        template = copy.deepcopy(maximal)
        template["seedAudience"]["sqlParameters"] = {"analysisTemplateArn": STRINGS["AnalysisTemplateArn"][1]}
        yield template


def _repeated(location: Location) -> bool:
    """True beyond the first element of an array or the first entry of a map: they are all alike."""
    return any(step not in {0, "k0"} and (isinstance(step, int) or _numbered(step)) for step in location)


def _numbered(step: str) -> bool:
    return step.startswith("k") and step[1:].isdigit()


def _members(operation: str, base: Any, location: Location, shape: Shape) -> Iterator[Breach]:
    if not isinstance(shape, StructureShape):
        return
    holder = _at(base, location)
    for name in shape.required_members:
        without = {key: item for key, item in holder.items() if key != name}
        yield Breach(operation, (*location, name), "required", "absent", replaced(base, location, without))
    more = {**holder, "Unknown": 1}
    yield Breach(operation, (*location, "Unknown"), "unknown", "member", replaced(base, location, more))
    if shape.is_tagged_union:
        yield Breach(operation, location, "union", "none", replaced(base, location, {}))


def _wrong(shape: Shape) -> Iterator[tuple[str, str, Any]]:
    limits = shape.metadata
    wrong_types: dict[str, list[Any]] = {
        "string": [1, True, ["x"], {}],
        "integer": ["1", True, 1.5, 1.0, []],
        "boolean": [1, "true"],
        "timestamp": [1_700_000_000, True],
        "list": [{}, "x", 1],
        "map": [[], "x"],
        "structure": [[], "x", 1],
    }
    for wrong in [None, *wrong_types[shape.type_name]]:
        # An enumeration says which values it has, whatever the type of the wrong one.
        rule = "enum" if isinstance(shape, StringShape) and shape.enum else "type"
        yield rule, f"{type(wrong).__name__}{wrong!r:.8}", wrong
    if shape.type_name == "timestamp":
        for text in ("", "2025-01-31", "2025-02-30T00:00:00Z", "2025-01-31T12:00:00", "2025-01-31T24:00:00Z", "1e9"):
            yield "timestamp", text, text
    if isinstance(shape, StringShape):
        yield from _wrong_string(shape)
    elif isinstance(shape, ListShape | MapShape):
        yield from _wrong_size(shape)
    elif shape.type_name == "integer":
        yield "min", "less", limits["min"] - 1
        yield "max", "more", limits["max"] + 1


def _wrong_string(shape: StringShape) -> Iterator[tuple[str, str, Any]]:
    limits = shape.metadata
    if shape.enum:
        yield "enum", "BANANA", "BANANA"
        yield "enum", "case", shape.enum[0].swapcase()
        yield "enum", "empty", ""
        return
    if limits.get("min", 0) > 0:
        yield "min", "short", "0" * (limits["min"] - 1)
    yield "max", "long", "0" * (limits["max"] + 1)
    if "pattern" in limits:
        yield "pattern", "control", "\x01" * max(1, limits.get("min", 0))
        good = STRINGS[shape.name][0]
        if len(good) < limits["max"]:
            yield "pattern", "prefix", "\x00" + good
            if not limits["pattern"].endswith(".+"):
                yield "pattern", "suffix", good + "\x00"
        if shape.name != "ResourceDescription" and len(good) < limits["max"]:
            yield "pattern", "newline", good + "\n"


def _wrong_size(shape: ListShape | MapShape) -> Iterator[tuple[str, str, Any]]:
    limits = shape.metadata
    many = range(int(limits.get("max", -1)) + 1)
    if isinstance(shape, ListShape):
        if limits.get("min", 0) > 0:
            yield "min", "few", []
        yield "max", "many", [value(shape.member, full=False) for _ in many]
    elif many:
        yield "max", "many", {f"k{number}": "v" for number in many}


def _at(base: Any, location: Location) -> Any:
    for step in location:
        base = base[step]
    return base


def replaced(base: Any, location: Location, wrong: Any) -> Any:
    if not location:
        return wrong
    step, *rest = location
    result: Any = list(base) if isinstance(base, list) else dict(base)
    result[step] = replaced(base[step], tuple(rest), wrong)
    return result
