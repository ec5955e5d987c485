"""What AWS has: complete Lists of every kind on every target, and one resource with the marker that it must carry."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from schemas.operations import OPERATIONS, RESOURCES
from schemas.records import Phase
from service import settings
from service.core.job import marker, replace
from service.core.marker import stamp
from service.operator.repair.aws_inventory import adoption_problem, inventory
from service.settings import Settings
from tests.support import builders
from tests.support.wire import Request, Server, answer, refusal, serving

CREATE, EXPORT = OPERATIONS["CreateAudienceModel"], OPERATIONS["StartAudienceExportJob"]
ARN = builders.arn(CREATE)
TIME = "2026-01-01T00:00:00Z"
MODEL = {
    "audienceModelArn": ARN,
    "createTime": TIME,
    "name": "m",
    "status": "ACTIVE",
    "trainingDatasetArn": "arn:d",
    "updateTime": TIME,
}
LISTS = {
    "/training-dataset": "trainingDatasets",
    "/audience-model": "audienceModels",
    "/configured-audience-model": "configuredAudienceModels",
    "/audience-generation-job": "audienceGenerationJobs",
    "/audience-export-job": "audienceExportJobs",
}


class Aws:
    """Lists, in pages of one, and descriptions."""

    def __init__(self) -> None:
        self.models = [MODEL, {**MODEL, "audienceModelArn": ARN + "2"}]
        self.description: dict[str, object] | None = {**MODEL, "description": ""}
        self.refused = ""

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        path, _, query = request.path.partition("?")
        if path == self.refused:
            await refusal(403, "AccessDeniedException")(request, writer)
        elif path == "/audience-model":
            number = int(query.partition("nextToken=")[2].partition("&")[0] or 0)
            body: dict[str, object] = {"audienceModels": self.models[number : number + 1]}
            if number + 1 < len(self.models):
                body["nextToken"] = str(number + 1)
            await answer(200, body)(request, writer)
        elif path in LISTS:
            await answer(200, {LISTS[path]: []})(request, writer)
        elif self.description is None:
            await refusal(404, "ResourceNotFoundException")(request, writer)
        else:
            await answer(200, json.loads(json.dumps(self.description)))(request, writer)


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
async def server(aws: Aws) -> AsyncIterator[Server]:
    async with serving(aws) as server:
        yield server


@pytest.fixture
def loaded(server: Server) -> Settings:
    environ = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "CRML_DEFAULT_TARGET": "main"}
    for name in ("main", "other"):
        environ |= {
            f"CRML_TARGETS__{name.upper()}__REGION": "eu-west-1",
            f"CRML_TARGETS__{name.upper()}__ENDPOINT_URL": server.url,
            f"CRML_TARGETS__{name.upper()}__RATE__READS_PER_SECOND": "1000",
        }
    return settings.load(None, environ)


async def test_every_kind_is_listed_whole_on_every_target(loaded: Settings) -> None:
    found = await inventory(loaded)
    kinds = {row.kind for row in RESOURCES.values() if row.list_operation}
    assert set(found) == {(target, kind) for target in ("main", "other") for kind in kinds}
    for target in ("main", "other"):
        listing = found[target, "audience-model"]
        assert not isinstance(listing, str)
        assert [each["audienceModelArn"] for each in listing] == [ARN, ARN + "2"]
        assert found[target, "training-dataset"] == []


async def test_only_what_is_asked_for_is_listed(loaded: Settings, aws: Aws) -> None:
    aws.refused = "/training-dataset"
    found = await inventory(loaded, {("other", "audience-model"), ("gone", "training-dataset")})
    assert set(found) == {("other", "audience-model")}
    assert await inventory(loaded, set()) == {}


async def test_what_cannot_be_listed_says_why_and_the_rest_is_listed(loaded: Settings, aws: Aws) -> None:
    aws.refused = "/audience-model"
    found = await inventory(loaded)
    assert found["main", "audience-model"] == "AccessDeniedException: no"
    assert found["main", "audience-export-job"] == []


async def test_a_resource_with_the_marker_may_be_what_a_command_has_made(loaded: Settings, aws: Aws) -> None:
    parked = builders.job(CREATE, Phase.PARKED)
    aws.description = {**MODEL, **stamp({"description": "d"}, marker(parked.command))}
    assert await adoption_problem(loaded, parked, ARN) == ""


@pytest.mark.parametrize("description", ["", "d [crml:0123456789ABCDEFGHJKMNPQRS]"])
async def test_one_without_it_may_not(loaded: Settings, aws: Aws, description: str) -> None:
    parked = builders.job(CREATE, Phase.PARKED)
    aws.description = {**MODEL, "description": description}
    assert await adoption_problem(loaded, parked, ARN) == (
        f"{ARN} does not carry the command's marker [crml:{marker(parked.command)}] in its description"
    )


async def test_what_aws_does_not_know_is_nothing_to_adopt(loaded: Settings, aws: Aws) -> None:
    aws.description = None
    problem = await adoption_problem(loaded, builders.job(CREATE, Phase.PARKED), ARN)
    assert problem == f"AWS does not describe {ARN}: ResourceNotFoundException: no"


async def test_what_only_lists_show_cannot_be_asked_for(loaded: Settings, server: Server) -> None:
    assert await adoption_problem(loaded, builders.job(EXPORT, Phase.PARKED), "x") == ""
    assert server.requests == []


@pytest.mark.parametrize("name", ["DeleteAudienceModel", "UpdateConfiguredAudienceModel"])
async def test_what_was_changed_or_deleted_carries_the_marker_of_another_command(
    loaded: Settings, server: Server, name: str
) -> None:
    operation = OPERATIONS[name]
    assert await adoption_problem(loaded, builders.job(operation, Phase.PARKED), builders.arn(operation)) == ""
    assert server.requests == []


async def test_a_command_of_a_removed_target_is_not_asked_about() -> None:
    """The command line says what to do, instead of breaking."""
    loaded = settings.load(None, {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "AWS_REGION": "eu-west-1"})
    parked = builders.job(CREATE, Phase.PARKED)
    gone = replace(parked, command=replace(parked.command, target="gone"))
    assert "target gone is not in the settings" in await adoption_problem(loaded, gone, "arn")
