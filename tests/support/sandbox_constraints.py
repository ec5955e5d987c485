"""Derives from the API model, for each constraint of each operation, a request just inside and one just outside.

A request begins as a whole valid one (`BASES`), in which every optional member is present; a case changes one place.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.operations import OPERATIONS

ACCOUNT = "123456789012"
ARN = f"arn:aws:cleanrooms-ml:eu-west-1:{ACCOUNT}:"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Case:
    """One place of one operation's input and one rule about it."""

    operation: str
    path: Path
    rule: str
    inside: Mapping[str, Any]
    outside: Mapping[str, Any]
    member: str
    """How the refusal names the place."""

    @property
    def id(self) -> str:
        return f"{self.operation}-{self.member or 'body'}-{self.rule}"


def cases() -> list[Case]:
    """All cases of all 25 operations."""
    found = []
    for operation in OPERATIONS:
        for base in BASES[operation]:
            shape = api_model.service_model().operation_model(operation).input_shape
            found += [_case(operation, base, *each) for each in _sites(shape, base, ())]
    return list({each.id: each for each in reversed(found)}.values())[::-1]


def _case(operation: str, base: dict[str, Any], path: Path, rule: str, inside: Any, outside: Any, at: str) -> Case:
    return Case(operation, path, rule, _put(base, path, inside), _put(base, path, outside), at)


ABSENT: Any = object()
KEY = "\0key"
"""Last word of a path that means the key of a map's only entry."""


def _put(base: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy of a request with another value at a place."""
    made = copy.deepcopy(base)
    if not path:
        made.update(value)
        return made
    *way, last = path
    part: Any = made
    for step in way:
        part = part[step]
    if last == KEY:
        [(_, held)] = part.items()
        part.clear()
        part[value] = held
    elif value is ABSENT:
        del part[last]
    else:
        part[last] = value
    return made


def _sites(shape: Any, value: Any, path: Path) -> Iterator[tuple[Path, str, Any, Any, str]]:
    """Yield (path, rule, value inside, value outside, name in the refusal) for a value and all below it."""
    at = _name(path)
    for rule, inside, outside in _broken(shape, value):
        yield path, rule, inside, outside, at
    if shape.type_name == "structure":
        yield from _sites_of_members(shape, value, path)
    elif shape.type_name == "list":
        for index, each in enumerate(value[:1]):
            yield from _sites(shape.member, each, (*path, index))
    elif shape.type_name == "map":
        [(key, held)] = list(value.items())[:1]
        yield from ((p, rule, i, o, f"{at}.key") for p, rule, i, o, _ in _sites(shape.key, key, (*path, KEY)))
        yield from ((p, rule, i, o, f"{at}.value") for p, rule, i, o, _ in _sites(shape.value, held, (*path, key)))


def _sites_of_members(shape: Any, value: Any, path: Path) -> Iterator[tuple[Path, str, Any, Any, str]]:
    for name, member in shape.members.items():
        if name not in value:
            continue
        place = (*path, name)
        if name in shape.required_members and member.serialization.get("location") != "uri":
            yield place, "required", value[name], ABSENT, _name(place)
        yield from _sites(member, value[name], place)
    if any("location" not in member.serialization for member in shape.members.values()) or path:
        stranger = (*path, "unheardOf")
        yield stranger, "unknown", None, "x", _name(stranger)


def _name(path: Path) -> str:
    words = [f"{step + 1}.member" if isinstance(step, int) else step for step in path if step != KEY]
    return ".".join(words)


def _broken(shape: Any, value: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield (rule, value inside, value outside) for the constraints of one shape."""
    facts = shape.metadata
    if "enum" in facts:
        yield "enum", value, facts["enum"][-1] + "X"
    if "pattern" in facts:
        yield "pattern", value, "not a match \x01"
    for rule, off in (("min", -1), ("max", 1)):
        if rule in facts and facts[rule] + off >= 0:
            bound = STRICTER.get((shape.name, rule), facts[rule])
            inside, outside = _sized(shape, value, bound), _sized(shape, value, bound + off)
            yield rule, inside if _may_be(shape, inside) else value, outside


def _may_be(shape: Any, value: Any) -> bool:
    """Whether the pattern leaves room for a value of a bound's size; the shortest ARN is longer than its minimum."""
    pattern = shape.metadata.get("pattern")
    return pattern is None or re.fullmatch(pattern, value) is not None


STRICTER: Mapping[tuple[str, str], int] = {("TagMap", "max"): 50}
"""Bounds which the documentation states in words and which are narrower than the model's."""
_MOST_FEATURES = 10


def _sized(shape: Any, value: Any, size: int) -> Any:
    """A value of a size, alike enough to the given one to break no other rule."""
    if shape.type_name == "integer":
        return size
    if shape.type_name == "map":
        return {f"key{n}": next(iter(value.values())) for n in range(size)}
    if shape.type_name == "list":
        return _list(shape, value, size)
    return _text(shape.name, value, size)


def _list(shape: Any, value: list[Any], size: int) -> list[Any]:
    if shape.name == "AudienceSizeBins":
        return list(range(1, size + 1))
    if shape.name == "DatasetInputConfigSchemaList":
        return _columns(value, size, shape.metadata["max"])
    if shape.member.type_name == "string" and "enum" not in shape.member.metadata:
        return [f"key{n}" for n in range(size)]
    return [*value, *value][:size]


def _columns(value: list[Any], size: int, most: int) -> list[Any]:
    """Columns of a schema: at least the three that it needs, and with the most features inside of the maximum."""
    features = size - len(value) if size > most else _MOST_FEATURES if size == most else 0
    more = [{"columnName": f"feature {n}", "columnTypes": ["NUMERICAL_FEATURE"]} for n in range(features)]
    return [*value, *more] if size else []


def _text(name: str, value: str, size: int) -> str:
    """Cut or lengthen; a policy stays JSON."""
    if name == "ResourcePolicy" and size:
        return value.removesuffix("}").ljust(size - 1) + "}"
    return (value + "a" * size)[:size]


_DESCRIPTION = {"description": "what it is", "tags": {"key": "value"}}
_PAGE = {"maxResults": 10}
_DATASET: dict[str, Any] = {
    "name": "name",
    "roleArn": ROLE,
    "trainingData": [
        {
            "type": "INTERACTIONS",
            "inputConfig": {
                "schema": [
                    {"columnName": "user", "columnTypes": ["USER_ID"]},
                    {"columnName": "item", "columnTypes": ["ITEM_ID"]},
                    {"columnName": "time", "columnTypes": ["TIMESTAMP"]},
                ],
                "dataSource": {
                    "glueDataSource": {"databaseName": "films", "tableName": "ratings", "catalogId": ACCOUNT}
                },
            },
        }
    ],
    **_DESCRIPTION,
}
_OUTPUT = {"destination": {"s3Destination": {"s3Uri": "s3://bucket/key"}}, "roleArn": ROLE}
_SIZES = {"audienceSizeType": "ABSOLUTE", "audienceSizeBins": [5, 10]}
_CONFIGURED: dict[str, Any] = {
    "audienceModelArn": ARN + "audience-model/model",
    "outputConfig": _OUTPUT,
    "sharedAudienceMetrics": ["ALL"],
    "minMatchingSeedSize": 100,
    "audienceSizeConfig": _SIZES,
    "description": "what it is",
}
_JOB: dict[str, Any] = {
    "name": "name",
    "configuredAudienceModelArn": ARN + "configured-audience-model/configured",
    "collaborationId": "6b1f0c52-0000-4000-8000-0123456789ab",
    "includeSeedInOutput": True,
    **_DESCRIPTION,
}
_WORKER = {"type": "CR.1X", "number": 4, "properties": {"spark": {"key": "value"}}}
_TEMPLATE = f"arn:aws:cleanrooms:eu-west-1:{ACCOUNT}:membership/m/analysistemplate/t"
_BY_SQL = {"roleArn": ROLE, "sqlComputeConfiguration": {"worker": _WORKER}}
_PARAMETERS = {"parameters": {"name": "value"}}


def _arn(kind: str, member: str) -> dict[str, Any]:
    return {member: f"{ARN}{kind}/{kind}"}


_OF_DATASET = _arn("training-dataset", "trainingDatasetArn")
_OF_MODEL = _arn("audience-model", "audienceModelArn")
_OF_CONFIGURED = _arn("configured-audience-model", "configuredAudienceModelArn")
_OF_JOB = _arn("audience-generation-job", "audienceGenerationJobArn")
_OF_TAGS = _arn("training-dataset", "resourceArn")

BASES: Mapping[str, list[dict[str, Any]]] = {
    "CreateTrainingDataset": [_DATASET],
    "GetTrainingDataset": [_OF_DATASET],
    "ListTrainingDatasets": [_PAGE],
    "DeleteTrainingDataset": [_OF_DATASET],
    "CreateAudienceModel": [
        {
            "name": "name",
            **_OF_DATASET,
            "kmsKeyArn": f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/key",
            "trainingDataStartTime": "2024-01-01T00:00:00Z",
            "trainingDataEndTime": "2025-01-01T00:00:00Z",
            **_DESCRIPTION,
        }
    ],
    "GetAudienceModel": [_OF_MODEL],
    "ListAudienceModels": [_PAGE],
    "DeleteAudienceModel": [_OF_MODEL],
    "CreateConfiguredAudienceModel": [
        {"name": "name", **_CONFIGURED, "childResourceTagOnCreatePolicy": "NONE", "tags": {"key": "value"}}
    ],
    "UpdateConfiguredAudienceModel": [_OF_CONFIGURED | _CONFIGURED],
    "GetConfiguredAudienceModel": [_OF_CONFIGURED],
    "ListConfiguredAudienceModels": [_PAGE],
    "DeleteConfiguredAudienceModel": [_OF_CONFIGURED],
    "PutConfiguredAudienceModelPolicy": [
        _OF_CONFIGURED
        | {
            "configuredAudienceModelPolicy": '{"Statement": []}',
            "previousPolicyHash": "0123456789abcdef" * 4,
            "policyExistenceCondition": "POLICY_MUST_EXIST",
        }
    ],
    "GetConfiguredAudienceModelPolicy": [_OF_CONFIGURED],
    "DeleteConfiguredAudienceModelPolicy": [_OF_CONFIGURED],
    "StartAudienceGenerationJob": [
        _JOB | {"seedAudience": {"roleArn": ROLE, "dataSource": {"s3Uri": "s3://bucket/seed"}}},
        _JOB | {"seedAudience": _BY_SQL | {"sqlParameters": {"queryString": "SELECT user_id FROM t", **_PARAMETERS}}},
        _JOB | {"seedAudience": _BY_SQL | {"sqlParameters": {"analysisTemplateArn": _TEMPLATE, **_PARAMETERS}}},
    ],
    "GetAudienceGenerationJob": [_OF_JOB],
    "ListAudienceGenerationJobs": [_PAGE | _OF_CONFIGURED | {"collaborationId": _JOB["collaborationId"]}],
    "DeleteAudienceGenerationJob": [_OF_JOB],
    "StartAudienceExportJob": [
        _OF_JOB | {"name": "name", "audienceSize": {"type": "ABSOLUTE", "value": 5}, "description": "what it is"}
    ],
    "ListAudienceExportJobs": [_PAGE | _OF_JOB],
    "TagResource": [_OF_TAGS | {"tags": {"key": "value"}}],
    "UntagResource": [_OF_TAGS | {"tagKeys": ["key"]}],
    "ListTagsForResource": [_OF_TAGS],
}


def on_the_wire(operation: str, params: Mapping[str, Any]) -> tuple[str, str, bytes]:
    """Method, path with query, and body of a request, by the bindings of the model but without any check."""
    found = api_model.service_model().operation_model(operation)
    path, query, document = str(found.http["requestUri"]), [], dict(params)
    shape: Any = found.input_shape
    for name, member in shape.members.items():
        wire_name, location = member.serialization.get("name", name), member.serialization.get("location")
        if location == "uri":
            path = path.replace("{" + wire_name + "}", quote(str(document.pop(name)), safe=""))
        elif location == "querystring" and name in document:
            values = document.pop(name)
            query += [(wire_name, each) for each in (values if isinstance(values, list) else [values])]
    text = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in query)
    body = json.dumps(document).encode() if document else b""
    return str(found.http["method"]), f"{path}?{text}" if text else path, body
