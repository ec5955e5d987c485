"""``python -m service backfill``: a lost changelog is made anew while the service is stopped, and only if asked to."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.records import POSITION_KEY, Job, Phase, ResourceState, key_of
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import TopicRecord
from service.adapters.kafka.topics import TopicProblem
from service.core.position import PartitionOffsets, position_at
from service.operator.repair.changelog_writer import GroupState
from service.operator.repair.partition_standing import Standing
from service.runtime.ports import TopicPartition
from tests.support import repair_records
from tests.support.command_line import CommandLine

PREFIX = "cleanroomsml"
COMMANDS, JOBS = f"{PREFIX}.commands", f"{PREFIX}.jobs"
CHANGES, RESOURCES = f"{PREFIX}.changes", f"{PREFIX}.resources"
PLACE = TopicPartition(COMMANDS, 0)
CREATE = "CreateAudienceModel"


def moved(record: TopicRecord, place: TopicPartition) -> TopicRecord:
    return TopicRecord(place, record.offset, record.time, record.key, record.value, record.headers)


class Kafka:
    """Topics with one partition each; what was written, and a group that is stopped."""

    def __init__(self) -> None:
        self.records: dict[str, list[TopicRecord]] = {}
        self.starts: dict[str, int] = {}
        self.full: set[TopicPartition] = set()
        self.group = GroupState("Empty", 0, {PLACE: 2})
        self.problems: list[TopicProblem] = []
        self.written: dict[str, Mapping[bytes, Any]] = {}

    def put(self, topic: str, *found: TopicRecord) -> None:
        self.records[topic] = [moved(each, TopicPartition(topic, 0)) for each in found]

    async def verify(self, *_: Any) -> list[TopicProblem]:
        return self.problems

    async def group_state(self, _settings: KafkaSettings) -> GroupState:
        return self.group

    @asynccontextmanager
    async def reader(self, _settings: KafkaSettings, role: str) -> AsyncIterator[Any]:
        assert role == "repair"
        yield self

    async def ranges(self, topics: Collection[str]) -> dict[TopicPartition, tuple[int, int]]:
        ends = {topic: max((each.offset + 1 for each in self.records.get(topic, [])), default=0) for topic in topics}
        return {TopicPartition(topic, 0): (self.starts.get(topic, 0), ends[topic]) for topic in topics}

    async def read(self, ranges: Mapping[TopicPartition, Any]) -> AsyncIterator[TopicRecord]:
        for place in ranges:
            for each in self.records.get(place.topic, []):
                yield each

    async def non_empty(self, _source: Any, topics: Collection[str]) -> set[TopicPartition]:
        return {place for place in self.full if place.topic in topics}

    async def find(
        self, _settings: KafkaSettings, changelogs: Any, group: GroupState
    ) -> dict[TopicPartition, Standing]:
        return {
            TopicPartition(topic, 0): Standing(self.offsets(group.offsets.get(TopicPartition(topic, 0))), None, 0)
            for topic in changelogs
        }

    def offsets(self, committed: int | None) -> PartitionOffsets:
        return PartitionOffsets("g", committed, 0, 9, 0)

    async def write(
        self,
        _settings: KafkaSettings,
        place: TopicPartition,
        changelog: str,
        content: Mapping[bytes, Any],
        *,
        empty_before: Any,
    ) -> None:
        assert empty_before is self
        self.written[changelog] = content


@pytest.fixture
def kafka(environment: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    for name, method in {
        "verify": kafka.verify,
        "group_state": kafka.group_state,
        "reader": kafka.reader,
        "non_empty_partitions": kafka.non_empty,
        "find": kafka.find,
        "write_changelog": kafka.write,
    }.items():
        environment.setattr(f"service.cli.backfill.{name}", method)
    return kafka


@pytest.fixture
def lost(kafka: Kafka) -> Kafka:
    """Two commands: one has ended, of the other nothing but its acceptance is known; and a resource's last event."""
    ended, open_ = (repair_records.sent(offset, CREATE, f"c-{offset}") for offset in range(2))
    kafka.put(COMMANDS, ended, open_)
    kafka.put(
        f"{PREFIX}.replies",
        repair_records.told(ended, 1, "accepted"),
        repair_records.told(ended, 2, "failed", error={"code": "X", "message": "no", "retryable": False}),
    )
    state = ResourceState("arn:x", "audience-model", 3, "ACTIVE")
    kafka.put(f"{PREFIX}.events", repair_records.changed(state, repair_records.command(ended)))
    return kafka


def test_without_apply_nothing_is_written(lost: Kafka, type_: CommandLine) -> None:
    ended = type_("backfill")
    assert (ended.code, lost.written) == (0, {})
    assert ended.lines[-1] == "Nothing was written; --apply writes."
    assert "      1  resources with their last number and status" in ended.lines


def test_jobs_resources_and_positions_are_written(lost: Kafka, type_: CommandLine) -> None:
    ended = type_("backfill", "--apply")
    assert ended.code == 0
    jobs = {key: value for key, value in lost.written[JOBS].items() if isinstance(value, Job)}
    phases = {job.command.id: job.phase for job in jobs.values()}
    assert phases["c-0"] is Phase.FAILED
    assert phases["c-1"] is Phase.UNCERTAIN
    assert lost.written[JOBS][POSITION_KEY] == position_at(lost.offsets(2), 2)
    [state] = lost.written[RESOURCES].values()
    assert (state.id, state.sequence, state.status) == ("arn:x", 3, "ACTIVE")
    assert lost.written[RESOURCES].keys() == {key_of(state)}
    assert f"wrote 3 records to {JOBS} partition 0" in ended.lines
    assert f"wrote 1 record to {RESOURCES} partition 0" in ended.lines


def test_a_partition_that_is_not_empty_is_left_alone(lost: Kafka, type_: CommandLine) -> None:
    lost.full = {TopicPartition(JOBS, 0)}
    ended = type_("backfill", "--apply")
    assert ended.code == 0
    assert set(lost.written) == {RESOURCES}
    assert f"left alone: {JOBS} partition 0 is not empty" in ended.lines


def test_where_nothing_is_lost_nothing_is_rebuilt(lost: Kafka, type_: CommandLine) -> None:
    lost.full = {TopicPartition(JOBS, 0), TopicPartition(RESOURCES, 0)}
    ended = type_("backfill", "--apply")
    assert (ended.code, lost.written) == (3, {})
    assert ended.err == "no changelog partition is empty: there is nothing to rebuild\n"


def test_what_cannot_be_known_is_said(lost: Kafka, type_: CommandLine) -> None:
    lost.starts = {COMMANDS: 1, f"{PREFIX}.replies": 1, f"{PREFIX}.events": 1}
    lost.group = GroupState("Empty", 0, {})
    told = "\n".join(line for line in type_("backfill").lines if line.startswith("not known: "))
    assert f"{COMMANDS} partition 0: commands before offset 1 are deleted" in told
    assert f"{COMMANDS} partition 0: the group has no offset" in told
    assert f"{PREFIX}.replies partition 0: older replies are deleted" in told
    assert f"{PREFIX}.events partition 0: older events are deleted" in told


def test_a_service_that_runs_must_be_stopped_first(lost: Kafka, type_: CommandLine) -> None:
    lost.group = GroupState("Stable", 2, {})
    ended = type_("backfill", "--apply")
    assert (ended.code, lost.written) == (3, {})
    assert ended.err == "group cleanroomsml-service is Stable with 2 members: stop the service first\n"


def test_topics_must_be_right_first(lost: Kafka, type_: CommandLine) -> None:
    lost.problems = [TopicProblem(JOBS, "topic", "missing", "present", "create it with: python -m service topics")]
    ended = type_("backfill", "--apply")
    assert (ended.code, lost.written) == (3, {})
    assert ended.err == f"{lost.problems[0]}\n"


def test_a_topic_that_is_hidden_is_a_missing_right(lost: Kafka, type_: CommandLine) -> None:
    lost.problems = [TopicProblem(JOBS, "right", "Describe", "Describe on topic", "grant it")]
    ended = type_("backfill")
    assert ended.code == 3
    assert ended.err.startswith("Kafka: Kafka refuses us: repair needs ")
    assert f"on topic {JOBS}" in ended.err


def test_without_records_an_empty_changelog_stays_empty(kafka: Kafka, type_: CommandLine) -> None:
    kafka.group = GroupState("", 0, {})
    ended = type_("backfill", "--apply")
    assert (ended.code, kafka.written) == (0, {})
