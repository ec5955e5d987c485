"""Settings of the service's own conduct: time, polling, limits, HTTP, logging."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.operations import RESOURCES
from service.settings.base import Count, Delays, Port, Seconds, SettingsGroup, hyphenated, one_of

_DAY: Final = 86_400.0


class Timing(SettingsGroup):
    """The durations on which correctness rests, and a few others."""

    call_window: Annotated[Seconds, Field(ge=0.5)] = 2.0
    """A call leaves only within this time of its intent's commit; a later one renews the intent first. Commits to Kafka
    that take longer let no call leave, so it must be well above `crml_commit_seconds`."""
    settle: Seconds = 360.0
    """An empty search permits a repeat only after so long: above `call_window` plus the lag of lists and signatures."""
    call_timeout: Seconds = 60.0
    """Deadline of a call that changes something; once passed, the outcome counts as unknown."""
    read_timeout: Seconds = 30.0
    """Deadline of a Get or List call."""
    search_delays: Delays = (0.0, 5.0, 20.0, 60.0)
    """Waits before each search for what a lost call may have made; the last one repeats."""
    accepted_search_limit: Seconds = 3600.0
    """A person is asked when something AWS has accepted can't be found for so long."""
    search_limit: Seconds = _DAY
    """A person is asked when a lost call's outcome can't be searched for, or a job's status can't be read, so long."""
    retention: Seconds = 7 * _DAY
    """How long ended commands are remembered, by the replica's time and Kafka's: a duplicate gets the stored reply."""
    retry_base: Seconds = 1.0
    """Wait before the first retry; doubles each time, with jitter."""
    retry_cap: Seconds = 300.0
    """Longest wait between retries."""
    read_retry_limit: Seconds = 900.0
    """How long a Get or List is retried before its command fails: the sum of the waits between."""
    write_retry_limit: Seconds = _DAY
    """How long a call that changes something is retried before its command fails or is parked."""
    quota_retry: Seconds = 60.0
    """Shortest wait before a full quota is tried again unasked; each 402 of AWS lengthens it, to 16 times at most."""

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
    """How often a resource is looked at."""

    first: Seconds = 10.0
    """Interval while it is young."""
    later: Seconds = 60.0
    """Interval afterwards."""
    after: Seconds = 300.0
    """Age at which the later interval begins."""


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
    """How often AWS is asked how things stand."""

    tick: Seconds = 1.0
    """How often due watches are gathered into calls."""
    kinds: Annotated[dict[str, PollInterval], BeforeValidator(_all_kinds), one_of(RESOURCES)] = DEFAULT_PACES
    """Pace by resource kind."""
    removal: PollInterval = PollInterval()
    """Pace while something is being deleted."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: dict[str, PollInterval]) -> dict[str, PollInterval]:
        unknown = sorted(set(value) - set(RESOURCES))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(RESOURCES))}")
        return value


class Rules(SettingsGroup):
    """What a command's payload must satisfy beyond AWS's own constraints."""

    assumed: bool = True
    """Whether rules count that are our reading and that AWS does not state; violations and the pages of the commands
    call them assumed. If not, such a request is sent, and AWS judges it: a job may start and fail."""


class Runtime(SettingsGroup):
    """How much is done at once."""

    inbox_limit: Count = 10_000
    """Commands and observations waiting in one partition before its delivery is paused."""
    open_jobs_limit: Count = 2_000
    """Commands of one partition that may wait for AWS; more are rejected (`TooManyOpenCommands`), a source's before
    others'. Half as many may ask to wait (`notbefore`, `TrackResource`), or be callable before delivery is paused."""
    remembered_bytes: Annotated[Count, Field(ge=1_048_576)] = 64 * 1_048_576
    """Memory for the commands of one partition that have ended, in bytes. When it is full, the oldest reads and refused
    commands are forgotten before `timing.retention`, and changes are rejected (`TooManyEndedCommands`), a source's
    before others'."""
    max_batch: Count = 500
    """Inbox entries that one transaction may take."""
    standby: bool = True
    """Whether a replica keeps copies of what the others own: take-over without reading all, slots counted over all."""
    stop_deadline: Seconds = 25.0
    """Time to stop in order; what is left after it is closed dirty, which is safe. Below the pod's grace period."""
    heartbeat_limit: Seconds = 30.0
    """The liveness probe fails when the event loop has been late by more than this."""


def _host(value: Any) -> Any:
    """An IPv6 address may be written as in a URL, in brackets."""
    return value[1:-1] if isinstance(value, str) and value.startswith("[") and value.endswith("]") else value


Host = Annotated[str, Field(min_length=1, pattern=r"^[^\s\[\]/]+$"), BeforeValidator(_host)]
"""An address or name to listen on; empty would mean every address."""


class Http(SettingsGroup):
    """The server of probes, metrics and the status page."""

    host: Host = "127.0.0.1"
    """Address to listen on; `0.0.0.0` is every one of IPv4, `::` every one of IPv6 and IPv4, for containers."""
    port: Port = 8080
    """Port to listen on; 0 lets the system choose."""
    page_host: Host = "127.0.0.1"
    """Address of the status page when it has a port of its own: only this machine, or who forwards the port."""
    page_port: Port | None = None
    """Port of the status page alone, so that who may scrape does not see it; beside the probes if not set."""


class Logging(SettingsGroup):
    """What is logged, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity that is logged."""
    format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for people."""
