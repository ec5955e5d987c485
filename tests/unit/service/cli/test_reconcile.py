"""``python -m service reconcile``: says what differs, and sends what is safe, if it is asked to."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.operations import OPERATIONS, RESOURCES
from schemas.records import Phase
from service.adapters.kafka.client_options import KafkaSettings
from service.core.job import marker
from service.core.marker import stamp
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, Corrupt, OwnedJob
from service.operator.repair.command_sender import Outgoing
from service.operator.repair.drift import Inventory
from service.runtime.ports import TopicPartition
from tests.support import builders
from tests.support.command_line import CommandLine

COMMANDS = "cleanroomsml.commands"
CREATE = OPERATIONS["CreateAudienceModel"]
ARN = builders.arn(CREATE)
TOKEN = "0123456789ABCDEFGHJKMNPQRS"


def model(token: str = TOKEN, arn: str = ARN) -> dict[str, Any]:
    return {"audienceModelArn": arn, "name": "m", "status": "ACTIVE", **stamp({}, token)}


class World:
    """Changelogs and AWS; ``sent`` is what was repaired."""

    def __init__(self) -> None:
        self.snapshot = ChangelogSnapshot()
        self.known: Inventory = {
            ("default", kind): [] for kind, resource in RESOURCES.items() if resource.list_operation
        }
        self.sent: list[Outgoing] = []

    def models(self, *summaries: dict[str, Any] | str) -> None:
        self.known = {**self.known, ("default", "audience-model"): list(summaries)}  # type: ignore[arg-type]

    async def read_snapshot(self, _settings: KafkaSettings, consumed: Mapping[str, str]) -> ChangelogSnapshot:
        assert set(consumed) == {COMMANDS, "cleanroomsml.changes"}
        return self.snapshot

    async def inventory(self, _settings: Any) -> Inventory:
        return self.known

    @asynccontextmanager
    async def sender(self, _settings: KafkaSettings) -> AsyncIterator[Any]:
        yield self

    async def send(self, outgoing: Outgoing) -> TopicPartition:
        self.sent.append(outgoing)
        return TopicPartition(outgoing.topic, outgoing.partition or 0)


@pytest.fixture
def world(environment: pytest.MonkeyPatch) -> World:
    world = World()
    for name in ("read_snapshot", "inventory", "sender"):
        environment.setattr(f"service.cli.reconcile.{name}", getattr(world, name))
    return world


def test_agreement(world: World, type_: CommandLine) -> None:
    ended = type_("reconcile", "--apply")
    assert (ended.code, world.sent) == (0, [])
    assert ended.lines == ["compared 0 jobs (none under way) with 0 resources: 0 differences, 0 can be repaired safely"]


def test_what_is_safe_is_told_and_sent_only_with_apply(world: World, type_: CommandLine) -> None:
    world.models(model())
    ended = type_("reconcile")
    assert (ended.code, world.sent) == (0, [])
    assert ended.lines[0].startswith(f"safe    orphan: {ARN}: ")
    assert ended.lines[-1] == "Nothing was sent; --apply sends the safe ones."
    ended = type_("reconcile", "--apply")
    assert ended.code == 0
    [outgoing] = world.sent
    assert (outgoing.topic, json.loads(outgoing.value or b"")) == (COMMANDS, {"resourceArn": ARN})
    assert ended.lines[-1] == f"sent {outgoing.command_id} to {COMMANDS}, partition 0"


def test_what_needs_a_person_is_no_success(world: World, type_: CommandLine) -> None:
    world.known = {**world.known, ("default", "audience-model"): "AccessDeniedException: no"}
    ended = type_("reconcile", "--apply")
    assert (ended.code, world.sent) == (3, [])
    assert ended.lines[0].startswith("not safe unlisted: ")


def test_a_parked_command_adopts_in_its_own_partition(world: World, type_: CommandLine) -> None:
    command = builders.command(CREATE, target="default")
    job = builders.job(CREATE, Phase.PARKED, command=command, finished_at=1.0, attempt=1)
    world.snapshot.jobs = [OwnedJob(TopicPartition(COMMANDS, 5), job)]
    world.models(model(marker(command)))
    ended = type_("reconcile", "--apply")
    assert ended.code == 0
    [outgoing] = world.sent
    assert (outgoing.partition, outgoing.key) == (5, b"c-1")
    assert json.loads(outgoing.value or b"")["resourceArn"] == ARN


def test_a_repair_that_no_tenant_may_send_is_not_safe(
    world: World, type_: CommandLine, environment: pytest.MonkeyPatch
) -> None:
    world.models(model())
    environment.setenv("CRML_TENANTS__FILMS__TARGETS", "default")
    environment.setenv("CRML_TENANTS__FILMS__OPERATIONS", "ListAudienceModels")

    async def read(_settings: KafkaSettings, _consumed: Mapping[str, str]) -> ChangelogSnapshot:
        return world.snapshot

    environment.setattr("service.cli.reconcile.read_snapshot", read)
    ended = type_("reconcile", "--apply")
    assert (ended.code, world.sent) == (3, [])
    assert "[the service would reject the command: " in ended.lines[0]
    environment.setenv("CRML_TENANTS__MUSIC__TARGETS", "default")
    environment.setenv("CRML_TENANTS__MUSIC__OPERATIONS", "*")
    assert type_("reconcile", "--apply").code == 0
    assert world.sent[0].topic == "cleanroomsml.music.commands"


def test_what_cannot_be_read_is_no_success(world: World, type_: CommandLine) -> None:
    world.snapshot.corrupt = [Corrupt(TopicPartition("cleanroomsml.jobs", 1), 7, b"k", "bad")]
    ended = type_("reconcile")
    assert ended.code == 3
    assert "unreadable: cleanroomsml.jobs partition 1 offset 7" in ended.out
