"""Settings of time: the durations on which correctness rests, and of retries."""

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from service.settings.base import Delays, Seconds, SettingsGroup

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
