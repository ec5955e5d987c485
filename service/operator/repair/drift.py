"""Differences between the changelog and AWS: which can be repaired safely by a command, and why the others can't."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from schemas.operations import MARKER_MEMBER, RESOURCES, Change, Kind, Repeat, Resolution, Resource
from service.core.command_state import moment
from service.core.job import Job, Phase, ended, known_row, marker, repeat, row, subject
from service.core.marker import carried, identify
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, OwnedJob

SETTLING_TIMES = 3
"""Number of settling times that a job may stay uncertain before it is reported."""

Summary = Mapping[str, Any]
Listing = Sequence[Summary] | str
"""What a complete List shows; as text, why there is none."""
Inventory = Mapping[tuple[str, str], Listing]
"""Listings by target and resource kind."""


class DriftKind(StrEnum):
    """Kinds of differences."""

    ORPHAN = "orphan"
    """AWS has a resource with our marker that no command and no event knows."""
    SURPLUS = "surplus"
    """AWS has a resource with the marker of a command that has made another one, or none."""
    GONE = "gone"
    """A job under way has lost its resource."""
    PARKED = "parked"
    """A command waits for a person."""
    UNCERTAIN = "uncertain"
    """A command's fate is open for too long."""
    UNLISTED = "unlisted"
    """AWS did not say what it has."""
    NO_TARGET = "no target"
    """An open job's target is not in these settings, so AWS can't be asked about it."""


@dataclass(frozen=True, slots=True)
class Fix:
    """A command that repairs a difference safely.

    Attributes:
        kind: Which of the service's own commands.
        data: Its members.
        target: Target's name.
        held: The job that it is about; None when any partition will do.
    """

    kind: Kind
    data: Mapping[str, str]
    target: str
    held: OwnedJob | None = None


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that an operator should know.

    Attributes:
        what: Its kind.
        subject: The command or resource.
        text: What was found, and what to do.
        repair: The safe repair; None when there is none.
    """

    what: DriftKind
    subject: str
    text: str
    repair: Fix | None = None


def compare(ledger: ChangelogSnapshot, inventory: Inventory, now: float, settle: float) -> Iterator[Drift]:
    """Every difference.

    Args:
        ledger: What the changelogs say.
        inventory: What AWS says, asked after the changelogs were read.
        now: Epoch seconds.
        settle: The policy's settling time.
    """
    for (target, kind), listing in inventory.items():
        if isinstance(listing, str):
            yield Drift(DriftKind.UNLISTED, f"{target}/{kind}", f"could not be listed and compared: {listing}")
    yield from _orphans(ledger, inventory)
    targets = {target for target, _ in inventory}
    for held in ledger.jobs:
        if known_row(held.job.command) is None:
            continue
        if not ended(held.job) and held.job.command.target not in targets:
            yield _without_target(held.job)
            continue
        if held.job.phase is Phase.PARKED:
            yield _parked(held, inventory)
        elif held.job.phase in (Phase.RUNNING, Phase.ACCEPTED):
            yield from _gone(held.job, inventory)
        elif held.job.phase is Phase.UNCERTAIN and now - held.job.since > SETTLING_TIMES * settle:
            yield Drift(
                DriftKind.UNCERTAIN,
                held.job.command.id,
                f"its fate is open for {(now - held.job.since) / 60:.0f} minutes and {held.job.searches} searches: they"
                " fail, or no replica serves its partition; search the log for its id",
            )


def _orphans(ledger: ChangelogSnapshot, inventory: Inventory) -> Iterator[Drift]:
    jobs = {marker(held.job.command): held.job for held in ledger.jobs}
    seen: set[str] = set()
    for (target, kind), listing in inventory.items():
        for summary in () if isinstance(listing, str) else listing:
            resource, token = RESOURCES[kind], carried(summary.get(MARKER_MEMBER))
            identity = identify(resource, summary)
            known = ledger.resources.get((kind, identity))
            status = str(summary.get("status", ""))
            if not token or identity in seen:
                continue
            if token in jobs:
                seen.add(identity)
                yield from _surplus(jobs[token], identity, f"{kind} {summary.get('name', '')!r}, target {target}")
                continue
            if known is not None and _published(resource, known.status, status):
                continue
            seen.add(identity)
            found = f"{kind} {summary.get('name', '')!r}, status {status or 'none'}, marker {token}, target {target}"
            if not resource.arn_type:
                yield Drift(
                    DriftKind.ORPHAN,
                    identity,
                    f"{found}: it has no ARN, so it can't be tracked",
                )
                continue
            if ledger.corrupt:
                yield Drift(DriftKind.ORPHAN, identity, f"{found}: a record that can't be read may be its command's")
                continue
            repair = Fix(Kind.TRACK, {"resourceArn": identity}, target)
            yield Drift(DriftKind.ORPHAN, identity, f"{found}: track it, so that its status is published", repair)


def _published(resource: Resource, published: str, listed: str) -> bool:
    """Whether the last event says what AWS lists; of a kind without a lifecycle only that it exists is published."""
    if not resource.arriving and published in (Change.CREATED, Change.UPDATED):
        return True
    return listed in (published, "")


def _surplus(job: Job, identity: str, found: str) -> Iterator[Drift]:
    if not ended(job) or job.phase is Phase.PARKED or job.resource_id == identity:
        return
    made = f"has made {job.resource_id}" if job.resource_id else "has made nothing"
    yield Drift(
        DriftKind.SURPLUS,
        identity,
        f"{found}: carries the marker of command {job.command.id}, which has ended as {job.phase} and {made}: it was"
        " created twice, the command was given up although AWS had performed it, or the description was copied;"
        " find out which one is used, and delete the others",
    )


def _without_target(job: Job) -> Drift:
    made = f", and what it has made, {job.resource_id}, goes on at AWS" if job.resource_id else ""
    return Drift(
        DriftKind.NO_TARGET,
        job.command.id,
        f"not compared: its target {job.command.target} is not in these settings. The service holds the job{made};"
        " put the target back until its jobs have ended",
    )


def _gone(job: Job, inventory: Inventory) -> Iterator[Drift]:
    resource = subject(job.command)
    listing = inventory.get((job.command.target, resource.kind))
    if listing is None or isinstance(listing, str):
        return
    if job.phase is Phase.ACCEPTED:
        there = bool(_matches(job, listing))
    else:
        there = any(identify(resource, summary) == job.resource_id for summary in listing)
    if not there:
        name = job.resource_id or f"what AWS accepted ({resource.kind})"
        yield Drift(
            DriftKind.GONE,
            job.command.id,
            f"{name} is not listed: the service polls again and reports it; no repair is needed while it runs",
        )


def _parked(held: OwnedJob, inventory: Inventory) -> Drift:
    job = held.job
    why = f"parked with {job.fault.code}" if job.fault else "parked"
    if repeat(job.command) is not Repeat.MARKED:
        text = f"{why}: {job.command.operation} leaves no marker to search for; check at AWS, and resolve it"
        return Drift(DriftKind.PARKED, job.command.id, text)
    resource = row(job.command).resource
    listing = inventory.get((job.command.target, resource.kind))
    if listing is None or isinstance(listing, str):
        return Drift(DriftKind.PARKED, job.command.id, f"{why}: AWS could not be asked what carries its marker")
    matches = _matches(job, listing)
    if len(matches) == 1:
        return _adoptable(held, identify(resource, matches[0]), why)
    if not matches:
        text = (
            f"{why}: no {resource.kind} carries its marker; AWS may list late, so only a person can say that it was not"
            " done: resolve it with --retry or --fail"
        )
        return Drift(DriftKind.PARKED, job.command.id, text)
    names = ", ".join(identify(resource, match) for match in matches)
    text = f"{why}: {len(matches)} resources carry its marker ({names}); choose with --adopt, and delete the others"
    return Drift(DriftKind.PARKED, job.command.id, text)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A resource that a parked command may have made or changed, as AWS lists it now.

    Attributes:
        identity: Its ARN; a stable id of what has none.
        name: Its name.
        status: Its status; empty for what has none.
        created: When AWS made it; None if AWS does not say.
    """

    identity: str
    name: str
    status: str
    created: datetime | None


def listings_wanted(jobs: Iterable[Job], targets: Collection[str]) -> set[tuple[str, str]]:
    """Target and kind of the resources that these jobs are about, as far as AWS can list them."""
    found = set()
    for job in jobs:
        if known_row(job.command) is not None and job.command.target in targets:
            resource = subject(job.command)
            if resource.list_operation:
                found.add((job.command.target, resource.kind))
    return found


def candidates(job: Job, inventory: Inventory) -> list[Candidate] | str:
    """Resources that carry a command's marker, or that it is about, oldest first; as text, why they are unknown."""
    if known_row(job.command) is None:
        return f"this release does not know {job.command.operation}"
    resource = subject(job.command)
    listing = inventory.get((job.command.target, resource.kind))
    if listing is None and job.command.target not in {target for target, _ in inventory}:
        return f"target {job.command.target} is not in these settings, or has nothing to list"
    if listing is None:
        return f"AWS has no list of {resource.kind}"
    if isinstance(listing, str):
        return f"AWS could not be asked: {listing}"
    own = {job.resource_id, str(job.command.params.get(resource.identity, ""))} - {""} if resource.identity else set()
    token = marker(job.command) if repeat(job.command) is Repeat.MARKED else ""
    found = [
        Candidate(identity, str(each.get("name", "")), str(each.get("status", "")), moment(each.get("createTime")))
        for each in listing
        if (identity := identify(resource, each)) in own or (token and carried(each.get(MARKER_MEMBER)) == token)
    ]
    return sorted(found, key=lambda each: (each.created is None, str(each.created), each.identity))


def _adoptable(held: OwnedJob, identity: str, why: str) -> Drift:
    command = held.job.command
    data = {"commandId": command.id, "commandSource": command.source, "resolution": Resolution.ADOPT.value}
    if row(command).resource.identity:
        data["resourceArn"] = identity
    repair = Fix(Kind.RESOLVE, data, command.target, held)
    return Drift(DriftKind.PARKED, command.id, f"{why}: only {identity} carries its marker: adopt it", repair)


def _matches(job: Job, listing: Sequence[Summary]) -> list[Summary]:
    token = marker(job.command)
    return [summary for summary in listing if carried(summary.get(MARKER_MEMBER)) == token]


def open_by_phase(ledger: ChangelogSnapshot) -> dict[str, int]:
    """How many jobs of each phase have not ended, for the summary."""
    counts: dict[str, int] = defaultdict(int)
    for held in ledger.jobs:
        if not ended(held.job):
            counts[held.job.phase.value] += 1
    return dict(counts)
