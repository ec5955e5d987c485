"""The service over the fakes: an account, a Kafka, and as many processes of ours as a test wants to start and kill."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from schemas import records
from schemas.operations import COMMANDS, OPERATIONS
from schemas.records import Job, Record, ResourceState
from service.core.job import marker
from service.runtime.ports import TopicPartition
from tests.support import messages
from tests.support.api import Entry
from tests.support.clock import LoopClock
from tests.support.faulty_api import TwinApi
from tests.support.log import MemoryBroker
from tests.support.messages import CHANGELOG, CHANGES, EVENTS, REPLIES, RESOURCES, TERMINAL, Heard, Subscriber
from tests.support.process import Node, Options, commands_of


class Rig:
    """The world around the processes; ``async with`` leaves nothing behind."""

    def __init__(self, options: Options | None = None, **changes: Any) -> None:
        self.options = self.whole = replace(options or Options(), **changes)
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
        node = self.begin()
        if ready:
            await self.until(lambda: node.ready)
        return node

    def begin(self) -> Node:
        """A new process; returns at once."""
        node = Node(f"node-{next(self._names)}", self.broker, self.api, self.options)
        self.nodes.append(node)
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
        if COMMANDS[operation].creates and isinstance(data, dict):
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

    def answered(self) -> set[str]:
        """Commands that were replied to at all."""
        return {reply.key for reply in self._replies.messages()}

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
        deadline, longest = self.clock.monotonic() + within, max(step, 0.5)
        while not condition():
            for node in self.nodes:
                if node.task.done() and not node.task.cancelled():
                    node.task.result()
            assert self.clock.monotonic() < deadline, f"not within {within} s: {self.situation()}"
            await asyncio.sleep(step)
            step = min(step * 1.1, longest)

    async def numbered(self) -> None:
        """Waits until every change has become an event, which takes a transaction more than its cause."""
        consumed = [TopicPartition(CHANGES, number) for number in range(self.options.partitions)]
        await self.until(lambda: all(self.numbered_all(partition) for partition in consumed))

    def numbered_all(self, partition: TopicPartition) -> bool:
        """True when every change of a partition has been consumed."""
        left = self.broker.partition(*partition).committed(self.broker.committed(partition) or 0)
        return not left

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
        assert "[crml:" not in str([self._replies.messages(), self.events()])

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
