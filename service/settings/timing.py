"""Settings of time: the durations on which correctness rests, and of retries."""

from typing import Annotated, Any, Final, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.operations import ENDING
from service.settings.base import Delays, Seconds, SettingsGroup, hyphenated, one_of

_DAY: Final = 86_400.0
_RUNNING_LIMITS: Final = dict.fromkeys(ENDING, 7 * _DAY)


def _all_kinds(value: Any) -> Any:
    """Adds the kinds that were not given."""
    given = hyphenated(value)
    return {**_RUNNING_LIMITS, **given} if isinstance(given, dict) else given


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
    running_limit: Annotated[dict[str, Seconds], BeforeValidator(_all_kinds), one_of(ENDING)] = _RUNNING_LIMITS
    """By resource kind: how long a job or a deletion may run at AWS before its publisher gets one `waiting` notice
    with the reason `Overdue`, and an alert is raised; it ends nothing."""
    quota_retry: Seconds = 60.0
    """Shortest delay before a full quota is tried again; each 402 of AWS lengthens it, to 16 times at most."""

    @field_validator("running_limit")
    @classmethod
    def _known(cls, value: dict[str, float]) -> dict[str, float]:
        if unknown := sorted(set(value) - set(ENDING)):
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(ENDING)}")
        return value

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
