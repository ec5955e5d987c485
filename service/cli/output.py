"""What an operator sees of jobs and changelogs."""

import json
from collections.abc import Iterable, Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.cloudevents import format_time
from schemas.operations import COMMANDS
from service.cli.console import print_line, printable
from service.core.job import marker
from service.operator.repair.changelog_snapshot import Corrupt, OwnedJob


def count(number: int, noun: str) -> str:
    """A number with its noun."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def as_json(held: OwnedJob) -> str:
    """A parked command as a line for other programs; never its members."""
    return json.dumps(
        {**described(held), "partition": held.topic_partition.partition, "topic": held.topic_partition.topic}
    )


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


def show_parked(parked: Iterable[OwnedJob]) -> None:
    """A block for each command: what is known, and what can be done."""
    for held in parked:
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
        print_line(title, "bold")
        Console().print(facts)


def show_corrupt(corrupt: Iterable[Corrupt]) -> None:
    """What can't be read of the changelogs."""
    for one in corrupt:
        key, (topic, partition) = one.key.decode(errors="backslashreplace"), one.topic_partition
        print_line(f"unreadable: {topic} partition {partition} offset {one.offset}, key {key}: {one.why}", "red")


def show_counts(counts: Mapping[str, int]) -> None:
    """Numbers, each with what was counted."""
    for what, number in sorted(counts.items()):
        print_line(f"{number:7}  {what}")
