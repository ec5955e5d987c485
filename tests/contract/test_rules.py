"""The service's checks and the sandbox's, which know nothing of each other, on the same requests.

What the sandbox refuses the service must refuse too: else it would commit a command that AWS answers with an error.
Where they differ on purpose, or still do, stands here by name; an entry without a case fails.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandbox.cleanroomsml import api_model, protocol, validation
from sandbox.cleanroomsml import documented_rules as sandbox_rules
from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.errors import ValidationError
from schemas import documented_rules, shapes
from schemas.operations import OPERATIONS
from tests.support import samples
from tests.support.sandbox_constraints import BASES, cases

SERVICE_ONLY: Mapping[str, str] = {
    "name": "control and direction characters, which AWS's pattern allows in part",
    "tags": "control and direction characters",
    "arn": "characters that would make another URL",
    "s3-uri": "buckets that S3 does not allow",
    "marker": "the service's own mark in descriptions",
    "max": "the room that the mark takes in descriptions",
    "type": "null where a value is due, and types that a path or query does not show",
    "enum": "null where a value is due",
    "unknown": "members that the model does not know and that are null, or in a query or path",
}
"""Rules by which the service refuses what the sandbox takes."""

SANDBOX_ONLY: Mapping[str, str] = {
    "Statement": "a policy without statements, and statements whose form is wrong",
    "is not an element of a policy": "members of a policy that IAM's grammar does not have",
}
"""What the sandbox refuses and the service does not yet, by a part of the refusal."""


def sandbox_refusals(operation: str, params: dict[str, Any]) -> list[str]:
    """Refusals of the sandbox, for a request as its SDK would send it."""
    described = api_model.service_model().operation_model(operation)
    shape: Any = described.input_shape
    body, labels, query = {}, {}, {}
    for name, value in params.items():
        member = shape.members.get(name)
        location = member.serialization.get("location") if member is not None else None
        wire_name = member.serialization.get("name", name) if member is not None else name
        if location == "uri":
            labels[wire_name] = value
        elif location == "querystring":
            query[wire_name] = [
                str(each) for each in (value if isinstance(value, list) else [value]) if each is not None
            ]
        else:
            body[wire_name] = value
    try:
        read = protocol.parse(
            described,
            labels,
            {name: given for name, given in query.items() if given},
            json.dumps(body).encode() if body else b"",
        )
    except ValidationError as error:
        return [error.message]
    found = validation.check(shape, read) or sandbox_rules.check(read, Assumptions())
    return [f"{at}: {problem}" for at, problem in found]


def service_rules(operation: str, params: dict[str, Any]) -> set[str]:
    """Rules by which the service refuses a request."""
    return {
        each.rule for each in (*shapes.violations(operation, params), *documented_rules.violations(operation, params))
    }


def _with(base: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    made = copy.deepcopy(base)
    part: Any = made
    for step in path[:-1]:
        part = part[step]
    part[path[-1]] = value
    return made


def _spoken() -> Iterator[tuple[str, dict[str, Any]]]:
    """Requests that break the rules which the documentation states in words, and some that nearly do."""
    dataset, columns = BASES["CreateTrainingDataset"][0], ("trainingData", 0, "inputConfig", "schema")
    schema = dataset["trainingData"][0]["inputConfig"]["schema"]
    feature = {"columnTypes": ["NUMERICAL_FEATURE"]}
    for more in (
        [{"columnName": f"f{n}", **feature} for n in range(10)],
        [{"columnName": f"f{n}", **feature} for n in range(11)],
        [{"columnName": "user", **feature}],
        [{"columnName": "USER", **feature}],
        [{"columnName": "u2", "columnTypes": ["USER_ID"]}],
    ):
        yield "CreateTrainingDataset", _with(dataset, columns, [*schema, *more])
    yield "CreateTrainingDataset", _with(dataset, columns, schema[:2])
    yield "CreateTrainingDataset", _with(dataset, ("tags",), {f"k{n}": "" for n in range(51)})
    yield "CreateTrainingDataset", _with(dataset, ("tags",), {"AWS:x": ""})
    yield "CreateTrainingDataset", _with(dataset, ("tags",), {"a\u202eb": ""})
    for name in (" ", "a\u202eb", "x" * 63):
        yield "CreateTrainingDataset", _with(dataset, ("name",), name)
    for text in ("d" * 255, "a [crml:x]"):
        yield "CreateTrainingDataset", _with(dataset, ("description",), text)
    yield from _spoken_of_jobs()
    yield from _spoken_of_models()


def _spoken_of_jobs() -> Iterator[tuple[str, dict[str, Any]]]:
    role = {"roleArn": "arn:aws:iam::123456789012:role/r"}
    source: dict[str, Any] = {"dataSource": {"s3Uri": "s3://bucket/seed"}}
    compute: dict[str, Any] = {"sqlComputeConfiguration": {"worker": {}}}
    template = "arn:aws:cleanrooms:eu-west-1:123456789012:membership/m/analysistemplate/t"
    job = {key: value for key, value in BASES["StartAudienceGenerationJob"][0].items() if key != "seedAudience"}
    without = {key: value for key, value in job.items() if key != "collaborationId"}
    queries: list[dict[str, Any]] = [{}, {"queryString": "SELECT 1"}, {"analysisTemplateArn": template}]
    queries.append(queries[1] | queries[2])
    seeds: list[dict[str, Any]] = [{}, source, source | compute, *({"sqlParameters": each} for each in queries)]
    seeds += [source | {"sqlParameters": queries[1]}, compute | {"sqlParameters": queries[1]}]
    for seed in seeds:
        for base in (job, without):
            yield "StartAudienceGenerationJob", {**base, "seedAudience": role | seed}


def _spoken_of_models() -> Iterator[tuple[str, dict[str, Any]]]:
    configured = BASES["CreateConfiguredAudienceModel"][0]
    for kind, bins in (("PERCENTAGE", [1, 100]), ("PERCENTAGE", [101]), ("ABSOLUTE", [5, 5]), ("ABSOLUTE", [101])):
        sizes = {"audienceSizeType": kind, "audienceSizeBins": bins}
        yield "CreateConfiguredAudienceModel", _with(configured, ("audienceSizeConfig",), sizes)
    for uri in ("s3://B/x", "s3://bucket/../x"):
        output = ("outputConfig", "destination", "s3Destination", "s3Uri")
        yield "CreateConfiguredAudienceModel", _with(configured, output, uri)
    export = BASES["StartAudienceExportJob"][0]
    for value in (100, 101):
        yield "StartAudienceExportJob", _with(export, ("audienceSize",), {"type": "PERCENTAGE", "value": value})
    trained = BASES["CreateAudienceModel"][0]
    for end in ("2024-01-01T00:00:00Z", "2000-01-01T00:00:00Z"):
        window = {"trainingDataStartTime": "2024-01-01T00:00:00Z", "trainingDataEndTime": end}
        yield "CreateAudienceModel", trained | window
    policy = BASES["PutConfiguredAudienceModelPolicy"][0]
    for text in ("{}", "[]", "{", "3", '{"a":1,"a":2}', '{"Statement":{"Effect":"No"}}', "[" * 5000, '{"a":1e999}'):
        yield "PutConfiguredAudienceModelPolicy", policy | {"configuredAudienceModelPolicy": text}
    for arn in ("a?b", "a..b", "a%2Fb"):
        yield (
            "GetAudienceModel",
            {"audienceModelArn": f"arn:aws:cleanrooms-ml:eu-west-1:123456789012:audience-model/{arn}"},
        )


def requests() -> Iterator[tuple[str, dict[str, Any]]]:
    """All requests compared."""
    for case in cases():
        yield case.operation, dict(case.inside)
        yield case.operation, dict(case.outside)
    for breach in samples.breaches():
        if isinstance(breach.params, dict):
            yield breach.operation, breach.params
    for operation in OPERATIONS:
        for base in BASES[operation]:
            yield operation, base
        for full in (False, True):
            yield operation, samples.payload(operation, full=full)
    yield from _spoken()


def _has_its_labels(operation: str, params: Mapping[str, Any]) -> bool:
    """Whether a URL can be made; without one there is nothing that the sandbox could refuse."""
    members = shapes.input_shape(operation).members
    labels = [name for name, member in members.items() if member.serialization.get("location") == "uri"]
    return all(isinstance(params.get(name), str) for name in labels)


COMPARED = [
    (operation, params, sandbox_refusals(operation, params), service_rules(operation, params))
    for operation, params in requests()
    if _has_its_labels(operation, params)
]


def test_what_the_sandbox_refuses_the_service_refuses() -> None:
    missed = [
        (operation, refusals)
        for operation, _, refusals, found in COMPARED
        if refusals and not found and not any(known in each for known in SANDBOX_ONLY for each in refusals)
    ]
    assert missed == []


def test_what_the_service_refuses_the_sandbox_refuses() -> None:
    missed = [
        (operation, sorted(found))
        for operation, _, refusals, found in COMPARED
        if found and not refusals and not found <= SERVICE_ONLY.keys()
    ]
    assert missed == []


@pytest.mark.parametrize("known", SANDBOX_ONLY)
def test_a_difference_that_is_gone_is_taken_off_the_list(known: str) -> None:
    assert any(known in each and not found for _, _, refusals, found in COMPARED for each in refusals)


@pytest.mark.parametrize("known", SERVICE_ONLY)
def test_a_stricter_rule_has_a_case(known: str) -> None:
    assert any(found == {known} and not refusals for _, _, refusals, found in COMPARED)


def test_there_are_enough_requests_of_both_kinds() -> None:
    refused = sum(bool(refusals and found) for _, _, refusals, found in COMPARED)
    taken = sum(not refusals and not found for _, _, refusals, found in COMPARED)
    assert min(refused, taken) > 200, (refused, taken)
