"""What outlives the simulation's processes: the changelog with what each commit published."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from schemas.operations import Change
from schemas.records import Job, ResourceState, decode, encode, job_key
from service.core.effects import CommandReply, Event, StatusChange

TERMINAL_REPLIES: Final = frozenset({"succeeded", "failed", "rejected", "parked"})


@dataclass(slots=True)
class Log:
    """The changelog with the replies and events of each commit; it refuses whoever was fenced."""

    epoch: int = 0
    records: dict[bytes, bytes] = field(default_factory=dict)
    replies: dict[bytes, list[str]] = field(default_factory=dict)
    published: dict[str, list[ResourceState]] = field(default_factory=dict)

    def append(self, epoch: int, job: Job, told: list[str], states: list[ResourceState]) -> bool:
        if epoch != self.epoch:
            return False
        key = job_key(job.command.source, job.command.id)
        self.records[key] = encode(job)
        self.replies.setdefault(key, []).extend(told)
        for state in states:
            self.published.setdefault(state.id, []).append(state)
        return True

    def restore(self) -> dict[bytes, Job]:
        jobs = {key: decode(record) for key, record in self.records.items()}
        return {key: job for key, job in jobs.items() if isinstance(job, Job)}


def gap_free(states: list[ResourceState]) -> bool:
    """True when a resource's events count from 1 and none but an update repeats its predecessor."""
    numbered = [state.sequence for state in states] == list(range(1, len(states) + 1))
    return numbered and all(one.status != two.status or two.status == Change.UPDATED for one, two in pairwise(states))


def split(events: tuple[Event, ...]) -> tuple[list[str], list[StatusChange]]:
    """Reply kinds, and changes to be numbered."""
    replies = [event.kind for event in events if isinstance(event, CommandReply)]
    return replies, [event for event in events if isinstance(event, StatusChange)]
