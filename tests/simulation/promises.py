"""What publishers asked for, and whether AWS is asked for that: in order, in time, and nothing else.

Books of its own again: a command as it was published, and each request that left for it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from schemas.operations import COMMANDS as ROWS
from schemas.operations import OPERATIONS, Kind, Repeat
from schemas.records import Command, Job, Phase
from service.core import cancellation
from service.core.job import GIVEN_BACK, marker, may_have_happened
from service.runtime.ports import TopicPartition
from tests.simulation.families import Family
from tests.support.account import Item, World
from tests.support.api import Entry
from tests.support.cluster import Rig
from tests.support.loop import OWNER

REFERENCE = "command:"
SLACK = 1e-3
"""Seconds by which a time may be missed: sums of floating-point numbers, and times written in milliseconds."""
SETTLE = 100.0
"""Seconds within which half the looks at a resource must have shown how it stands."""
UNCLEAR = frozenset(
    {"pending", "ReadTimeout", "ConnectionClosed", "InternalServiceException", "InvalidResponse", "ServiceUnavailable"}
)
"""Outcomes of a request that leave open what it did."""


@dataclass
class Asked:
    """A command as its publisher sent it.

    Attributes:
        number: Counts all commands in the order of publication.
        key: Of the Kafka record; equal keys are in order.
        names: Commands that it names: it comes after them, with what they have made.
        entries: Requests that left for it.
        queued: It waited in a queue for a quota, which is not in its key's line.
        skipped: Its topic was made anew, and is read on from where its reader was in the former one.
        decided: A person resolved it, and it may be called again.
        left: A call that changes something has left its owner, and no record tells what became of it.
        touched: Something made its outcome unclear.
        ended: When its last terminal record was committed.
        forgotten: Its record is gone, and the retention has passed since its end.
        changed: When its last record was.
        succeeded: It has, by a record that was committed.
    """

    id: str
    operation: str
    data: Any
    partition: TopicPartition
    number: int
    key: bytes
    target: str = "default"
    names: tuple[str, ...] = ()
    tenant: str = ""
    deadline: float = 0.0
    not_before: float = 0.0
    entries: list[Entry] = field(default_factory=list)
    job: Job | None = None
    queued: bool = False
    skipped: bool = False
    decided: bool = False
    left: bool = False
    touched: bool = False
    ended: float | None = None
    forgotten: bool = False
    changed: float = 0.0
    succeeded: bool = False

    @property
    def token(self) -> str:
        return marker(Command(self.id, "/tests", "", "", {}, "", tenant=self.tenant))

    @property
    def shared(self) -> tuple[object, ...]:
        """Its key's line and its quota: what other commands may keep it waiting for."""
        row = OPERATIONS.get(self.operation)
        slot = row.resource.slot if row is not None and row.creates else ""
        return ((self.partition, self.key), slot) if slot else ((self.partition, self.key),)

    @property
    def unclear(self) -> bool:
        """Whether anything may have made its outcome unclear."""
        return self.touched or any(entry.outcome in UNCLEAR for entry in self.entries)


class Promises:
    """Looked at whenever a request leaves or takes effect."""

    def __init__(self, rig: Rig, demand: Callable[[object, str], None], watched: frozenset[Family]) -> None:
        self.commands: dict[str, Asked] = {}
        self.traces: dict[str, Asked] = {}
        self.clocks_right = True
        self.denied: set[str] = set()
        self._rig, self._demand, self._watched = rig, demand, watched
        self._last: dict[tuple[TopicPartition, bytes], Asked] = {}

    def asked(self, command: Asked) -> None:
        self.commands[command.id] = self.traces[command.token] = command

    def recorded(self, job: Job, now: float) -> None:
        """A job's record is committed."""
        asked = self.commands.get(job.command.id)
        if asked is None:
            return
        asked.job, asked.changed, asked.forgotten = job, now, False
        self._given_back(asked, job)
        asked.queued |= job.phase is Phase.QUEUED
        ended = job.phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED, Phase.PARKED)
        asked.ended = now if ended else None
        asked.succeeded |= job.phase is Phase.SUCCEEDED
        if asked.operation == "ResolveCommand" and ended and (other := self.commands.get(asked.data["commandId"])):
            other.decided = True

    def _given_back(self, asked: Asked, job: Job) -> None:
        """The next owner calls at once what was given back: it must be true that no call has left."""
        given_back = job.phase is Phase.INTENDED and job.due == GIVEN_BACK
        self._demand(not (given_back and asked.left), f"{asked.id} is given back as not called, and its call has left")
        asked.left &= job.phase is Phase.INTENDED and not job.due

    def forgotten(self, command_id: str, now: float, retention: float) -> None:
        """A job's tombstone is committed."""
        asked = self.commands.get(command_id)
        if asked is None:
            return
        kept = now - asked.ended if asked.ended is not None else 0.0
        asked.forgotten = kept >= retention - SLACK
        if Family.CLOCKS in self._watched:
            self._demand(asked.forgotten, f"{command_id} is forgotten {kept:.0f} s after its end")

    def begin_anew(self, partition: TopicPartition) -> None:
        """A topic was made anew: what its reader has skipped is read after what it has read."""
        for asked in self.commands.values():
            asked.skipped |= asked.partition == partition

    def taken_over(self, partition: TopicPartition) -> None:
        """A new owner: what its predecessor did is unclear."""
        for asked in self.commands.values():
            asked.touched |= asked.partition == partition and asked.ended is None
            asked.left &= asked.partition != partition

    def sent(self, entry: Entry, *, owned: bool) -> None:
        """A request of a command leaves; of a process that owns its partition, unless it is a zombie's."""
        asked = self.traces.get(entry.trace)
        if asked is None:
            return
        self._in_time(asked)
        self._at_home(asked, entry)
        self._linked(asked, entry)
        if owned:
            self._in_order(asked, entry)
            asked.left |= ROWS[entry.operation].kind is not Kind.READ
        self._only_what_was_asked(asked, entry)
        asked.entries.append(entry)

    def _linked(self, asked: Asked, entry: Entry) -> None:
        """What it names has succeeded, for all to see, and what is sent is what that made."""
        for name in asked.names:
            other = self.commands.get(name)
            done = other is not None and other.succeeded
            self._demand(done, f"{asked.id} {entry.operation} leaves, and {name}, which it names, has not succeeded")
        for member, text in asked.data.items() if asked.names else ():
            if member in entry.params and isinstance(text, str) and text.startswith(REFERENCE):
                sent = entry.params[member]
                made = sent in self.stands_for(text)
                self._demand(made, f"{asked.id} {entry.operation} is sent with {sent}, which {text} has not made")

    def stands_for(self, text: str) -> set[str]:
        """What a member of a request may be sent as."""
        other = self.commands.get(text.removeprefix(REFERENCE)) if text.startswith(REFERENCE) else None
        if other is None:
            return {text}
        if other.operation == "TrackResource":
            return self.stands_for(other.data["resourceArn"])
        return {item.key for item in self.made(other)}

    def _in_time(self, asked: Asked) -> None:
        wall = next((node.clock.wall() for node in self._rig.nodes if node.name == OWNER.get()), 0.0)
        repeated = asked.job is not None and may_have_happened(asked.job)
        if not self._watched & {Family.TIMES, Family.SERVICE}:
            return
        if asked.deadline and not repeated and not asked.decided:
            late = wall - asked.deadline
            self._demand(late <= SLACK, f"{asked.id} leaves {late:.3f} s after its deadline")
        if asked.not_before and self.clocks_right and not asked.entries:
            early = asked.not_before - wall
            self._demand(early <= SLACK, f"{asked.id} leaves {early:.3f} s before its time")

    def _at_home(self, asked: Asked, entry: Entry) -> None:
        """A target may have become another account; what was accepted for the first one is not sent there."""
        accepted = asked.job.account if asked.job else ""
        where = self._rig.api.worlds[entry.target].account
        self._demand(
            accepted in ("", where), f"{asked.id} {entry.operation} is sent to {where}, and was accepted for {accepted}"
        )

    def explained(self, now: float, bound: float, *, watches: bool) -> None:
        """A command that is open, and whose record has not changed for so long, says why; whatever is wrong.

        ``watches``: also that of a resource under way, which must be so at AWS.
        """
        for asked in self.commands.values():
            job, silent = asked.job, now - asked.changed
            if job is None or asked.ended is not None or silent < bound:
                continue
            running = job.phase is Phase.RUNNING and (not watches or self._under_way(asked, job))
            stated = job.reason or job.held or job.awaits
            self._demand(
                stated or running or self._behind(asked),
                f"{asked.id} {asked.operation} is {job.phase.value} for {silent:.0f} s without a stated reason",
            )

    def _under_way(self, asked: Asked, job: Job) -> bool:
        now, item = self._rig.clock.monotonic(), self.world(job).items.get(job.resource_id)
        if item is None or not item.resource.get_operation or self.denied:
            return True
        status = item.status(now)
        late = now - item.schedule[-1][0] >= 2 * SETTLE and (item.gone is None or now - item.gone >= 2 * SETTLE)
        ended = not item.exists(now) or status in item.resource.ends
        return not (ended and late) or "untilStatus" in asked.data

    def _behind(self, asked: Asked) -> bool:
        """Whether another command of its key is open; which of them goes first, a start time or a slot may decide."""
        return any(
            (other.partition, other.key) == (asked.partition, asked.key) and other is not asked and other.ended is None
            for other in self.commands.values()
        )

    def world(self, job: Job) -> World:
        """The account of a job."""
        worlds = self._rig.api.worlds
        found = [world for world in worlds.values() if job.account and world.account == job.account]
        return found[0] if found else worlds.get(job.command.target, World())

    def _in_order(self, asked: Asked, entry: Entry) -> None:
        """Who rests until a time of its own, or for a quota, does not stand in the line meanwhile."""
        if asked.decided or asked.not_before or asked.skipped or Family.ORDER not in self._watched:
            return
        line = (asked.partition, asked.key)
        last = self._last.get(line)
        self._demand(
            last is None or last.number <= asked.number or asked.queued,
            f"{asked.id} {entry.operation} leaves after {last.id if last else ''}, which was sent later in its key",
        )
        if last is None or last.number < asked.number:
            self._last[line] = asked

    def _only_what_was_asked(self, asked: Asked, entry: Entry) -> None:
        """A deletion must have been asked for, in this account and of this resource."""
        row = OPERATIONS[entry.operation]
        if row.repeat is not Repeat.GONE_IS_DONE or Family.SERVICE not in self._watched:
            return
        gone = entry.params[row.resource.identity]
        self._demand(
            self._wanted(asked, entry.target, entry.operation, gone),
            f"{entry.operation} of {gone} in {entry.target}, which {asked.id} did not ask for",
        )

    def _wanted(self, asked: Asked, target: str, operation: str, gone: str) -> bool:
        if asked.operation == operation:
            wanted = self.stands_for(str(asked.data.get(OPERATIONS[operation].resource.identity)))
            return self._same(asked, target) and gone in wanted
        if asked.operation != "CancelCommand" or asked.data.get("deleteResource") is not True:
            return False
        other = self.commands.get(asked.data["commandId"])
        return other is not None and self._same(other, target) and gone in {item.key for item in self.made(other)}

    def _same(self, asked: Asked, target: str) -> bool:
        """Whether a target is the account of a command."""
        account = self._rig.api.worlds[target].account
        return account in (asked.job.account if asked.job else "", self._rig.api.worlds[asked.target].account)

    def made(self, asked: Asked) -> list[Item]:
        """What a command has made, there or gone."""
        world = self.world(asked.job) if asked.job else self._rig.api.worlds.get(asked.target, World())
        return [item for item in world.items.values() if asked.token in str(item.members.get("description", ""))]

    def undecided(self) -> set[str]:
        """Commands that wait until a person has decided about another: to cancel it, or to go on with what it made."""
        cancelling = {each.id for each in self.commands.values() if each.job and each.job.reason == cancellation.PARKED}
        return cancelling | {asked.id for asked in self.commands.values() if self.behind_parked(asked)}

    def overdue(self, since: float, now: float, limit: float) -> list[str]:
        """Commands that are still open ``limit`` seconds after their turn began.

        A command's turn begins when no earlier one of its key is open, and anew with each end that it may have waited
        for: of its key, or of its quota.
        """
        open_, ends = [], dict[object, float]()
        for asked in self.commands.values():
            if self.behind_parked(asked):
                continue
            if asked.ended is None:
                open_.append(asked)
                continue
            for shared in asked.shared:
                ends[shared] = max(ends.get(shared, since), asked.ended)
        first = {(asked.partition, asked.key): asked for asked in reversed(open_)}
        turns = {asked.id: max(ends.get(shared, since) for shared in asked.shared) for asked in first.values()}
        undecided = self.undecided()
        late = {name: now - turn for name, turn in turns.items() if now - turn > limit and name not in undecided}
        return [f"{name} is open {seconds:.0f} s after its turn began" for name, seconds in late.items()]

    # When everything has ended

    def judge(self) -> None:
        for asked in self.commands.values():
            if asked.job is None or asked.ended is None:
                continue
            code = asked.job.fault.code if asked.job.fault else ""
            if asked.job.phase is Phase.PARKED:
                self._demand(
                    asked.unclear or self._unseen(asked), f"{asked.id} is parked ({code}), and nothing was unclear"
                )
                self._demand(code != "AmbiguousOutcome", f"{asked.id} is parked as made twice")
            if asked.job.phase is Phase.FAILED and Family.REPEATS in self._watched:
                self._nothing_done(asked, code)
            if asked.operation == "CancelCommand":
                self._cancelled(asked)
            self._chained(asked, code)

    def _chained(self, asked: Asked, code: str) -> None:
        """A command has succeeded only if all that it names have, and failed because of them only if one has not."""
        others = [self.commands.get(name) for name in asked.names]
        failed = [other for other in others if other is not None and not other.succeeded and other.ended is not None]
        if asked.succeeded:
            self._demand(not failed, f"{asked.id} succeeded although {[each.id for each in failed]} did not")
        if code == "PredecessorFailed":
            self._demand(failed, f"{asked.id} failed because of {asked.names}, which have not")
        if code == "UnknownPredecessor":
            known = [each for each in others if each is not None and self._known(asked, each)]
            self._demand(len(known) < len(others), f"{asked.id} does not know {asked.names}, which were sent before it")

    @staticmethod
    def _known(asked: Asked, other: Asked) -> bool:
        """Whether a command must have been known to one that names it."""
        together = (other.partition, other.key) == (asked.partition, asked.key) and other.number < asked.number
        return together and not (other.skipped or asked.skipped or other.forgotten) and other.job is not None

    def blocked(self) -> set[str]:
        """Parked commands that others wait for."""
        waiting = [asked for asked in self.commands.values() if asked.ended is None and asked.names]
        return {name for asked in waiting for name in self._parked_before(asked)}

    def behind_parked(self, asked: Asked) -> bool:
        """Whether a command waits until a person has decided about another."""
        return asked.ended is None and bool(self._parked_before(asked))

    def _parked_before(self, asked: Asked) -> set[str]:
        """The parked ones among those that it names, and that these name."""
        found: set[str] = set()
        for name in asked.names:
            other = self.commands.get(name)
            if other is None:
                continue
            if other.job is not None and other.job.phase is Phase.PARKED:
                found.add(name)
            elif other.ended is None:
                found |= self._parked_before(other)
        return found

    def _unseen(self, asked: Asked) -> bool:
        """Whether what it has done could not be looked at."""
        resource = ROWS[asked.operation].resource
        return bool(self.denied & {resource.list_operation, resource.get_operation})

    def _nothing_done(self, asked: Asked, code: str) -> None:
        row = ROWS[asked.operation]
        if row.kind is not Kind.WRITE or row.creates or asked.decided or code in ("ConcurrentModification",):
            return
        done = any(entry.effect for entry in asked.entries)
        self._demand(not done, f"{asked.id} {asked.operation} failed ({code}), and it was performed")

    def _cancelled(self, asked: Asked) -> None:
        job, other = asked.job, self.commands.get(str(asked.data.get("commandId")))
        if job is None or job.phase is not Phase.SUCCEEDED or other is None or not asked.data.get("deleteResource"):
            return
        if (job.reply or {}).get("result", {}).get("cancelled"):
            return
        now = self._rig.clock.monotonic()
        left = [item.key for item in self.made(other) if item.exists(now) and not item.status(now).startswith("DELETE")]
        self._demand(not left, f"{asked.id} has deleted what {other.id} made, and {left} is there")

    def searches(self) -> tuple[int, int]:
        """Lists that no command asked for, and creating commands."""
        lists = {row.resource.list_operation for row in OPERATIONS.values() if row.creates}
        count = sum(entry.operation in lists and not entry.trace for entry in self._rig.api.log)
        return count, sum(ROWS[asked.operation].creates for asked in self.commands.values())
