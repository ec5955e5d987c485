"""Settings of timing, polling, limits, HTTP and logging."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.operations import RESOURCES
from service.settings.base import Count, Delays, Port, Seconds, SettingsGroup, hyphenated, one_of

_DAY: Final = 86_400.0


class Timing(SettingsGroup):
    """Durations: those that correctness depends on, and a few others."""

    call_window: Annotated[Seconds, Field(ge=0.5)] = 2.0
    """A call may be sent only within this time after the commit of its intent; a later call renews the intent first. If
    commits to Kafka take longer, no call is sent, so it must be well above `crml_commit_seconds`."""
    settle: Seconds = 360.0
    """Time after which an empty search permits a repeat: above `call_window` plus the lag of lists and signatures."""
    call_timeout: Seconds = 60.0
    """Timeout of a call that changes something; when it expires, the outcome counts as unknown."""
    read_timeout: Seconds = 30.0
    """Timeout of a Get or List call."""
    search_delays: Delays = (0.0, 5.0, 20.0, 60.0)
    """Delays before the searches for what a lost call may have made; the last one repeats."""
    accepted_search_limit: Seconds = 3600.0
    """A command is parked when what AWS has accepted can't be found for this time."""
    search_limit: Seconds = _DAY
    """A command is parked when, for this time, searches for its outcome fail or its job's status can't be read."""
    retention: Seconds = 7 * _DAY
    """How long ended commands are remembered, by the replica's time and Kafka's: a duplicate gets the stored reply."""
    retry_base: Seconds = 1.0
    """Delay before the first retry; doubles each time, with jitter."""
    retry_cap: Seconds = 300.0
    """Longest delay between retries."""
    read_retry_limit: Seconds = 900.0
    """How long a Get or List is retried before its command fails: the sum of the delays."""
    write_retry_limit: Seconds = _DAY
    """How long a call that changes something is retried before its command fails or is parked."""
    quota_retry: Seconds = 60.0
    """Shortest delay before a full quota is tried again; each 402 of AWS lengthens it, to 16 times at most."""

    @model_validator(mode="after")
    def _laws(self) -> Self:
        problems = []
        if self.settle <= self.call_window:
            problems.append(f"settle ({self.settle:g} s) must be longer than call_window ({self.call_window:g} s)")
        if self.retry_cap < self.retry_base:
            problems.append("retry_cap must not be below retry_base")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class PollInterval(SettingsGroup):
    """How often a resource is polled."""

    first: Seconds = 10.0
    """Interval at first."""
    later: Seconds = 60.0
    """Interval later."""
    after: Seconds = 300.0
    """Age of the resource at which the later interval begins."""


DEFAULT_PACES: Final = {
    "audience-model": PollInterval(first=60.0, later=300.0, after=600.0),
    "audience-generation-job": PollInterval(first=15.0, later=60.0, after=300.0),
    "audience-export-job": PollInterval(first=10.0, later=60.0, after=300.0),
}
"""By resource kind; a training takes up to a day, a generation or an export minutes."""


def _all_kinds(value: Any) -> Any:
    """Adds the kinds and members that were not given."""
    given = hyphenated(value)
    if not isinstance(given, dict):
        return given
    merged: dict[str, Any] = dict(DEFAULT_PACES)
    for kind, pace in given.items():
        known = DEFAULT_PACES.get(kind)
        merged[kind] = {**known.model_dump(), **pace} if known and isinstance(pace, dict) else pace
    return merged


class Polling(SettingsGroup):
    """How often AWS is polled."""

    tick: Seconds = 1.0
    """How often due polls are combined into requests."""
    kinds: Annotated[dict[str, PollInterval], BeforeValidator(_all_kinds), one_of(RESOURCES)] = DEFAULT_PACES
    """Interval by resource kind."""
    removal: PollInterval = PollInterval()
    """Interval while a resource is being deleted."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: dict[str, PollInterval]) -> dict[str, PollInterval]:
        unknown = sorted(set(value) - set(RESOURCES))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(RESOURCES))}")
        return value


class Rules(SettingsGroup):
    """Validation of a command's payload beyond AWS's own constraints."""

    assumed: bool = True
    """Whether to enforce rules that are an interpretation and that AWS does not document; violations and the reference
    call them assumed. Otherwise such a request is sent, and AWS decides: a job can start and then fail."""


class Runtime(SettingsGroup):
    """Limits of one partition, and the life cycle of the process."""

    inbox_limit: Count = 10_000
    """Commands and observations that may wait in one partition before its delivery is paused."""
    open_jobs_limit: Count = 2_000
    """Commands of one partition that may wait for AWS; more are rejected (`TooManyOpenCommands`), a source's before
    others'. Half as many may ask to wait (`notbefore`, `TrackResource`), or be callable before delivery is paused."""
    remembered_bytes: Annotated[Count, Field(ge=1_048_576)] = 64 * 1_048_576
    """Memory for the commands of one partition that have ended, in bytes. When it is full, the oldest reads and refused
    commands are forgotten before `timing.retention`, and changes are rejected (`TooManyEndedCommands`), a source's
    before others'."""
    max_batch: Count = 500
    """Inbox entries in one transaction, at most."""
    standby: bool = True
    """Whether a replica keeps copies of the others' partitions, for faster takeovers and the count of all slots."""
    stop_deadline: Seconds = 25.0
    """Time for an orderly stop; the remaining shards are closed dirty, which is safe. Below the pod's grace period."""
    heartbeat_limit: Seconds = 30.0
    """The liveness probe fails when the event loop or Kafka has been silent for so long."""


def _host(value: Any) -> Any:
    """Accepts an IPv6 address in brackets, as in a URL."""
    return value[1:-1] if isinstance(value, str) and value.startswith("[") and value.endswith("]") else value


Host = Annotated[str, Field(min_length=1, pattern=r"^[^\s\[\]/]+$"), BeforeValidator(_host)]
"""An address or name to listen on; not empty, which would mean every address."""


class Http(SettingsGroup):
    """The server of probes, metrics and the status page."""

    host: Host = "127.0.0.1"
    """Address to listen on; in containers `0.0.0.0` (all IPv4 addresses) or `::` (all IPv6 and IPv4 addresses)."""
    port: Port = 8080
    """Port to listen on; with 0 the system chooses one."""
    page_host: Host = "127.0.0.1"
    """Address of the status page if it has a port of its own; by default only the local machine can reach it."""
    page_port: Port | None = None
    """Separate port for the status page, so that scrapers do not see it; the port of the probes if not set."""


class Logging(SettingsGroup):
    """Logging."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""
    format: Literal["json", "console"] = "json"
    """`json` for log collectors, `console` for reading."""
