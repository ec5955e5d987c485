"""The safety invariants, looked at whenever a transaction is decided, a partition opened or a request leaves.

It sees what Kafka and AWS see and keeps books of its own: what each changelog folds to, which replies and events are
committed, when a call was last permitted. The first violation ends the simulation.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from schemas import records
from schemas.operations import COMMANDS as ROWS
from schemas.operations import RESOURCES as KINDS
from schemas.operations import Kind
from schemas.records import Job, Position, Record, ResourceState
from service.core.job import marker
from service.core.timing import Policy
from service.runtime.ports import InRecord, TopicPartition
from service.runtime.shard import Shard, State
from tests.simulation.families import Family
from tests.simulation.promises import Asked, Promises
from tests.support.api import Entry
from tests.support.cluster import Rig
from tests.support.loop import OWNER
from tests.support.messages import CHANGES, COMMANDS, EVENTS, REPLIES, TERMINAL, Heard, heard

SLACK = 1e-6
"""Seconds that floating-point sums may be wrong by."""
OTHER_REPLIES = "other.replies"
"""A topic that commands may name for their replies."""
OPENINGS = 300
"""Most openings of partitions in one schedule; what closes as often, closes for ever."""


class Violation(AssertionError):
    """A promise was broken."""


class Monitor:
    """Told of everything as it happens; see :class:`tests.support.log.Witness`.

    Attributes:
        counters: How often each thing has happened.
        ended: Ids of the commands with a terminal reply.
        given_up: Ids of parked commands that a person gives up whatever they have made, for others that wait for them.
        folds: What each consumed partition's changelog says.
        replies: The replies to each command, without repetitions.
        copies: How often each command was published again; a publisher says so.
        misused: Ids that were published again with other content.
        last: The last event of each resource.
        promises: What was asked for, and whether AWS is asked for that.
        damaged: Partitions that nobody may serve until an operator has repaired them.
        unknown: Kinds and statuses that some release which ran did not know: it could not tell which is earlier.
    """

    def __init__(
        self,
        rig: Rig,
        policy: Policy,
        clock: Callable[[], float],
        fail: Callable[[Violation], None],
        watched: frozenset[Family],
    ) -> None:
        self.counters: Counter[str] = Counter()
        self.ended: set[str] = set()
        self.given_up: set[str] = set()
        self.folds: dict[TopicPartition, dict[bytes, Record]] = defaultdict(dict)
        self.replies: dict[str, list[Heard]] = defaultdict(list)
        self.copies: Counter[str] = Counter()
        self.misused: set[str] = set()
        self.last: dict[tuple[str, str], Heard] = {}
        self.created: Counter[str] = Counter()
        self.unknown: set[tuple[str, str]] = set()
        self.story: list[str] = []
        self.promises = Promises(rig, self.demand, watched)
        self.damaged: set[TopicPartition] = set()
        self._barred: set[TopicPartition] = set()
        self._rig, self._changelogs, self._policy, self._clock = rig, rig.options.consumed, policy, clock
        self._fail = fail
        self._identities: set[str] = set()
        self._owners: dict[TopicPartition, str] = {}
        self._granted: set[tuple[str, TopicPartition]] = set()
        self._offsets: dict[TopicPartition, int] = {}
        self._permitted: dict[str, float] = {}
        self._places: dict[str, TopicPartition] = {}
        self._lines: dict[tuple[TopicPartition, str], dict[str, bool]] = defaultdict(dict)

    def note(self, what: str, count: str = "") -> None:
        """Writes a line of the story; ``count`` also counts it."""
        self.story.append(f"{self._clock():11.4f}  {what}")
        if count:
            self.counters[count] += 1

    def demand(self, kept: object, what: str) -> None:
        """Ends the simulation unless the promise was kept."""
        if not kept:
            self.note(f"VIOLATION: {what}")
            self._fail(Violation(what))

    def asked(self, command: Asked) -> None:
        """A command is published for the first time."""
        self.promises.asked(command)

    # What Kafka sees

    def assigned(self, member: str, partitions: frozenset[TopicPartition]) -> None:
        self.note(f"{member} is given {' '.join(_short(each) for each in sorted(partitions))}", "assignments")
        self._granted.update((member, each) for each in partitions)

    def opened(self, member: str, partition: TopicPartition) -> None:
        if not member:
            self.note(f"{_short(partition)} fenced by nobody", "fences by nobody")
            return
        self.note(f"{member} opens {_short(partition)}", "openings")
        self.demand(self.counters["openings"] <= OPENINGS, f"{_short(partition)} is opened again and again")
        # A partition that has halted is tried again by the member that holds it, without a new assignment.
        granted = (member, partition) in self._granted or self._tries_again(member, partition)
        self.demand(granted, f"{member} opens {_short(partition)} again without having been assigned it again")
        self._granted.discard((member, partition))
        self._owners[partition] = member
        self.promises.taken_over(partition)
        if partition in self.damaged:
            self._barred.add(partition)
            self.counters["opened in vain"] += 1

    def _tries_again(self, member: str, partition: TopicPartition) -> bool:
        name = f"{partition.topic}-{partition.partition}"
        halted = any(
            what.startswith("shard_halted") and details["partition"] == name
            for node in self._rig.nodes
            if node.name == member
            for what, details in node.story.problems
        )
        return halted and self._rig.broker.group.has(member, partition)

    def committed(
        self, member: str, partition: TopicPartition, records: Sequence[InRecord], next_offset: int | None
    ) -> None:
        self.note(f"{member} commits {_short(partition)}: {len(records)} records, next {next_offset}", "commits")
        self.demand(partition not in self._barred, f"{_short(partition)} is served although it has lost records")
        self._consumed(partition, next_offset)
        changelog = self._changelogs[partition.topic]
        for record in records:
            if record.topic == changelog:
                self.demand(record.partition == partition.partition, f"{_short(partition)} writes another's changelog")
                self._fold(partition, record, next_offset)
            elif record.topic in (REPLIES, OTHER_REPLIES):
                self._reply(heard(record))
            elif record.topic == EVENTS:
                self._event(heard(record))
        shard = self._shard(member, partition)
        if shard is not None and shard.state in (State.RUNNING, State.PAUSED):
            self._same(partition, shard)

    def _consumed(self, partition: TopicPartition, next_offset: int | None) -> None:
        if next_offset is not None:
            before = self._offsets.get(partition, 0)
            self.demand(next_offset >= before, f"{_short(partition)} goes back from {before} to {next_offset}")
            self._offsets[partition] = next_offset

    def _fold(self, partition: TopicPartition, record: InRecord, next_offset: int | None) -> None:
        key, fold = record.key or b"", self.folds[partition]
        if record.value is None:
            gone = fold.pop(key, None)
            if isinstance(gone, Job):
                self.promises.forgotten(gone.command.id, self._clock(), self._policy.retention)
            return
        decoded = records.decode(record.value)
        if isinstance(decoded, Position):
            consumed = self.offset(partition) if next_offset is None else next_offset
            self.demand(decoded.offset == consumed, f"{_short(partition)} records another position than it commits")
            return
        fold[key] = decoded
        if isinstance(decoded, Job):
            token = marker(decoded.command)
            self._places[token] = partition
            self._stand(partition, token, decoded)
            self.promises.recorded(decoded, self._clock())
            self.note(f"    {decoded.command.id} {decoded.command.operation} is {decoded.phase.value}")
            if decoded.phase not in records.TERMINAL:
                self.ended.discard(decoded.command.id)
            if decoded.phase is records.Phase.INTENDED and not decoded.due:
                self._permitted[token] = self._clock()

    def _stand(self, partition: TopicPartition, token: str, job: Job) -> None:
        """Books of the lines: who may call or may have called, from when on; True once its call has left."""
        line = self._lines[partition, job.command.order]
        if job.phase is records.Phase.INTENDED and not job.turn and job.due:
            return
        if job.phase in (records.Phase.INTENDED, records.Phase.UNCERTAIN):
            line.setdefault(token, False)
        else:
            line.pop(token, None)

    def _in_turn(self, entry: Entry) -> None:
        """The owner calls in the order of each key; what a zombie still sends is counted apart."""
        partition = self._places[entry.trace]
        for (place, order), line in self._lines.items():
            if order and place == partition and entry.trace in line:
                before = list(line)[: list(line).index(entry.trace)]
                others = [token for token, left in line.items() if left and token != entry.trace]
                self.demand(not before, f"{entry.operation} of {entry.trace} overtakes {before}")
                self.demand(not others, f"{entry.operation} of {entry.trace} leaves beside {others}")
                line[entry.trace] = True

    def _same(self, partition: TopicPartition, shard: Shard) -> None:
        """Memory is what the changelog folds to."""
        store = shard._store
        memory = {**dict(store.jobs()), **dict(store.resources())}
        self.demand(memory == self.folds[partition], f"{_short(partition)}: memory differs from its changelog")

    def _reply(self, reply: Heard) -> None:
        told = self.replies[reply.key]
        if reply.kind == "rejected" and reply.key in self.misused and reply.number > 1000:
            self.counters["misuses"] += 1
            return
        again = next((each for each in told if each.id == reply.id), None)
        if again is not None:
            self.copies[reply.key] -= 1
            self.demand(self.copies[reply.key] >= 0, f"reply {reply.number} to {reply.key} is told twice")
            self.demand(again.kind == reply.kind, f"{reply.key} was told {again.kind} and {reply.kind} under one id")
            return
        parked = bool(told) and told[-1].kind == "parked"  # an end only until a person decides
        self.demand(parked or reply.key not in self.ended, f"{reply.key} is told {reply.kind} after its end")
        self.demand(reply.number == len(told) + 1, f"{reply.key} is told number {reply.number} after {len(told)}")
        if reply.kind == "waiting" and reply.data["reason"] == "Overdue":
            known = any(each.kind == "waiting" and each.data["reason"] == "Overdue" for each in told)
            self.demand(not known, f"{reply.key} is reported overdue twice")
        told.append(reply)
        if reply.kind == "waiting":
            self.counters[f"waiting: {reply.data['reason']}"] += 1
        if reply.kind in TERMINAL:
            self.ended.add(reply.key)
            self.counters[reply.kind] += 1
            self.counters["linked"] += "request" in reply.data
            code = (reply.data.get("error") or {}).get("code", "")
            if "Predecessor" in code:
                self.counters[code] += 1

    def _event(self, event: Heard) -> None:
        known = (event.resource_kind, event.subject)
        before = self.last.get(known)
        self.demand(event.sequence == (before.sequence + 1 if before else 1), f"{event.subject}: {event.id} has a gap")
        self.demand(event.data["previousStatus"] == (before.status if before else None), f"{event.id} forgets a status")
        if before is not None and (kind := KINDS.get(event.resource_kind)):
            returns = event.subject in self._rig.api.taken_back or (event.resource_kind, event.status) in self.unknown
            left_behind = kind.behind(event.status, before.status) and not returns
            self.demand(not left_behind, f"{event.subject} goes from {before.status} to {event.status}")
        self.demand(event.id not in self._identities, f"the event id {event.id} was used before")
        self._identities.add(event.id)
        self._gone(event)
        self.last[known] = event

    def _gone(self, event: Heard) -> None:
        """What is said to be deleted is not there, or about to go."""
        kind = KINDS.get(event.resource_kind)
        if event.status == "deleted" and kind and kind.arn_type:
            found = [
                world.items[event.subject] for world in self._rig.api.worlds.values() if event.subject in world.items
            ]
            now = self._clock()
            there = any(item.exists(now) and not item.status(now).startswith("DELETE") for item in found)
            self.demand(not there, f"{event.subject} is told to be deleted, and it is there")

    # What AWS sees

    def sent(self, entry: Entry) -> None:
        """A request leaves; of a command's own call the trace is its marker."""
        self.note(f"{OWNER.get()} sends {entry.operation} {entry.trace}", "requests")
        if not entry.trace:
            return
        owned = self._owners.get(self._places.get(entry.trace, TopicPartition("", 0))) == OWNER.get()
        if owned:
            self._in_turn(entry)
        self.promises.sent(entry, owned=owned)
        permitted = self._permitted.get(entry.trace)
        self.demand(permitted is not None, f"{entry.operation} leaves before its intent is durable")
        if permitted is None or ROWS[entry.operation].kind is Kind.READ:
            return
        age = self._clock() - permitted
        self.demand(age <= self._policy.call_window + SLACK, f"{entry.operation} leaves {age:.3f} s after its intent")
        if self._owners.get(self._places[entry.trace]) != OWNER.get():
            self.counters["zombie calls"] += 1

    def carried_out(self, entry: Entry) -> None:
        """A request had its effect."""
        if ROWS[entry.operation].creates:
            self.created[entry.trace] += 1
            self.demand(self.created[entry.trace] == 1, f"{entry.operation} was carried out twice for one command")

    # What is left

    def jobs(self) -> dict[str, Job]:
        """The durable jobs by command id."""
        every = [record for fold in self.folds.values() for record in fold.values()]
        return {record.command.id: record for record in every if isinstance(record, Job)}

    def resources(self) -> dict[tuple[str, str], tuple[int, str]]:
        """Number and status of each resource's last event, by the changelog."""
        every = [record for fold in self.folds.values() for record in fold.values()]
        return {(each.kind, each.id): (each.sequence, each.status) for each in every if isinstance(each, ResourceState)}

    def repaired(self, partition: TopicPartition, offset: int) -> None:
        """An operator has set where a partition is read on."""
        self._offsets[partition] = offset
        self.damaged.discard(partition)
        self._barred.discard(partition)

    def offset(self, partition: TopicPartition) -> int:
        """The offset that the last decided transaction has consumed."""
        return self._offsets.get(partition, 0)

    def _shard(self, member: str, partition: TopicPartition) -> Shard | None:
        return next((node.assignment.shards.get(partition) for node in self._rig.nodes if node.name == member), None)


_SHORT = {COMMANDS: "c", CHANGES: "changes"}


def _short(partition: TopicPartition) -> str:
    return f"{_SHORT.get(partition.topic, partition.topic)}-{partition.partition}"
