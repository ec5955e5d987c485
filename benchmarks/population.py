"""Changelogs of a given size, and one replica of the service that restores them without Kafka or AWS.

The replica is the service's own parts as ``service.bootstrap`` joins them; only the log and the API are replaced: the
log yields records that are in memory, the API does not answer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final

from benchmarks.stub_api import DATASET, model_arn
from schemas.commands import TopicRules
from schemas.operations import OPERATIONS, Kind
from schemas.permissions import open_grant
from schemas.records import Command, Job, Phase, Record, ResourceState, encode, key_of
from service import gauges
from service.adapters.clock import SystemClock
from service.adapters.telemetry import PrometheusTelemetry
from service.core.observations import Failure, Reply
from service.core.polling import Cadence
from service.core.position import PartitionOffsets
from service.runtime.activities import ActivityDependencies
from service.runtime.app import App
from service.runtime.assignment import Assignment
from service.runtime.command_processor import CommandProcessor
from service.runtime.context import Context, OutputTopics, TenantTopics
from service.runtime.dispatch import CallTimeouts, Dispatch, RateLimitedApi
from service.runtime.limiter import Limiter
from service.runtime.poller import Poller
from service.runtime.ports import Assignee, Follower, OutRecord, TopicPartition
from service.runtime.shard import Shard
from service.runtime.slots import SlotRegistry
from service.runtime.standby import Standby
from tests.support import process

COMMANDS: Final = "commands"
BEGAN: Final = float(int(time.time()) - 3600)
"""An hour ago: what runs for longer than usual is reported."""
BATCH: Final = 500
POLICY: Final = replace(process.POLICY, retention=1e10)

Entry = tuple[bytes, bytes]


def ended(size: int, padding: str = "") -> Iterator[Entry]:
    """Jobs that have succeeded, as most of a changelog is."""
    for number in range(size):
        arn = model_arn(number)
        result = {"audienceModelArn": arn, "status": "ACTIVE", "name": "spring", "createTime": "2026-01-01T00:00:00Z"}
        if padding:
            result["description"] = padding
        yield _entry(
            Job(
                _command("e", number, {}),
                Phase.SUCCEEDED,
                accepted_at=BEGAN,
                since=BEGAN,
                resource_id=arn,
                status="ACTIVE",
                finished_at=BEGAN,
                told=3,
                reply={"result": result, "attempts": 1, "durationSeconds": 4.2},
            )
        )


def ended_long(size: int) -> Iterator[Entry]:
    """The same with as long a reply as is kept, such as that of a List of a hundred resources."""
    return ended(size, "x" * 2_000)


def running(size: int) -> Iterator[Entry]:
    """Models that are being trained: each has a slot, and is looked at."""
    for number in range(size):
        params = {"name": f"spring-{number}", "trainingDatasetArn": DATASET}
        yield _entry(
            Job(
                _command("r", number, params),
                Phase.RUNNING,
                accepted_at=BEGAN,
                since=BEGAN,
                resource_id=model_arn(number),
                status="CREATE_IN_PROGRESS",
                told=2,
                turn=number + 1,
            )
        )


def resources(size: int) -> Iterator[Entry]:
    """Resources that are known and may still change."""
    for number in range(size):
        yield _entry(ResourceState(model_arn(number), "audience-model", 3, "ACTIVE", "spring", BEGAN))


def _command(prefix: str, number: int, params: dict[str, Any]) -> Command:
    return Command(
        f"{number:08x}-5cd1-4f4e-9e63-{prefix:0>12}",
        "/shop/orders",
        "CreateAudienceModel",
        "default",
        params,
        f"{number:064x}",
        f"campaign-{number}",
        order=f"{number:016x}",
    )


def _entry(record: Record) -> Entry:
    return key_of(record), encode(record)


class ReplayedLog:
    """The Log port of a single owner: each partition restores what it is given, and commits are counted."""

    def __init__(self, changelogs: Mapping[TopicPartition, Sequence[Entry]]) -> None:
        self._changelogs = changelogs
        self.committed = 0

    @property
    def membership(self) -> "ReplayedLog":
        """Itself: the only member of its group."""
        return self

    async def open(self, partition: TopicPartition) -> "_Partition":
        return _Partition(self, self._changelogs[partition])

    async def holds(self, partition: TopicPartition) -> bool:
        return partition in self._changelogs

    async def consume(self, assignee: Assignee) -> None:
        await assignee.assigned(frozenset(self._changelogs))
        await asyncio.Event().wait()

    async def follow(self, follower: Follower) -> None:
        raise NotImplementedError(f"a single owner follows nobody: {follower}")

    def start(self, partition: TopicPartition, offset: int) -> None:
        pass

    def pause(self, partition: TopicPartition) -> None:
        pass

    def resume(self, partition: TopicPartition) -> None:
        pass

    def rejoin(self) -> None:
        raise AssertionError("a shard has failed")


class _Partition:
    def __init__(self, log: ReplayedLog, changelog: Sequence[Entry]) -> None:
        self._log = log
        self._changelog = changelog

    async def restore(self, known: int = 0) -> AsyncIterator[Sequence[tuple[bytes, bytes | None]]]:
        for start in range(0, len(self._changelog), BATCH):
            yield self._changelog[start : start + BATCH]

    async def offsets(self) -> PartitionOffsets:
        return PartitionOffsets("benchmark", 0, 0, 0, 0, "", "")

    async def existing(self, topics: Collection[str]) -> frozenset[str]:
        return frozenset(topics)

    async def commit(self, records: Sequence[OutRecord], next_offset: int | None) -> None:
        self._log.committed += len(records)

    async def close(self) -> None:
        pass


class SilentApi:
    """AWS that never answers."""

    async def call(self, *_: Any, **__: Any) -> Reply | Failure:
        await asyncio.Event().wait()
        raise AssertionError


class Replica:
    """One process's parts over replayed changelogs."""

    def __init__(
        self,
        changelogs: Sequence[Sequence[Entry]],
        targets: Sequence[str] = ("default",),
        max_batch: int = 500,
        log: ReplayedLog | None = None,
    ) -> None:
        self.clock = SystemClock()
        self.telemetry = PrometheusTelemetry(targets)
        self.log = log or ReplayedLog(
            {TopicPartition(COMMANDS, n): changelog for n, changelog in enumerate(changelogs)}
        )
        self.context = _context(self.clock, self.telemetry, targets, max_batch)
        self.limiters = {name: Limiter(self.clock, reads_per_second=1.0, writes_per_second=1.0) for name in targets}
        deadlines = CallTimeouts(write=60.0, read=60.0, listing=600.0)
        api = RateLimitedApi(SilentApi(), self.limiters, self.clock, self.telemetry, deadlines)
        self.pollers = {name: Poller(name, api, 1.0, self.clock, self.telemetry) for name in targets}
        quotas = {"audience-models": 2, "audience-generation-jobs": 10, "audience-export-jobs": 20}
        self.slots = SlotRegistry(dict.fromkeys(targets, quotas), lambda _: None, self.clock.monotonic)
        self.standby = Standby(self.slots, self.telemetry, follows=False)
        self._dependencies = ActivityDependencies(Dispatch(api, self.clock), self.pollers, self.slots)
        self.assignment = Assignment(self.log, self.shard, self.telemetry, grace=5.0, resized=lambda _: None)
        self.app = App(
            log=self.log,
            assignment=self.assignment,
            pollers=self.pollers,
            limiters=self.limiters,
            slots=self.slots,
            standby=self.standby,
            telemetry=self.telemetry,
            stop_deadline=5.0,
        )
        gauges.register(self.telemetry, self.app, self.clock)

    def shard(self, partition: TopicPartition) -> Shard:
        """A shard that has not begun."""
        return Shard(partition, self.log, self._dependencies, self.context, self.standby, CommandProcessor)

    @property
    def settled(self) -> bool:
        """True once everything is restored, observed and committed."""
        shards = self.assignment.shards.values()
        return self.app.ready and not any(shard.waiting for shard in shards)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Replica"]:
        """Runs until everything is restored and its first observations are committed, and on within the block."""
        stop = asyncio.Event()
        task = asyncio.create_task(self.app.run(stop))
        while not self.settled:
            await asyncio.sleep(0.002)
            if task.done():
                task.result()
        yield self
        task.cancel()
        await asyncio.wait([task])


def _context(clock: SystemClock, telemetry: PrometheusTelemetry, targets: Sequence[str], max_batch: int) -> Context:
    kinds = [row.resource.kind for row in OPERATIONS.values() if row.kind is Kind.JOB]
    cadence = Cadence(30.0, 60.0, 600.0)
    names = OutputTopics(
        changelogs={COMMANDS: "jobs"},
        changes="changes",
        shared=TenantTopics("replies", "events", "dead-letters"),
        source="benchmark",
    )
    return Context(
        clock=clock,
        telemetry=telemetry,
        policy=replace(POLICY, targets=dict.fromkeys(targets, ("", ""))),
        limits={COMMANDS: TopicRules(open_grant(targets, {"replies"}), targets[0])},
        names=names,
        regions=dict.fromkeys(targets, "eu-west-1"),
        cadences=dict.fromkeys(kinds, cadence),
        removal_cadence=cadence,
        max_batch=max_batch,
        open_jobs_limit=10_000_000,
        remembered_bytes=1 << 40,
    )
