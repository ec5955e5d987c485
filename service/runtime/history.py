"""What this process has seen happen to commands, in all partitions: the latest steps, in bounded memory.

The changelog holds how a command stands, not how it came to that. Every replica reads each change once, as the owner
of a partition or into its copy, so it can keep the latest ones for who asks. Nothing depends on them.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from service.core.command_state import CommandState, is_long, state_of
from service.core.durations import Durations
from service.core.job import Job, Phase
from service.runtime.ports import Clock

COMMANDS: Final = 5_000
"""Commands of which steps are kept."""
STEPS: Final = 40
"""Steps that are kept of a command; a command that is retried for long has its first and its last ones."""


class SeenStep(msgspec.Struct, frozen=True, gc=False):
    """One step of a command.

    Attributes:
        at: Epoch seconds, by the clock of this process.
        state: The word for it.
        status: Of the resource.
        reason: Why it waits.
        attempt: Calls that may have left so far.
        error: Code of the error that it carries.
    """

    at: float
    state: CommandState
    status: str = ""
    reason: str = ""
    attempt: int = 0
    error: str = ""

    def differs(self, other: "SeenStep") -> bool:
        """Whether there is anything new in it."""
        return (self.state, self.status, self.reason, self.attempt, self.error) != (
            other.state,
            other.status,
            other.reason,
            other.attempt,
            other.error,
        )


class History:
    """The latest steps of the latest commands, and how long things took.

    Attributes:
        version: Grows with each change of any command or resource.
        durations: Of what has ended since this process began.
    """

    def __init__(self, clock: Clock) -> None:
        self.version = 0
        self.durations = Durations()
        self._clock = clock
        self._steps: OrderedDict[bytes, list[SeenStep]] = OrderedDict()
        self._waiting: set[asyncio.Event] = set()

    def changed(self, key: bytes, before: Job | None, after: Job | None) -> None:
        """A command's record was committed; None: it did not exist, or is forgotten."""
        self.moved()
        if after is None:
            self._steps.pop(key, None)
            return
        self._note(key, after)
        if before is not None and before.phase is Phase.RUNNING and after.phase is Phase.SUCCEEDED and is_long(after):
            self.durations.add(after.command.operation, max(0.0, after.since - before.since))

    def _note(self, key: bytes, job: Job) -> None:
        fault = job.fault.code if job.fault is not None else ""
        step = SeenStep(self._clock.wall(), state_of(job), job.status, job.reason, job.attempt, fault)
        steps = self._steps.setdefault(key, [])
        self._steps.move_to_end(key)
        if not steps or step.differs(steps[-1]):
            steps.append(step)
        if len(steps) > STEPS:
            del steps[STEPS // 2]
        while len(self._steps) > COMMANDS:
            self._steps.popitem(last=False)

    def steps(self, key: bytes) -> tuple[SeenStep, ...]:
        """What was seen of a command, in order."""
        return tuple(self._steps.get(key, ()))

    def moved(self) -> None:
        """Something has changed that a page may show."""
        self.version += 1
        for event in self._waiting:
            event.set()

    @contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """An event that is set at each change, for as long as the block lasts; its user clears it."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)
