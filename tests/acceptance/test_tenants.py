"""Two tenants on a real Kafka: a commands topic each, and neither may use what is the other's."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from sandbox.kafka.broker import Broker
from service import topology
from service.adapters.kafka.topics import ensure
from service.settings import load
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess, until
from tests.support.sandbox_account import World

CANARIES = ("canary-external-id", "canary-secret-key")


class FilmsClient(Client):
    """Has a commands topic of its own, and hears what all hear."""

    async def send_raw(self, value: bytes | None, headers: Mapping[str, str | bytes], key: bytes | None = None) -> None:
        encoded = [(name, text.encode() if isinstance(text, str) else text) for name, text in headers.items()]
        await self._producer.send_and_wait(f"{self.prefix}.films.commands", value, key=key, headers=encoded)


@pytest.fixture
async def service(
    kafka: Broker, service: ServiceProcess, world: World, tmp_path: Path
) -> AsyncIterator[ServiceProcess]:
    """The service with two tenants; ``music`` has topics of its own, ``films`` hears on the shared ones."""
    prefix = service.environment["CRML_TOPICS__PREFIX"]
    target = {
        "ENDPOINT_URL": world.url,
        "ACCOUNT": world.account,
        "REGION": world.region,
        "ROLE_ARN": f"arn:aws:iam::{world.account}:role/runner",
        "EXTERNAL_ID": CANARIES[0],
        "SESSION_NAME": "crml",
        "SESSION_TAGS": "stage=test",
        "TENANT_TAG": "tenant",
    }
    tenants = {
        **{f"CRML_TARGETS__OURS__{name}": value for name, value in target.items()},
        **{f"CRML_TARGETS__THEIRS__{name}": value for name, value in target.items()},
        "CRML_DEFAULT_TARGET": "ours",
        "AWS_SECRET_ACCESS_KEY": CANARIES[1],
        "CRML_LOG__LEVEL": "debug",
        "CRML_TENANTS__FILMS__TARGETS": "ours",
        "CRML_TENANTS__FILMS__OPERATIONS": "*",
        "CRML_TENANTS__FILMS__ROLE_ARNS": world.role,
        "CRML_TENANTS__FILMS__S3_PREFIXES": f"s3://films-{world.account}",
        "CRML_TENANTS__MUSIC__TARGETS": "theirs",
        "CRML_TENANTS__MUSIC__OPERATIONS": "Create*,List*",
        "CRML_TENANTS__MUSIC__S3_PREFIXES": "s3://music-bucket",
        "CRML_TENANTS__MUSIC__REPLIES": f"{prefix}.music.replies",
        "CRML_TENANTS__MUSIC__EVENTS": f"{prefix}.music.events",
        "CRML_TENANTS__MUSIC__DEAD_LETTERS": f"{prefix}.music.dead-letters",
    }
    environment = {**service.environment, **tenants}
    settings = load(environ=environment)
    await ensure(topology.kafka_settings(settings), topology.topic_specs(settings), replication=1)
    process = ServiceProcess(environment, tmp_path / "tenants.log")
    yield process
    if process.process is not None and process.process.poll() is None:
        process.kill()


@pytest.fixture
async def films(kafka: Broker, running: ServiceProcess) -> AsyncIterator[Client]:
    async with FilmsClient(kafka.bootstrap, running.environment["CRML_TOPICS__PREFIX"]) as client:
        yield client


@pytest.fixture
async def music(kafka: Broker, running: ServiceProcess) -> AsyncIterator[Client]:
    async with Client(kafka.bootstrap, f"{running.environment['CRML_TOPICS__PREFIX']}.music") as client:
        yield client


async def test_one_tenant_may_not_use_what_is_the_others(
    films: Client, music: Client, world: World, running: ServiceProcess
) -> None:
    data = Films.upload(world)
    model = await films.perform(
        "CreateAudienceModel", data.model(await data.dataset_made(films)), command_id="model", seconds=60
    )
    configured = data.configured(model["audienceModelArn"])
    made = await films.perform("CreateConfiguredAudienceModel", configured, command_id="configured")
    assert made["configuredAudienceModelArn"]

    await music.send("CreateConfiguredAudienceModel", configured, command_id="copy")
    copy = await music.terminal("copy")
    assert (copy.kind, copy.data["error"]["code"]) == ("rejected", "NotAllowed")
    violations = {one["rule"]: one for one in copy.data["error"]["violations"]}
    assert set(violations) == {"tenant.role_arns", "tenant.s3_prefixes"}
    assert violations["tenant.s3_prefixes"]["message"] == (
        "must be in one of: s3://music-bucket; setting tenants.music.s3_prefixes"
    )
    assert "films" not in str(violations).replace(configured["name"], "")

    await music.send("DeleteAudienceModel", {"audienceModelArn": model["audienceModelArn"]}, command_id="delete")
    delete = await music.terminal("delete")
    assert [one["rule"] for one in delete.data["error"]["violations"]] == ["tenant.operations"]

    await music.send("ListAudienceModels", {}, command_id="list", target="ours")
    listing = await music.terminal("list")
    assert [one["message"] for one in listing.data["error"]["violations"]] == [
        "must be one of: theirs; setting tenants.music.targets"
    ]
    assert world.requests("DeleteAudienceModel") == []
    assert len(world.requests("CreateConfiguredAudienceModel")) == 1
    assert_each_change_is_signed_by_a_session_of_its_command(world)
    log = running.log.read_text()
    assert '"level": "debug"' in log
    assert not [canary for canary in CANARIES if canary in log]


def assert_each_change_is_signed_by_a_session_of_its_command(world: World) -> None:
    entries = world.admin("GET", "requests")["requests"]
    calls = [entry for entry in entries if entry["account"] == world.account]
    made = [entry for entry in calls if entry["created"]]
    assert [entry["session"] for entry in made] == [f"crml-{entry['marker']}" for entry in made]
    assert len({entry["session"] for entry in made}) == len(made) == 3
    assert {entry["session"] for entry in calls if not entry["created"]} == {"crml"}, "polls share one"


async def test_the_same_id_is_two_commands_and_each_hears_of_its_own(
    films: Client, music: Client, world: World
) -> None:
    for client in (films, music):
        await client.perform("ListAudienceModels", {}, command_id="same")
    assert [reply.kind for reply in films.replies("same")] == ["accepted", "succeeded"]
    assert [reply.kind for reply in music.replies("same")] == ["accepted", "succeeded"]
    tenants = {reply.headers["ce_tenant"] for client in (films, music) for reply in client.replies("same")}
    assert tenants == {"films", "music"}
    assert not {reply.headers["ce_id"] for reply in films.replies("same")} & {
        reply.headers["ce_id"] for reply in music.replies("same")
    }
    assert len(world.requests("ListAudienceModels")) == 2
    await music.send_raw(b"\xff", {})
    await until(music.dead_letters, 10, lambda: "no dead letter")
    assert films.dead_letters() == []
    assert {one.topic for one in music.heard} == {f"{music.prefix}.replies", f"{music.prefix}.dead-letters"}
