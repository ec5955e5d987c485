"""Each row of the table as a command through the real Kafka: its replies, its events, and its effect in AWS.

The requests are the documented examples, with invented ARNs replaced by resources that boto3 has made for the test; so
a new row is tested as soon as it has an example.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from botocore import xform_name

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from sandbox.kafka.broker import Broker
from schemas.docs import examples, json_schemas
from schemas.operations import EXPORT_JOB, OPERATIONS, RESOURCES, Change, Kind, Operation, Repeat
from service.core.job import Command, marker
from service.core.marker import strip
from tests.acceptance.conftest import prepared
from tests.acceptance.harness import Client, ServiceProcess, assert_gap_free, until
from tests.acceptance.kafka_fixture import outside
from tests.support.sandbox_account import World, until_gone
from tests.support.schema_vocabulary import is_valid

QUICK_JOBS = Options(timing=Timing(pending=0.05, floor=0.05), jobs_module="tests.support.quick_jobs")
KINDS = {Kind.READ: [], Kind.WRITE: [], Kind.JOB: ["started"], Kind.REMOVAL: ["started"]}
PREFIX = "every"


@pytest.fixture(scope="module")
def account() -> Iterator[World]:
    with running_sandbox(QUICK_JOBS) as url:
        world = World(url, "300000000001")
        yield world
        world.close()


@pytest.fixture(scope="module")
def serving(kafka: Broker, account: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """One service for the whole module."""
    log = tmp_path_factory.mktemp("every") / "service.log"
    process = outside(prepared(kafka, account, PREFIX, log))
    process.start()
    outside(process.ready())
    yield process
    process.kill()


@pytest.fixture
async def client(kafka: Broker, serving: ServiceProcess) -> AsyncIterator[Client]:
    async with Client(kafka.bootstrap, PREFIX) as client:
        yield client


class Stage:
    """What an operation needs to be there, made by boto3."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name

    def put(self, data: dict[str, Any]) -> dict[str, Any]:
        """The example with real resources in place of its invented ones."""
        text = json.dumps(data).replace(examples.ROLE, self.world.role)
        text = text.replace("s3://" + examples.BUCKET + "/seed/seed.jsonl", self._seed())
        for invented, make in self._makers().items():
            if invented in text:
                text = text.replace(invented, make())
        return {**json.loads(text), **({"name": self.name} if "name" in data else {})}

    def _makers(self) -> dict[str, Callable[[], str]]:
        return {
            examples.DATASET: lambda: self.world.dataset(self.name),
            examples.MODEL: self._model,
            examples.CONFIGURED: self._configured,
            examples.GENERATION: self._generation,
        }

    def _seed(self) -> str:
        try:
            self.seed = self.world.put_seed()
        except self.world.client("s3").exceptions.BucketAlreadyOwnedByYou:
            self.seed = f"s3://audiences-{self.world.account}/seed.jsonl"
        return self.seed

    def _model(self) -> str:
        return self.world.active_model(dataset=self.world.dataset(f"{self.name}-data"), name=self.name)

    def _configured(self) -> str:
        return self.world.configured(self._model(), name=self.name)

    def _generation(self) -> str:
        configured = self._configured()
        arn = self.world.job(configured, self.seed, name=f"{self.name}-job")
        self.world.until_job(arn)
        return arn


def rehearse(operation: Operation, world: World, data: dict[str, Any]) -> None:
    """What must be there beyond the resource itself: tags to remove, a policy to read or delete."""
    if operation.name == "UntagResource":
        world.ml.tag_resource(resourceArn=data["resourceArn"], tags={"cost-center": "42"})
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    if operation.name in {"GetConfiguredAudienceModelPolicy", "DeleteConfiguredAudienceModelPolicy"}:
        world.ml.put_configured_audience_model_policy(**data, configuredAudienceModelPolicy=policy)


@pytest.mark.parametrize("name", OPERATIONS)
async def test_operation(name: str, serving: ServiceProcess, client: Client, account: World) -> None:
    operation, stage = OPERATIONS[name], Stage(account, f"every-{name}"[:63])
    data = stage.put(dict(examples.COMMANDS[name].data))
    rehearse(operation, account, data)
    result = await client.perform(name, data, command_id=name, key=name)
    kinds = [reply.kind for reply in client.replies(name)]
    assert kinds == ["accepted", *KINDS[operation.kind], "succeeded"]
    assert is_valid(json_schemas.contract()["results"][name]["data"], client.replies(name)[-1].data)
    await EFFECTS[_effect(operation)](operation, client, account, data, result)
    for event in client.events():
        kind = event.type.removeprefix("cleanroomsml.").removesuffix(".status-changed")
        assert is_valid(json_schemas.event_data(RESOURCES[kind]), event.data)
    if client.events():
        assert_gap_free(client.events())


def _effect(operation: Operation) -> str:
    if operation.kind is Kind.READ:
        return "read"
    if operation.creates:
        return "created"
    return "deleted" if operation.repeat is Repeat.GONE_IS_DONE else "updated"


def _call(world: World, name: str, data: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = getattr(world.ml, xform_name(name))(**data)
    answer.pop("ResponseMetadata", None)
    return json.loads(json.dumps(answer, default=str))  # type: ignore[no-any-return]


async def read(operation: Operation, client: Client, world: World, data: Any, result: Any) -> None:
    shown = strip(_call(world, operation.name, data))
    assert set(result) == set(shown)
    assert {
        key: value for key, value in result.items() if not key.endswith("Time") and not isinstance(value, list)
    } == {key: value for key, value in shown.items() if not key.endswith("Time") and not isinstance(value, list)}
    assert client.events(data.get(operation.resource.identity, "-")) == []


async def created(operation: Operation, client: Client, world: World, data: Any, result: Any) -> None:
    resource = operation.resource
    listed = _call(world, resource.list_operation, {})[resource.summaries]
    token = marker(Command(operation.name, "test", operation.name, "default", {}, ""))
    (mine,) = [summary for summary in listed if token in summary.get("description", "")]
    assert mine["name"] == data["name"]
    assert "crml" not in json.dumps(result)
    subject = mine[resource.identity] if resource is not EXPORT_JOB else f"{resource.kind}/{token}"
    status = "ACTIVE" if operation.kind is Kind.JOB else Change.CREATED
    event = await client.event(subject, status)
    assert event.type == f"cleanroomsml.{resource.kind}.status-changed"
    assert event.data["name"] == data["name"]
    assert event.data["operation"] == operation.name


async def updated(operation: Operation, client: Client, world: World, data: Any, result: Any) -> None:
    subject = data[operation.resource.identity]
    event = await client.event(subject, Change.UPDATED)
    assert event.type == f"cleanroomsml.{operation.resource.kind}.status-changed"
    shown = json.dumps(strip(_call(world, operation.resource.get_operation, {operation.resource.identity: subject})))
    wanted = {key: value for key, value in data.items() if key in {"description", "tags"}}
    assert all(json.dumps(value)[1:-1] in shown for value in wanted.values())
    if operation.compare and not operation.erases:
        policy = json.loads(shown)[operation.compare]
        assert json.loads(policy) == json.loads(data[operation.compare])
    if operation.name == "UntagResource":
        assert json.loads(shown)["tags"] == {}


async def deleted(operation: Operation, client: Client, world: World, data: Any, result: Any) -> None:
    subject = data[operation.resource.identity]
    event = await client.event(subject, Change.DELETED)
    assert event.type == f"cleanroomsml.{operation.resource.kind}.status-changed"
    get = {operation.resource.identity: subject}
    gone = world.ml.exceptions.ResourceNotFoundException
    until_gone(lambda: _call(world, operation.resource.get_operation, get), gone)


EFFECTS = {"read": read, "created": created, "updated": updated, "deleted": deleted}


async def test_a_list_follows_its_pages_only_as_far_as_asked(
    serving: ServiceProcess, client: Client, account: World
) -> None:
    for number in range(3):
        account.dataset(f"page-{number}")
    first = await client.perform("ListTrainingDatasets", {"maxResults": 2}, command_id="page-1")
    assert len(first["trainingDatasets"]) == 2
    more = {"maxResults": 2, "nextToken": first["nextToken"]}
    second = await client.perform("ListTrainingDatasets", more, command_id="page-2")
    assert second["trainingDatasets"]
    assert second["trainingDatasets"][0] not in first["trainingDatasets"]


async def test_events_of_one_resource_are_numbered_across_partitions(
    serving: ServiceProcess, client: Client, account: World
) -> None:
    """Its commands have different keys, so they lie in different partitions."""
    arn = account.dataset("numbered")
    for number in range(4):
        tags = {"resourceArn": arn, "tags": {f"t{number}": "x"}}
        await client.perform("TagResource", tags, command_id=f"tag-{number}", key=f"key-{number}")
    await until(lambda: len(client.events(arn)) == 4, 10, serving.tail)
    assert [int(event.headers["ce_sequence"]) for event in client.events(arn)] == [1, 2, 3, 4]
