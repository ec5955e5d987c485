"""What every shard is given: the world, the numbers and the names."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.commands import Limits
from service.core.pacing import Cadence
from service.core.policy import Policy
from service.runtime.ports import Clock, Telemetry


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Topics that a shard writes to, and our name as the source of events.

    Attributes:
        changelogs: Changelog topic by the topic that a shard consumes.
        changes: Topic of changes on their way to be numbered.
        replies: Topic of replies, unless a command names another.
        events: Topic of status changes.
        dead_letters: Topic of what can't be a command.
        source: CloudEvents ``source`` of what we publish.
    """

    changelogs: Mapping[str, str]
    changes: str
    replies: str
    events: str
    dead_letters: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Shared by all shards of a process; nothing in it changes.

    Attributes:
        clock: Time.
        telemetry: Where to tell.
        policy: Numbers for the core.
        limits: What a command may name and how large it may be.
        names: Topics.
        regions: Region by target.
        cadences: How often to look at a new resource, by its kind.
        removal_cadence: How often to look at a resource that is being deleted.
        max_batch: Most inbox items in one transaction.
        inbox_limit: Records waiting in an inbox at which delivery pauses.
    """

    clock: Clock
    telemetry: Telemetry
    policy: Policy
    limits: Limits
    names: Names
    regions: Mapping[str, str]
    cadences: Mapping[str, Cadence]
    removal_cadence: Cadence
    max_batch: int = 500
    inbox_limit: int = 2000
