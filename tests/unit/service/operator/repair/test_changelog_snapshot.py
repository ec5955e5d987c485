"""Changelogs folded: jobs with their places, resources, positions, and what can't be read."""

from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from schemas.operations import OPERATIONS
from schemas.records import POSITION_KEY, Command, Job, Phase, Position, ResourceState, encode, key_of
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import TopicRecord
from service.operator.repair import changelog_snapshot as module
from service.operator.repair.changelog_snapshot import read_snapshot, snapshot_of
from service.runtime.ports import TopicPartition
from tests.support import builders
from tests.support.repair_records import NOW

CREATE = OPERATIONS["CreateAudienceModel"]
CHANGELOG = TopicPartition("jobs", 1)


def kept(key: bytes, value: bytes | None, offset: int = 0) -> TopicRecord:
    return TopicRecord(CHANGELOG, offset, NOW, key, value, ())


def record(of: Job | ResourceState) -> TopicRecord:
    return kept(key_of(of), encode(of))


def test_a_ledger_has_jobs_with_their_commands_partition_resources_and_what_is_corrupt() -> None:
    late = builders.job(CREATE, Phase.PARKED, accepted_at=2.0)
    early = builders.job(CREATE, accepted_at=1.0, command=replace_id("c-0"))
    state = ResourceState("arn:x", "audience-model", 3, "ACTIVE")
    ledger = snapshot_of(
        [record(late), record(early), record(state), kept(b"gone", None), kept(b"bad", b"?", 7)], {"jobs": "in"}
    )
    assert [held.job for held in ledger.jobs] == [early, late]
    assert {held.topic_partition for held in ledger.jobs} == {TopicPartition("in", 1)}
    assert [held.job for held in ledger.parked()] == [late]
    assert ledger.resources == {("audience-model", "arn:x"): state}
    ((bad),) = ledger.corrupt
    assert (bad.topic_partition, bad.offset, bad.key) == (CHANGELOG, 7, b"bad")
    assert "not a changelog record" in bad.why
    assert [held.job for held in ledger.find("c-1", None)] == [late]
    assert ledger.find("c-1", "/other") == []


def replace_id(command_id: str) -> Command:
    return builders.command(CREATE, id=command_id)


def test_how_far_each_partition_was_read() -> None:
    position = Position(7, group="g")
    ledger = snapshot_of([kept(POSITION_KEY, encode(position))], {"jobs": "in"})
    assert ledger.positions == {TopicPartition("in", 1): position}
    assert (ledger.jobs, ledger.resources, ledger.corrupt) == ([], {}, [])


def test_a_command_id_may_be_several_sources() -> None:
    jobs = [builders.job(CREATE, command=builders.command(CREATE, source=source)) for source in ("/a", "/b")]
    ledger = snapshot_of([record(job) for job in jobs], {"jobs": "in"})
    assert [held.job for held in ledger.find("c-1", None)] == jobs
    assert [held.job for held in ledger.find("c-1", "/b")] == jobs[1:]
    assert ledger.find("c-2", None) == []


class Reader:
    """Reads the records that a changelog holds."""

    def __init__(self, *records: TopicRecord) -> None:
        self.records = records
        self.topics: Collection[str] = ()

    async def ranges(self, topics: Collection[str]) -> Mapping[TopicPartition, tuple[int, int]]:
        self.topics = topics
        return {CHANGELOG: (0, 9)}

    async def read(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncIterator[TopicRecord]:
        assert ranges == {CHANGELOG: (0, 9)}
        for each in self.records:
            yield each


async def test_the_last_record_of_a_key_counts_partition_by_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    job = builders.job(CREATE)
    ended = builders.job(CREATE, Phase.SUCCEEDED, finished_at=1.0)
    elsewhere = TopicRecord(TopicPartition("jobs", 2), 0, NOW, key_of(job), encode(job), ())
    source = Reader(record(job), kept(b"bad", b"?"), record(ended), elsewhere, kept(b"bad", None))

    @asynccontextmanager
    async def reader(_settings: KafkaSettings, _role: str) -> AsyncIterator[Any]:
        yield source

    monkeypatch.setattr(module, "reader", reader)
    ledger = await read_snapshot(KafkaSettings("b", "g"), {"in": "jobs"})
    assert source.topics == ("jobs",)
    assert {(held.topic_partition.partition, held.job.phase) for held in ledger.jobs} == {
        (1, Phase.SUCCEEDED),
        (2, Phase.INTENDED),
    }
    assert ledger.corrupt == []
