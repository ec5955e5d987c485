"""``python -m service reconcile``: compares the changelogs with AWS, and sends what is safe as commands."""

import time

from schemas.operations import Kind
from service import tenancy
from service.cli import console, output
from service.cli.console import EXIT_REFUSED, SettingsFile
from service.operator.access.kafka_acls import REPAIR
from service.operator.repair.aws_inventory import inventory
from service.operator.repair.changelog_snapshot import read_snapshot
from service.operator.repair.command_sender import Outgoing, build_command, sender, validation_error
from service.operator.repair.drift import Drift, Fix, compare, open_by_phase
from service.policy import policy
from service.settings import Settings
from service.topology import changelogs as consumed
from service.topology import kafka_settings


def reconcile(*, apply: bool = False, settings: SettingsFile = None) -> int:
    """Compare the changelogs with AWS, and print the differences; --apply sends the safe repairs.

    Two repairs are safe: to track a resource that carries a marker but is in no changelog, so that its status is
    published; and to adopt the only resource with a parked command's marker. The others are printed with the reason.
    The resources of another installation in the same account are unknown to this one, so they are tracked too.

    Args:
        apply: Send the safe repairs, as commands.
        settings: Settings file.
    """
    return console.run(settings, lambda loaded: _reconcile(loaded, apply=apply), REPAIR)


async def _reconcile(settings: Settings, *, apply: bool) -> int:
    ledger = await read_snapshot(kafka_settings(settings), consumed(settings))
    listed = await inventory(settings)
    differences = list(compare(ledger, listed, time.time(), policy(settings).settle))
    repairs = [(difference, *_prepared(settings, difference)) for difference in differences]
    for difference, outgoing, objected in repairs:
        verdict = "safe   " if outgoing else "not safe"
        reason = f" [{objected}]" if objected else ""
        console.print_line(f"{verdict} {difference.what}: {difference.subject}: {difference.text}{reason}")
    output.show_corrupt(ledger.corrupt)
    safe = [outgoing for _, outgoing, _ in repairs if outgoing]
    under_way = ", ".join(f"{number} {phase}" for phase, number in sorted(open_by_phase(ledger).items()))
    resources = sum(len(listing) for listing in listed.values() if not isinstance(listing, str))
    compared = f"{output.count(len(ledger.jobs), 'job')} ({under_way or 'none under way'})"
    console.print_line(
        f"compared {compared} with {output.count(resources, 'resource')}: "
        f"{output.count(len(differences), 'difference')}, {len(safe)} can be repaired safely"
    )
    if apply and safe:
        await _send(settings, safe)
    elif safe:
        console.print_line("Nothing was sent; --apply sends the safe ones.", "dim")
    return EXIT_REFUSED if len(safe) < len(differences) or ledger.corrupt else 0


def _prepared(settings: Settings, difference: Drift) -> tuple[Outgoing | None, str]:
    """The command of a safe repair, or why the service would not take it."""
    if difference.repair is None:
        return None, ""
    limits, objected = tenancy.limits(settings), ""
    for outgoing in _candidates(settings, difference.repair):
        objected = validation_error(outgoing, limits[outgoing.topic])
        if not objected:
            return outgoing, ""
    return None, f"the service would reject the command: {objected}"


def _candidates(settings: Settings, repair: Fix) -> list[Outgoing]:
    """The repair as a command of each tenant that may send it: a job's own, or any."""
    if repair.held is not None:
        key = repair.held.job.command.id
        return [build_command(repair.kind, *repair.held.topic_partition, repair.data, target=repair.target, key=key)]
    key = repair.data["resourceArn"] if repair.kind is Kind.TRACK else ""
    return [
        build_command(repair.kind, topic, None, repair.data, target=repair.target, key=key)
        for topic, _ in settings.sources()
    ]


async def _send(settings: Settings, safe: list[Outgoing]) -> None:
    async with sender(kafka_settings(settings)) as sending:
        for outgoing in safe:
            sent_to = await sending.send(outgoing)
            console.print_line(f"sent {outgoing.command_id} to {sent_to.topic}, partition {sent_to.partition}", "green")
