"""``python -m service skip-corrupt``: only what can't be read is skipped, and only if a person insists."""

from collections.abc import Mapping
from typing import Any

import pytest

from service.adapters.kafka.client_options import KafkaSettings
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, Corrupt
from service.runtime.ports import TopicPartition
from tests.support.command_line import CommandLine, Ended

COMMANDS, JOBS = "cleanroomsml.commands", "cleanroomsml.jobs"
BAD = Corrupt(TopicPartition(JOBS, 1), 7, b"key", "not a changelog record")


class Kafka:
    def __init__(self) -> None:
        self.snapshot = ChangelogSnapshot(corrupt=[BAD, Corrupt(TopicPartition(JOBS, 2), 9, b"other", "x")])
        self.read: list[Mapping[str, str]] = []
        self.written: list[tuple[TopicPartition, str, Mapping[bytes, Any]]] = []

    async def read_snapshot(self, _settings: KafkaSettings, consumed: Mapping[str, str]) -> ChangelogSnapshot:
        self.read.append(consumed)
        return self.snapshot

    async def write_changelog(
        self, _settings: KafkaSettings, place: TopicPartition, changelog: str, content: Mapping[bytes, Any]
    ) -> None:
        self.written.append((place, changelog, content))


@pytest.fixture
def kafka(environment: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    for name in ("read_snapshot", "write_changelog"):
        environment.setattr(f"service.cli.skip_corrupt.{name}", getattr(kafka, name))
    return kafka


def skip(type_: CommandLine, *words: str, topic: str = JOBS, partition: int = 1) -> Ended:
    return type_("skip-corrupt", "--topic", topic, "--partition", str(partition), *words)


def test_without_an_offset_what_cannot_be_read_is_listed(kafka: Kafka, type_: CommandLine) -> None:
    ended = skip(type_)
    assert (ended.code, kafka.written) == (3, [])
    assert ended.lines == [
        f"unreadable: {JOBS} partition 1 offset 7, key key: not a changelog record",
        f"1 record of {JOBS} partition 1 can't be read",
    ]
    assert kafka.read == [{COMMANDS: JOBS}]
    ended = skip(type_, partition=0)
    assert (ended.code, ended.lines) == (0, [f"0 records of {JOBS} partition 0 can't be read"])


def test_nothing_is_written_before_a_person_insists(kafka: Kafka, type_: CommandLine) -> None:
    ended = skip(type_, "--offset", "7")
    assert (ended.code, kafka.written) == (3, [])
    assert "What it said will be forgotten; --i-understand goes on without it." in ended.out


def test_a_tombstone_is_written_under_the_fence_of_its_shard(kafka: Kafka, type_: CommandLine) -> None:
    ended = skip(type_, "--offset", "7", "--i-understand")
    assert ended.code == 0
    assert kafka.written == [(TopicPartition(COMMANDS, 1), JOBS, {b"key": None})]
    assert f"the shard {COMMANDS}-1 restores without it" in ended.out


@pytest.mark.parametrize(
    ("partition", "offset", "hint"), [(1, 8, "unreadable here: offset 7"), (0, 7, "nothing here is unreadable")]
)
def test_what_can_be_read_is_never_skipped(
    kafka: Kafka, type_: CommandLine, partition: int, offset: int, hint: str
) -> None:
    ended = skip(type_, "--offset", str(offset), "--i-understand", partition=partition)
    assert (ended.code, kafka.written) == (1, [])
    assert hint in ended.err


def test_another_topic_is_no_changelog(kafka: Kafka, type_: CommandLine) -> None:
    ended = skip(type_, topic=COMMANDS)
    assert ended.code == 2
    assert ended.err == (
        f"{COMMANDS} is no changelog of this service; its changelogs: {JOBS}, cleanroomsml.resources\n"
    )
