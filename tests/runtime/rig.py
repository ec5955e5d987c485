"""The service over the fakes: an account, a Kafka, and as many processes of ours as a test wants to start and kill."""

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from schemas import records
from schemas.commands import Limits
from schemas.operations import OPERATIONS, Kind
from schemas.permissions import open_grant
from schemas.records import Job, Record, ResourceState
from service.core.job import marker
from service.core.pacing import Cadence
from service.core.policy import Policy
from service.runtime import intake, numbering
from service.runtime.activities import Workshop
from service.runtime.app import App
from service.runtime.assignment import Assignment
from service.runtime.context import Context, Names
from service.runtime.dispatch import Caller, Deadlines, Dispatch
from service.runtime.limiter import Limiter
from service.runtime.poller import Poller
from service.runtime.ports import TopicPartition
from service.runtime.shard import Shard
from service.runtime.slots import Claim, SlotRegistry
from tests.fakes.api import Entry
from tests.fakes.clock import LoopClock
from tests.fakes.log import MemoryBroker
from tests.runtime import messages
from tests.runtime.messages import (
    CHANGELOG,
    CHANGES,
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    REPLIES,
    RESOURCES,
    TERMINAL,
    Heard,
    Subscriber,
)
from tests.runtime.story import Story
from tests.runtime.twin import TwinApi

POLICY = Policy(
    call_window=2.0,
    settle=30.0,
    search_delays=(0.0, 5.0, 10.0),
    accepted_limit=600.0,
    backoff_base=0.5,
    backoff_cap=10.0,
    quota_retry=60.0,
    read_patience=120.0,
    write_patience=600.0,
    vanish_grace=10.0,
    retention=3600.0,
)
CONSUMED = {COMMANDS: CHANGELOG, CHANGES: RESOURCES}
CADENCE = Cadence(first=2.0, later=10.0, young_for=60.0)
JOB_KINDS = tuple(row.resource.kind for row in OPERATIONS.values() if row.kind is Kind.JOB)
CREATES = tuple(row.name for row in OPERATIONS.values() if row.creates)


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a test may want otherwise."""

    partitions: int = 2
    targets: tuple[str, ...] = ("default",)
    tenants: tuple[str, ...] = ()
    """Tenants beside the default one."""
    tenant_writes: Mapping[str, float] = field(default_factory=dict)
    policy: Policy = POLICY
    quotas: Mapping[str, int] = field(
        default_factory=lambda: {"audience-models": 2, "audience-generation-jobs": 10, "audience-export-jobs": 20}
    )
    reads_per_second: float = 50.0
    writes_per_second: float = 20.0
    call_timeout: float = 10.0
    read_timeout: float = 5.0
    stop_deadline: float = 8.0
    tick: float = 1.0
    max_batch: int = 500
    inbox_limit: int = 2000
    commit_latency: float = 0.01

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
        policy=options.policy,
        limits={commands_of(name): Limits(grant, options.targets[0], tenant=name) for name in ("", *options.tenants)},
        names=Names(
            changelogs=options.consumed,
            changes=CHANGES,
            replies=REPLIES,
            events=EVENTS,
            dead_letters=DEAD_LETTERS,
            source="svc",
        ),
        regions=dict.fromkeys(options.targets, "eu-west-1"),
        cadences=dict.fromkeys(JOB_KINDS, CADENCE),
        removal_cadence=CADENCE,
        max_batch=options.max_batch,
        inbox_limit=options.inbox_limit,
    )


class Node:
    """One process, as the composition root would put it together."""

    def __init__(self, name: str, broker: MemoryBroker, api: TwinApi, options: Options) -> None:
        self.name = name
        self.story = Story()
        self.clock = LoopClock()
        self.context = make_context(self.story, self.clock, options)
        self.limiters = {
            name: Limiter(
                self.clock, reads_per_second=options.reads_per_second, writes_per_second=options.writes_per_second
            )
            for name in options.targets
        }
        deadlines = Deadlines(write=options.call_timeout, read=options.read_timeout)
        tenants = {
            name: Limiter(self.clock, reads_per_second=rate, writes_per_second=rate)
            for name, rate in options.tenant_writes.items()
        }
        caller = Caller(api, self.limiters, self.clock, self.story, deadlines, tenants)
        self.pollers = {name: Poller(name, caller, options.tick, self.clock, self.story) for name in options.targets}
        self.slots = SlotRegistry(
            dict.fromkeys(options.targets, options.quotas),
            lambda claim: self.assignment.wake(claim.partition, claim.key),
        )
        self._workshop = Workshop(Dispatch(caller, self.clock), self.pollers, self.slots)
        self._log = log = broker.log(name)
        self.assignment = Assignment(
            log,
            self._make_shard,
            self.story,
            patience=options.stop_deadline / 2,
            resized=lambda held: self._resized(held / (options.partitions * len(options.consumed))),
        )
        self.app = App(
            log=log,
            assignment=self.assignment,
            pollers=self.pollers,
            limiters=self.limiters,
            slots=self.slots,
            telemetry=self.story,
            stop_deadline=options.stop_deadline,
        )
        self.stopping = asyncio.Event()
        self.task = asyncio.create_task(self.app.run(self.stopping), name=f"app:{name}")

    def _make_shard(self, partition: TopicPartition) -> Shard:
        receive = numbering.receive if partition.topic == CHANGES else intake.receive
        return Shard(partition, self._log, self._workshop, self.context, receive)

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


class Rig:
    """The world around the processes; ``async with`` leaves nothing behind."""

    def __init__(self, options: Options | None = None, **changes: Any) -> None:
        self.options = replace(options or Options(), **changes)
        self.clock = LoopClock()
        self.broker = MemoryBroker(self.options.partitions, self.options.consumed, self.clock.wall)
        self.broker.latency = self.options.commit_latency
        self.api = TwinApi(self.clock, self.options.targets)
        self.nodes: list[Node] = []
        self.sent: dict[str, str] = {}
        self._replies = Subscriber(self.broker, REPLIES)
        self._events = Subscriber(self.broker, EVENTS)
        self._numbers = itertools.count(1)
        self._names = itertools.count(1)

    async def __aenter__(self) -> Self:
        self._before = asyncio.all_tasks()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: Any, trace: TracebackType | None) -> None:
        for node in self.nodes:
            if not node.task.done():
                await node.crash()
        left = asyncio.all_tasks() - self._before
        if kind is None:
            assert not left, left

    # Processes

    async def start(self, *, ready: bool = True) -> Node:
        """A new process; returns when it serves."""
        node = Node(f"node-{next(self._names)}", self.broker, self.api, self.options)
        self.nodes.append(node)
        if ready:
            await self.until(lambda: node.ready)
        return node

    async def restart(self, node: Node, *, ready: bool = True) -> Node:
        """A crash, and a new process."""
        await node.crash()
        return await self.start(ready=ready)

    # What a publisher and a subscriber do

    def send(self, operation: str, data: Any = None, command_id: str = "", **attributes: Any) -> str:
        """Publishes a command: to a partition if ``partition`` is given, with members of its own to be recognised."""
        partition, tenant = attributes.pop("partition", None), attributes.pop("tenant", "")
        command_id = command_id or f"c-{next(self._numbers)}"
        if data is None:
            data = messages.request(operation)
        if OPERATIONS[operation].creates and isinstance(data, dict):
            data = {**data, "name": data.get("name") if len(data.get("name", "n")) > 1 else command_id}
        key, value, headers = messages.command(operation, command_id, data, **attributes)
        self.broker.produce(commands_of(tenant), key, value, headers, partition)
        self.sent[command_id] = operation
        return command_id

    def replies(self, command_id: str) -> list[Heard]:
        return sorted(self._replies.of(command_id), key=lambda reply: reply.number)

    def kinds(self, command_id: str) -> list[str]:
        return [reply.kind for reply in self.replies(command_id)]

    def ending(self, command_id: str) -> Heard | None:
        return next((reply for reply in self._replies.of(command_id) if reply.kind in TERMINAL), None)

    def ended(self) -> set[str]:
        """Commands that have ended."""
        return {reply.key for reply in self._replies.messages() if reply.kind in TERMINAL}

    def events(self) -> list[Heard]:
        """All events, in order of publication within each resource."""
        return self._events.messages()

    def statuses(self, resource_id: str, kind: str = "") -> list[str]:
        """What was told of a resource, in order; of the resource itself unless a kind is given."""
        found = [event for event in self._events.of(resource_id) if kind in ("", event.resource_kind)]
        return [event.status for event in found if kind or event.resource_kind != "tags"]

    def creates(self, command_id: str) -> list[Entry]:
        """Creating requests of this command that were carried out."""
        return self.api.effects(marker(self._command(command_id)))

    @staticmethod
    def _command(command_id: str) -> records.Command:
        return records.Command(command_id, "/tests", "", "", {}, "")

    # Waiting

    async def until(self, condition: Callable[[], object], within: float = 300.0, step: float = 0.02) -> None:
        """Waits on the virtual clock, and fails as soon as a process breaks."""
        deadline = self.clock.monotonic() + within
        while not condition():
            for node in self.nodes:
                if node.task.done() and not node.task.cancelled():
                    node.task.result()
            assert self.clock.monotonic() < deadline, f"not within {within} s: {self.situation()}"
            await asyncio.sleep(step)
            step = min(step * 1.1, 0.5)

    async def numbered(self) -> None:
        """Waits until every change has become an event, which takes a transaction more than its cause."""
        consumed = [TopicPartition(CHANGES, number) for number in range(self.options.partitions)]
        await self.until(
            lambda: all(
                (self.broker.committed(partition) or 0) > records[-1].offset
                for partition in consumed
                if (records := self.broker.partition(*partition).committed(0))
            )
        )

    async def end(self, command_id: str, within: float = 300.0) -> Heard:
        """Waits for the terminal reply."""
        await self.until(lambda: self.ending(command_id), within)
        ending = self.ending(command_id)
        assert ending is not None
        return ending

    async def perform(self, operation: str, data: Any = None, **attributes: Any) -> Heard:
        """Sends a command and waits for its end."""
        return await self.end(self.send(operation, data, **attributes))

    async def made(self, operation: str, **members: Any) -> str:
        """Makes a resource with a command; returns its ARN."""
        reply = await self.perform(operation, messages.request(operation, **members))
        assert reply.kind == "succeeded", reply
        return str(reply.data["result"][OPERATIONS[operation].resource.identity])

    def situation(self) -> str:
        """For a failing test."""
        told = {command_id: self.kinds(command_id) for command_id in self.sent}
        alive = [node.app.status() for node in self.nodes if not node.task.done()]
        return f"{told}\n{alive}\n{[node.story.problems for node in self.nodes]}"

    # Truths

    def folded(self, number: int, topic: str = CHANGELOG) -> dict[bytes, Record]:
        """What the changelog of a partition says."""
        state: dict[bytes, Record] = {}
        for record in self.broker.read_committed(topic, number):
            assert record.key is not None
            state.pop(record.key, None)
            if record.value is not None:
                state[record.key] = records.decode(record.value)
        return state

    def job(self, command_id: str) -> Job | None:
        """The job as it is durable."""
        key = records.job_key("/tests", command_id)
        found = [self.folded(number).get(key) for number in range(self.options.partitions)]
        return next((job for job in found if isinstance(job, Job)), None)

    def phase(self, command_id: str) -> str:
        job = self.job(command_id)
        return job.phase.value if job else ""

    def audit(self, ended: Sequence[str] | None = None) -> None:
        """The invariants, for commands that were sent once and have ended, and for all events."""
        for command_id in self.sent if ended is None else ended:
            self._audit_command(command_id)
        self._audit_events()

    def _audit_command(self, command_id: str) -> None:
        told = self.replies(command_id)
        assert sum(reply.kind in TERMINAL for reply in told) == 1, (command_id, told)
        assert told[-1].kind in TERMINAL, told
        assert [reply.number for reply in told] == list(range(1, len(told) + 1)), told
        assert len(self.creates(command_id)) <= 1, (command_id, self.creates(command_id))
        job = self.job(command_id)
        assert job is not None
        assert (job.phase.value, job.told) == (told[-1].kind, len(told))

    def _audit_events(self) -> None:
        last: dict[tuple[str, str], Heard] = {}
        for event in self.events():
            before = last.get((event.resource_kind, event.subject))
            assert event.sequence == (before.sequence + 1 if before else 1), event
            assert event.data["previousStatus"] == (before.status if before else None), event
            last[event.resource_kind, event.subject] = event
        known = {
            (record.kind, record.id): (record.sequence, record.status)
            for number in range(self.options.partitions)
            for record in self.folded(number, RESOURCES).values()
            if isinstance(record, ResourceState)
        }
        assert known == {resource: (event.sequence, event.status) for resource, event in last.items()}
