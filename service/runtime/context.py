"""What every shard is given: the world, the numbers and the names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from schemas.commands import TopicRules
from schemas.records import Job
from service.core.polling import Cadence
from service.core.timing import Policy
from service.runtime.ports import Clock, Telemetry
from service.runtime.record_limits import RecordLimits
from service.runtime.reply_redirects import ReplyRedirects

Changed = Callable[[bytes, Job | None, Job | None], None]
"""Hears of a committed change of a command: its changelog key, the job before and after it."""


def unheard(_key: bytes, _before: Job | None, _after: Job | None) -> None:
    """For those who keep no history."""


@dataclass(frozen=True, slots=True)
class TenantTopics:
    """Where one tenant hears from us.

    Attributes:
        replies: Topic of replies, unless a command names another.
        events: Topic of status changes.
        dead_letters: Topic of what can't be a command.
    """

    replies: str
    events: str
    dead_letters: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTopics:
    """Topics that a shard writes to, and our name as the source of events.

    Attributes:
        changelogs: Changelog topic by the topic that a shard consumes.
        changes: Topic of changes on their way to be numbered.
        shared: Where tenants hear from us that have no topics of their own.
        source: CloudEvents ``source`` of what we publish.
        own: The topics of tenants that have some of their own, by :attr:`schemas.records.Command.tenant`.
    """

    changelogs: Mapping[str, str]
    changes: str
    shared: TenantTopics
    source: str
    own: Mapping[str, TenantTopics] = field(default_factory=dict)

    def of(self, tenant: str) -> TenantTopics:
        """Where a tenant hears from us; one that is no longer configured is heard by all."""
        return self.own.get(tenant) or self.shared


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Shared by all shards of a process; nothing in it changes.

    Attributes:
        clock: Time.
        telemetry: Receives metrics and problems.
        policy: Numbers for the core.
        limits: What a command may ask for and how large it may be, by commands topic.
        names: Topics.
        regions: Region by target.
        cadences: How often to poll a new resource, by its kind.
        removal_cadence: How often to poll a resource that is being deleted.
        max_batch: Maximum number of inbox items in one transaction.
        inbox_limit: Records waiting in an inbox at which delivery pauses.
        open_jobs_limit: How much a partition takes on; see :mod:`service.core.capacity`.
        ceilings: The largest record that each topic takes.
        detours: Reply topics that are avoided.
        batch_bytes: Bytes of records in one transaction at which no further item is taken into it.
        remembered_bytes: Bytes of memory for what has ended, of one partition.
        inbox_bytes: Bytes of records waiting in an inbox at which delivery pauses.
        changed: Hears of each committed change: its changelog key, the job before and after, None for a resource's.
        traced_by: Name of this process in traces, new with each start; empty: no traces are made.
    """

    clock: Clock
    telemetry: Telemetry
    policy: Policy
    limits: Mapping[str, TopicRules]
    names: OutputTopics
    regions: Mapping[str, str]
    cadences: Mapping[str, Cadence]
    removal_cadence: Cadence
    max_batch: int = 500
    inbox_limit: int = 2000
    open_jobs_limit: int = 5000
    ceilings: RecordLimits = field(default_factory=RecordLimits)
    detours: ReplyRedirects = field(default_factory=ReplyRedirects)
    batch_bytes: int = 8 * 1024 * 1024
    remembered_bytes: int = 64 * 1024 * 1024
    inbox_bytes: int = 32 * 1024 * 1024
    changed: Changed = unheard
    traced_by: str = ""

    def tenant(self, topic: str) -> str:
        """The tenant of a topic; the default tenant if no other has it."""
        return self.limits[topic].tenant if topic in self.limits else ""
