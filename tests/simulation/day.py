"""What the rooms of a schedule share: the world, the seed's random numbers, what was published, what may happen."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from schemas.cloudevents import format_time, timestamp
from schemas.operations import OPERATIONS, Repeat
from service.runtime.ports import Headers, TopicPartition
from tests.simulation.families import Family
from tests.simulation.faults import Faults
from tests.simulation.monitor import Monitor
from tests.simulation.promises import REFERENCE, Asked
from tests.support.cluster import Rig
from tests.support.loop import SimulatedLoop
from tests.support.messages import command, request
from tests.support.process import Node, commands_of

CREATES: Final = [row.name for row in OPERATIONS.values() if row.creates]
DELETES: Final = [row.name for row in OPERATIONS.values() if row.repeat is Repeat.GONE_IS_DONE]
OTHERS: Final = [name for name in OPERATIONS if name not in (*CREATES, *DELETES)]


HOME: Final = ("111122223333", "eu-west-1")
"""Account and Region of most targets."""
MOVING, RENAMED, AWAY_WORLD = "other", "renamed", "away"
"""A target that is another account for a while, a second name for it, and what is there then."""
AWAY: Final = ("999900001111", "eu-west-1")


@dataclass(frozen=True)
class Published:
    """A record as it was published."""

    topic: str
    key: bytes
    value: bytes
    headers: Headers
    partition: int


@dataclass
class Day:
    """A schedule's state.

    Attributes:
        rig: The world.
        loop: Time.
        monitor: Who watches.
        faults: What goes wrong by chance.
        random: Of the schedule.
        families: What may go wrong.
        skews: By how much the clock of a new process is wrong.
        dead: Processes that were killed.
        away: Processes that don't know what time it is, or that the group gave up.
        published: Every command, by id.
        spare: Deletions that may be asked for.
        names: One resource of each kind, by the member that names it.
        repairs: What an operator does when the world heals.
        restart: Whether every process is stopped before that.
        made_anew: Topics that were deleted and made anew.
        release: Of the next process; None for the newest.
        running: The release of each process that is not of the newest.
        endless: Commands that wait for what never comes.
        slow: Whether commits stay slow until the world heals.
        moved: Whether a target has been another account for a while.
        elsewhere: Processes for which it is.
    """

    rig: Rig
    loop: SimulatedLoop
    monitor: Monitor
    faults: Faults
    random: Random
    families: frozenset[Family]
    skews: tuple[float, ...] = (0.0,)
    dead: list[Node] = field(default_factory=list)
    away: Counter[str] = field(default_factory=Counter)
    published: dict[str, Published] = field(default_factory=dict)
    spare: list[tuple[str, str]] = field(default_factory=list)
    names: dict[str, dict[str, str]] = field(default_factory=dict)
    repairs: list[Callable[[], object]] = field(default_factory=list)
    restart: bool = False
    made_anew: set[str] = field(default_factory=set)
    release: Any = None
    running: dict[str, Any] = field(default_factory=dict)
    endless: list[str] = field(default_factory=list)
    slow: bool = False
    moved: bool = False
    elsewhere: set[str] = field(default_factory=set)

    # Publishing

    def has(self, family: Family) -> bool:
        return family in self.families

    def send(self, operation: str, data: Any = None, **attributes: str) -> str:
        """Publishes a command about the resources that were there before."""
        target = attributes.get("target") or "default"
        members = {name: arn for name, arn in self.names[target].items() if name in request(operation)}
        if operation == "PutConfiguredAudienceModelPolicy" and self.random.random() < 0.5:
            members["policyExistenceCondition"] = "POLICY_MUST_NOT_EXIST"
        return self.publish(operation, data or request(operation, **members), **attributes)

    def publish(self, operation: str, data: Any, *, tenant: str = "", key: str = "", **attributes: str) -> str:
        """Publishes a command; returns its id."""
        number = len(self.rig.sent) + 1
        command_id = f"c-{number}"
        if operation in CREATES:
            data = {**data, "name": command_id}
        raw, value, headers = command(operation, command_id, data, key=key, **attributes)
        topic = commands_of(tenant)
        partition, offset = self.rig.broker.produce(topic, raw, value, headers)
        place = TopicPartition(topic, partition)
        self.rig.sent[command_id] = operation
        self.published[command_id] = Published(topic, raw, value, headers, partition)
        self.monitor.asked(
            Asked(
                command_id,
                operation,
                data,
                place,
                number,
                raw,
                target=attributes.get("target") or "default",
                tenant=tenant,
                deadline=timestamp(attributes.get("deadline", "")) or 0.0,
                not_before=timestamp(attributes.get("notbefore", "")) or 0.0,
                skipped=offset < self.monitor.offset(place),
                names=_names(data, attributes.get("after", "[]")),
            )
        )
        self.monitor.note(f"published {command_id} {operation} {key}")
        return command_id

    def moment(self, least: float, most: float) -> str:
        """A time from now, by the right clock."""
        return format_time(self.rig.clock.wall() + self.random.uniform(least, most))

    # Processes

    def start(self) -> Node:
        """A new process."""
        node = self.rig.begin()
        if self.release is not None:
            self.running[node.name] = self.release
            self.monitor.unknown |= self.release.unknown
        if node.options.accounts.get(MOVING) == AWAY:
            self.elsewhere.add(node.name)
        node.clock.skew = self.random.choice(self.skews)
        self.monitor.promises.clocks_right &= not node.clock.skew
        self.monitor.note(f"{node.name} starts")
        return node

    def alive(self) -> list[Node]:
        """Those that run, and know what time it is."""
        return [node for node in self.rig.nodes if not node.task.done() and not self.away[node.name]]

    def pick(self) -> Node | None:
        return self.random.choice(alive) if (alive := self.alive()) else None

    def later(self, seconds: float, what: Callable[..., object], *arguments: object) -> None:
        self.loop.call_later(seconds, what, *arguments)


def _names(data: Any, after: str) -> tuple[str, ...]:
    """Ids of the commands that one names."""
    texts = [text for text in data.values() if isinstance(text, str)] if isinstance(data, dict) else []
    named = [text.removeprefix(REFERENCE) for text in texts if text.startswith(REFERENCE)]
    return tuple(dict.fromkeys([*named, *json.loads(after)]))


Deed = Callable[[Day], Awaitable[None]]


@dataclass(frozen=True)
class Action:
    """What may happen: how often, and in which family; in every day without one."""

    name: str
    weight: int
    deed: Deed
    family: Family | None = None


ACTIONS: Final[dict[str, Action]] = {}
"""What may happen, by name."""


def action(weight: int, family: Family | None = None) -> Callable[[Deed], Deed]:
    """Registers what may happen under its function's name."""

    def register(deed: Deed) -> Deed:
        name = deed.__name__
        ACTIONS[name] = Action(name, weight, deed, family)
        return deed

    return register
