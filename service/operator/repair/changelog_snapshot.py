"""A snapshot of the changelogs: jobs with their partitions, resources, and unreadable records."""

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from schemas import records
from schemas.records import CorruptRecord, Job, Position, ResourceState
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topic_reader import TopicRecord, reader
from service.core.job import Phase
from service.runtime.ports import TopicPartition


@dataclass(frozen=True, slots=True)
class OwnedJob:
    """A job, and the commands partition whose shard holds it."""

    topic_partition: TopicPartition
    job: Job


@dataclass(frozen=True, slots=True)
class Corrupt:
    """The last record under a key, which can't be read; ``topic_partition`` is the changelog's."""

    topic_partition: TopicPartition
    offset: int
    key: bytes
    why: str


@dataclass(slots=True)
class ChangelogSnapshot:
    """Folded changelogs.

    Attributes:
        jobs: Every job, in order of acceptance.
        resources: Every resource's last published state, by kind and id.
        positions: How far each consumed partition has been read, where its changelog says so.
        corrupt: Last records that can't be read.
    """

    jobs: list[OwnedJob] = field(default_factory=list)
    resources: dict[tuple[str, str], ResourceState] = field(default_factory=dict)
    positions: dict[TopicPartition, Position] = field(default_factory=dict)
    corrupt: list[Corrupt] = field(default_factory=list)

    def parked(self) -> list[OwnedJob]:
        """The jobs that wait for a person."""
        return [held for held in self.jobs if held.job.phase is Phase.PARKED]

    def find(self, command_id: str, source: str | None) -> list[OwnedJob]:
        """The jobs of a command id; of one source, if it is given."""
        return [
            held
            for held in self.jobs
            if held.job.command.id == command_id and source in (None, held.job.command.source)
        ]


async def read_snapshot(settings: KafkaSettings, consumed: Mapping[str, str]) -> ChangelogSnapshot:
    """Reads the changelogs of the consumed topics.

    Args:
        settings: How to connect.
        consumed: Topics that shards consume, each with its changelog.

    Raises:
        LogError: Kafka failed, or a changelog is missing.
    """
    last: dict[tuple[TopicPartition, bytes], TopicRecord] = {}
    async with reader(settings, "repair") as source:
        ranges = await source.ranges(tuple(consumed.values()))
        async with aclosing(source.read(ranges)) as found:
            async for record in found:
                last[record.topic_partition, record.key or b""] = record
    return snapshot_of(last.values(), {changelog: commands for commands, changelog in consumed.items()})


def snapshot_of(last: Iterable[TopicRecord], commands_of: Mapping[str, str]) -> ChangelogSnapshot:
    """Makes a ledger of the last record under each key.

    Args:
        last: The records.
        commands_of: Commands topic by changelog.
    """
    ledger = ChangelogSnapshot()
    for record in last:
        if record.value is None:
            continue
        try:
            decoded = records.decode(record.value)
        except CorruptRecord as error:
            ledger.corrupt.append(Corrupt(record.topic_partition, record.offset, record.key or b"", str(error)))
            continue
        partition = TopicPartition(commands_of[record.topic_partition.topic], record.topic_partition.partition)
        if isinstance(decoded, Job):
            ledger.jobs.append(OwnedJob(partition, decoded))
        elif isinstance(decoded, Position):
            ledger.positions[partition] = decoded
        else:
            ledger.resources[decoded.kind, decoded.id] = decoded
    ledger.jobs.sort(key=lambda held: held.job.accepted_at)
    return ledger
