"""One process of the service over the fakes, put together as the composition root would."""

import asyncio
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field, replace

from schemas import sizes
from schemas.commands import TopicRules
from schemas.operations import OPERATIONS, Kind
from schemas.permissions import open_grant
from service.adapters.telemetry.metrics import SpanMaker
from service.core import holding
from service.core.polling import Cadence
from service.core.timing import Policy
from service.runtime.activities import ActivityDependencies
from service.runtime.app import App
from service.runtime.assignment import Assignment
from service.runtime.changes import ChangeProcessor
from service.runtime.command_processor import CommandProcessor
from service.runtime.context import Context, OutputTopics, TenantTopics
from service.runtime.dispatch import CallTimeouts, Dispatch, RateLimitedApi
from service.runtime.history import History
from service.runtime.limiter import Limiter
from service.runtime.poller import Poller
from service.runtime.ports import TopicPartition
from service.runtime.record_limits import RecordLimits
from service.runtime.shard import Shard
from service.runtime.sharing import Fleet, Sharing
from service.runtime.slots import Claim, SlotRegistry
from service.runtime.standby import Standby
from tests.support.clock import LoopClock
from tests.support.faulty_api import TwinApi
from tests.support.log import MemoryBroker
from tests.support.loop import OWNER
from tests.support.messages import CHANGELOG, CHANGES, COMMANDS, DEAD_LETTERS, EVENTS, REPLIES, RESOURCES
from tests.support.recording_telemetry import Story

POLICY = Policy(
    call_window=2.0,
    settle=30.0,
    search_delays=(0.0, 5.0, 10.0),
    accepted_limit=600.0,
    search_limit=1800.0,
    backoff_base=0.5,
    backoff_cap=10.0,
    quota_retry=60.0,
    read_retry_limit=120.0,
    write_retry_limit=600.0,
    vanish_grace=10.0,
    retention=3600.0,
)
CONSUMED = {COMMANDS: CHANGELOG, CHANGES: RESOURCES}
CADENCE = Cadence(first=2.0, later=10.0, young_for=60.0)
SILENCE = 5.0
"""Seconds beyond its interval after which a process that hears nothing lists by itself."""
JOB_KINDS = tuple(row.resource.kind for row in OPERATIONS.values() if row.kind is Kind.JOB)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a test may want otherwise."""

    partitions: int = 2
    targets: tuple[str, ...] = ("default",)
    accounts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Account and Region of targets, as far as they are known."""
    tenants: tuple[str, ...] = ()
    """Tenants beside the default one."""
    tenant_writes: Mapping[str, float] = field(default_factory=dict)
    policy: Policy = POLICY
    quotas: Mapping[str, int] = field(
        default_factory=lambda: {"audience-models": 2, "audience-generation-jobs": 10, "audience-export-jobs": 20}
    )
    reads_per_second: float = 50.0
    writes_per_second: float = 20.0
    pool: int = 50
    call_timeout: float = 10.0
    read_timeout: float = 5.0
    stop_deadline: float = 8.0
    tick: float = 1.0
    lag: float = 0.0
    """Seconds for which a resource must be absent to count as gone."""
    max_batch: int = 500
    inbox_limit: int = 2000
    open_jobs_limit: int = 5000
    batch_bytes: int = 8 * 1024 * 1024
    remembered_bytes: int = 64 * 1024 * 1024
    inbox_bytes: int = 32 * 1024 * 1024
    max_bytes: int = 1_048_576
    commit_latency: float = 0.01
    standby: bool = True
    share: bool = False
    """Whether one of several processes lists for all."""
    instance_id: str = ""
    """Of every process: a second one takes the first one's place."""
    tracer: Callable[[str, LoopClock], SpanMaker] | None = None
    """Makes what makes spans, of a process by its name and clock; None: no traces are made."""

    @property
    def consumed(self) -> dict[str, str]:
        """Every topic that shards consume, with its changelog."""
        return {**CONSUMED, **{commands_of(name): f"cleanroomsml.{name}.jobs" for name in self.tenants}}


def commands_of(tenant: str) -> str:
    """A tenant's commands topic."""
    return f"cleanroomsml.{tenant}.commands" if tenant else COMMANDS


def make_context(story: Story, clock: LoopClock, options: Options) -> Context:
    grant = open_grant(options.targets, {REPLIES, "other.replies"})
    return Context(
        clock=clock,
        telemetry=story,
        policy=replace(
            options.policy, targets={name: options.accounts.get(name, ("", "")) for name in options.targets}
        ),
        limits={
            commands_of(name): TopicRules(grant, options.targets[0], tenant=name, max_bytes=options.max_bytes)
            for name in ("", *options.tenants)
        },
        names=OutputTopics(
            changelogs=options.consumed,
            changes=CHANGES,
            shared=TenantTopics(REPLIES, EVENTS, DEAD_LETTERS),
            source="svc",
        ),
        regions=dict.fromkeys(options.targets, "eu-west-1"),
        cadences=dict.fromkeys(JOB_KINDS, CADENCE),
        removal_cadence=CADENCE,
        max_batch=options.max_batch,
        inbox_limit=options.inbox_limit,
        open_jobs_limit=options.open_jobs_limit,
        batch_bytes=options.batch_bytes,
        ceilings=RecordLimits(sizes.largest_record(options.max_bytes)),
        inbox_bytes=options.inbox_bytes,
        remembered_bytes=options.remembered_bytes,
    )


class Node:
    """One process, as the composition root would put it together."""

    def __init__(self, name: str, broker: MemoryBroker, api: TwinApi, options: Options) -> None:
        self.name, self.options = name, options
        self.story = Story()
        self.clock = LoopClock()
        self.history = History(self.clock)
        self.context = replace(
            make_context(self.story, self.clock, options),
            changed=self.history.changed,
            traced_by=name if options.tracer is not None else "",
        )
        self.story.tracer = options.tracer(name, self.clock) if options.tracer is not None else None
        self.limiters = {
            name: Limiter(
                self.clock,
                reads_per_second=options.reads_per_second,
                writes_per_second=options.writes_per_second,
                connections=options.pool,
                window=options.policy.call_window,
            )
            for name in options.targets
        }
        limit = options.policy.search_limit
        deadlines = CallTimeouts(write=options.call_timeout, read=options.read_timeout, listing=limit / 6)
        tenants = {
            name: Limiter(self.clock, reads_per_second=rate, writes_per_second=rate)
            for name, rate in options.tenant_writes.items()
        }
        self.caller = caller = RateLimitedApi(api, self.limiters, self.clock, self.story, deadlines, tenants)
        self.sharing = Sharing(
            CHANGES,
            options.partitions,
            lambda partition: partition in self.assignment.shards,
            broker.broadcast(name),
            self.story,
        )
        shared = (self.sharing, SILENCE) if options.share and options.standby else (None, 0.0)
        self.pollers = {
            name: Poller(name, caller, options.tick, self.clock, self.story, options.lag, limit / 24, *shared)
            for name in options.targets
        }
        self.sharing.serve(self.pollers)
        self.slots = SlotRegistry(
            dict.fromkeys(options.targets, options.quotas),
            lambda claim: self.assignment.wake(claim.partition, claim.key),
            self.clock.monotonic,
        )
        self.standby = Standby(
            self.slots,
            self.story,
            follows=options.standby,
            serves=lambda job: not holding.obstacle(job, self.context.policy),
            fleet=Fleet(self.pollers, self.context.cadences, self.context.removal_cadence) if shared[0] else None,
            changed=self.history.changed,
        )
        self._workshop = ActivityDependencies(Dispatch(caller, self.clock), self.pollers, self.slots)
        self._log = log = broker.log(name, options.instance_id, options.consumed)
        self.assignment = Assignment(
            log.membership,
            self._make_shard,
            self.story,
            grace=options.stop_deadline / 2,
            resized=lambda held: self._resized(len(held) / (options.partitions * len(options.consumed))),
        )
        self.app = App(
            log=log,
            assignment=self.assignment,
            pollers=self.pollers,
            limiters=self.limiters,
            slots=self.slots,
            standby=self.standby,
            telemetry=self.story,
            stop_deadline=options.stop_deadline,
            sharing=shared[0],
            caller=caller,
        )
        self.stopping = asyncio.Event()
        context = copy_context()
        context.run(OWNER.set, name)
        self.task = asyncio.create_task(self.app.run(self.stopping), name=f"app:{name}", context=context)

    def _make_shard(self, partition: TopicPartition) -> Shard:
        processor = ChangeProcessor if partition.topic == CHANGES else CommandProcessor
        return Shard(partition, self._log, self._workshop, self.context, self.standby, processor)

    def _resized(self, share: float) -> None:
        for limiter in self.limiters.values():
            limiter.share(min(1.0, share) or 1.0)

    @property
    def ready(self) -> bool:
        return self.app.ready

    def shard(self, number: int) -> Shard:
        return self.assignment.shards[TopicPartition(COMMANDS, number)]

    def claim(self, number: int, key: bytes) -> Claim:
        return Claim(TopicPartition(COMMANDS, number), key)

    def task_of(self, name: str) -> "asyncio.Task[None]":
        """A running task by its name, of the newest process that has one."""
        return [task for task in asyncio.all_tasks() if task.get_name() == name][-1]

    async def stop(self) -> None:
        """As on SIGTERM."""
        self.stopping.set()
        await self.task

    async def crash(self) -> None:
        """Ends without committing anything more."""
        self.task.cancel()
        await asyncio.wait([self.task])
        if not self.task.cancelled():
            self.task.result()
