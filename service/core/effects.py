"""What can be wanted: events to publish with the commit, an activity to perform after it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from schemas.records import Job


@dataclass(frozen=True, slots=True)
class CommandReply:
    """A reply to the publisher: its kind and its data beside what every reply carries."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A resource's status differs from what was last known.

    Attributes:
        kind: Resource kind.
        resource_id: ARN or stable id.
        status: The new status.
        name: The resource's name, as far as known.
        description: The full description, on a terminal status.
        details: AWS's ``statusDetails``.
        truncated: Whether the description was too large, and only its short members are left.
        back: Whether the resource has returned to an earlier status, as several polls have shown.
    """

    kind: str
    resource_id: str
    status: str
    name: str = ""
    description: Mapping[str, Any] | None = None
    details: Mapping[str, Any] | None = None
    truncated: bool = False
    back: bool = False


Event = CommandReply | StatusChange


@dataclass(frozen=True, slots=True)
class Call:
    """Perform the command's operation, within the call window of this commit."""


@dataclass(frozen=True, slots=True)
class Search:
    """Find out what a call has done, not before ``at`` (owner's time)."""

    at: float


@dataclass(frozen=True, slots=True)
class Watch:
    """Poll the resource until it has ended."""


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing before ``until``, then observe ``Due``; by the ``wall`` clock, observe ``StartReached``.

    An ended job rests for its retention, and then observes ``Outlived``.
    """

    until: float
    wall: bool = False


@dataclass(frozen=True, slots=True)
class Await:
    """Do nothing until another job has ended."""


@dataclass(frozen=True, slots=True)
class Decide:
    """Carry out a command about another job, in the same step."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing: this process does not know what the job speaks of."""

    why: str


Activity = Call | Search | Watch | Rest | Await | Decide | Hold


@dataclass(frozen=True, slots=True)
class Step:
    """The outcome of one observation.

    Attributes:
        job: The job from now on; the very same object when nothing changed, None when it must be forgotten.
        events: Committed together with the job, in order.
        ignored: True when the observation came too late or fits no cell of the table; counted, never an error.
    """

    job: Job | None
    events: tuple[Event, ...] = ()
    ignored: bool = False
