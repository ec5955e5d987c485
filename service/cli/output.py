"""What an operator sees of jobs and changelogs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.cloudevents import format_time
from schemas.operations import COMMANDS
from service.cli.console import print_line, printable
from service.core.command_state import remedies
from service.core.job import marker
from service.operator.repair.changelog_snapshot import Corrupt, OwnedJob
from service.operator.repair.drift import Candidate


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


Found = Sequence[Candidate] | str
"""What a parked command may have made; as text, why that is unknown."""


def as_json(held: OwnedJob, found: Found) -> str:
    """A parked command as a line for other programs; never its members."""
    known = () if isinstance(found, str) else found
    return json.dumps(
        {
            **described(held),
            "partition": held.topic_partition.partition,
            "topic": held.topic_partition.topic,
            "candidates": [
                {
                    "resource": each.identity,
                    "name": each.name,
                    "status": each.status,
                    "created_at": format_time(each.created.timestamp()) if each.created else None,
                }
                for each in known
            ],
            "candidates_unknown": found if isinstance(found, str) else "",
            "decisions": _decisions(held, found),
        }
    )


def _decisions(held: OwnedJob, found: Found) -> list[str]:
    known = () if isinstance(found, str) else found
    return list(remedies(held.job, [each.identity for each in known]))


def described(held: OwnedJob) -> dict[str, str]:
    """A parked command in words."""
    job, command = held.job, held.job.command
    fault, operation = job.fault, COMMANDS.get(command.operation)
    return {
        "command_id": command.id,
        "source": command.source,
        "operation": command.asked or command.operation,
        "target": command.target,
        "correlation_id": command.correlation_id,
        "marker": marker(command) if operation is not None and operation.creates else "",
        "since": format_time(job.finished_at),
        "fault": f"{fault.code}: {fault.message}" if fault else "",
        "searched": str((job.reply or {}).get("searched", "")),
    }


def show_parked(parked: Iterable[tuple[OwnedJob, Found]]) -> None:
    """A block for each command: what is known, what it may have made, and what can be done."""
    for held, found in parked:
        facts = Table(box=None, pad_edge=False, show_header=False)
        facts.add_column(style="bold", no_wrap=True)
        facts.add_column(overflow="fold")
        shown = described(held)
        title = shown.pop("command_id")
        for name, text in shown.items():
            facts.add_row(f"  {name}", Text(printable(text) or "-"))
        facts.add_row(
            "  place", Text(printable(f"{held.topic_partition.topic}, partition {held.topic_partition.partition}"))
        )
        for text in _candidate_lines(found):
            facts.add_row("  candidate", Text(printable(text)))
        print_line(title, "bold")
        Console().print(facts)
        for line in _decisions(held, found):
            print_line(f"  {line}", "dim")


def _candidate_lines(found: Found) -> list[str]:
    if isinstance(found, str):
        return [f"unknown: {found}"]
    return [" ".join((each.identity, *_facts_of(each))) for each in found] or [
        "none: AWS lists no resource with its marker"
    ]


def _facts_of(candidate: Candidate) -> Iterator[str]:
    yield f"{candidate.name!r}"
    if candidate.status:
        yield candidate.status
    if candidate.created:
        yield f"created {format_time(candidate.created.timestamp())}"


def show_corrupt(corrupt: Iterable[Corrupt]) -> None:
    """What can't be read of the changelogs."""
    for one in corrupt:
        key, (topic, partition) = one.key.decode(errors="backslashreplace"), one.topic_partition
        print_line(f"unreadable: {topic} partition {partition} offset {one.offset}, key {key}: {one.why}", "red")


def show_counts(counts: Mapping[str, int]) -> None:
    """Numbers, each with what was counted."""
    for what, number in sorted(counts.items()):
        print_line(f"{number:7}  {what}")
