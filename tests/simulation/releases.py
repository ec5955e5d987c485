"""Releases that know less: each simulated process sees the tables of its own release.

An older one lacks rows of the operations table, a resource kind, or a word for a status. While :func:`patched`, the
tables in the modules of the service answer by the process on whose behalf they are asked.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

from schemas import operations
from schemas.operations import AUDIENCE_MODEL, COMMANDS, EXPORT_JOB, GENERATION_JOB, RESOURCES, Kind, Resource
from schemas.records import Job
from service.core.job import ended, subject
from tests.simulation.day import Day, action
from tests.simulation.families import Family
from tests.simulation.processes import roll_out
from tests.simulation.publishers import create, track
from tests.support.loop import OWNER

_TABLES: Final = ("COMMANDS", "OPERATIONS", "RESOURCES", "_BY_ARN", "_OPERATIONS")
_OURS: Final = ("schemas.", "service.core.", "service.runtime.")


@dataclass(frozen=True)
class Release:
    """The tables of one release, by the names that they have in the modules."""

    tables: Mapping[str, Any]

    @property
    def unknown(self) -> set[tuple[str, str]]:
        """Kinds, and statuses of them, that it does not know."""
        known: Mapping[str, Resource] = self.tables["RESOURCES"]
        return {
            (kind, status)
            for kind, row in RESOURCES.items()
            for status in (*row.arriving, *row.done, *row.failed, *row.leaving, *row.undeleted)
            if kind in known and known[kind].rank(status) is None
        }


def release(lacking: frozenset[str] = frozenset(), kind: str = "", changed: Resource | None = None) -> Release:
    """One without some operations, without a resource kind, or with another row for a kind."""

    def own(resource: Resource) -> Resource:
        return changed if changed is not None and changed.kind == resource.kind else resource

    commands = {
        name: replace(row, resource=own(row.resource))
        for name, row in COMMANDS.items()
        if name not in lacking and row.resource.kind != kind
    }
    resources = {name: own(resource) for name, resource in RESOURCES.items() if name != kind}
    known = {name: row for name, row in commands.items() if name in operations.OPERATIONS}
    by_arn = {resource.arn_type: resource for resource in resources.values() if resource.arn_type}
    return Release(
        {
            "COMMANDS": commands,
            "OPERATIONS": known,
            "RESOURCES": resources,
            "_BY_ARN": by_arn,
            "_OPERATIONS": tuple(known.values()),
        }
    )


NEWEST: Final = release()
_DISPENSABLE: Final = sorted(name for name, row in COMMANDS.items() if row.kind is not Kind.READ)
"""Operations that the row of no resource names."""


def older(random: Random) -> Release:
    """One that lacks something."""
    what = random.choice(("operations", "kind", "status"))
    if what == "operations":
        return release(frozenset(random.sample(_DISPENSABLE, random.choice((1, 3, 8)))))
    if what == "kind":
        return release(kind=random.choice((AUDIENCE_MODEL, GENERATION_JOB, EXPORT_JOB)).kind)
    resource = random.choice((AUDIENCE_MODEL, GENERATION_JOB))
    member = random.choice(("arriving", "done", "failed", "leaving", "undeleted"))
    words = getattr(resource, member)
    less: dict[str, Any] = {member: words[1:] if isinstance(words, tuple) else frozenset()}
    return release(changed=replace(resource, **less))


class _Known(Mapping[str, Any]):
    """A table as the process knows it that asks."""

    def __init__(self, name: str, running: Mapping[str, Release]) -> None:
        self._name, self._running = name, running

    def _now(self) -> Any:
        return self._running.get(OWNER.get(), NEWEST).tables[self._name]

    def __getitem__(self, key: str) -> Any:
        return self._now()[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._now())

    def __len__(self) -> int:
        return len(self._now())


@contextmanager
def patched(running: Mapping[str, Release]) -> Iterator[None]:
    """Within, each process knows what its release does; the newest one where none is named."""
    before: list[tuple[Any, str, Any]] = []
    try:
        for table in _TABLES:
            known, whole = _Known(table, running), getattr(operations, table)
            for name, module in list(sys.modules.items()):
                ours = name.startswith(_OURS) and not name.startswith("schemas.testing")
                if ours and getattr(module, table, None) is whole:
                    before.append((module, table, whole))
                    setattr(module, table, known)
        yield
    finally:
        for module, table, whole in before:
            setattr(module, table, whole)


def _unknowing(random: Random, job: Job) -> Release:
    """One that does not know the operation of a job, the kind that it is about, or the end of that kind."""
    resource, draw = subject(job.command), random.random()
    if job.command.operation in _DISPENSABLE and draw < 0.4:
        return release(frozenset({job.command.operation}))
    if resource.done and draw < 0.7:
        return release(changed=replace(resource, done=frozenset()))
    return release(kind=resource.kind)


@action(8, Family.RELEASES)
async def roll_release(day: Day) -> None:
    """Processes are replaced by those of an older release, or of the newest one again."""
    if day.release is not None and day.random.random() < 0.6:
        day.release = None
    elif day.random.random() < 0.5:
        day.release = older(day.random)
    else:
        await (track if day.random.random() < 0.5 else create)(day)
        await asyncio.sleep(day.random.uniform(0.5, 3.0))
        known = [job for job in day.monitor.jobs().values() if not ended(job) and job.command.operation in COMMANDS]
        day.release = _unknowing(day.random, day.random.choice(known)) if known else older(day.random)
    await roll_out(day)
    await asyncio.sleep(day.random.choice((0.0, 0.0, 60.0)))  # jobs end while it runs, too
