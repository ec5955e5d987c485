"""``python -m service parked``: commands that wait for an operator, and the operator's decision."""

import sys
from collections.abc import Sequence
from typing import Annotated, Final

from cyclopts import Parameter

from schemas.events import ReplyKind
from schemas.operations import COMMANDS, RESOURCES, Kind, Resolution
from schemas.records import Phase
from service import tenancy
from service.adapters.kafka.topic_reader import reader
from service.cli import console, output
from service.cli.console import EXIT_MISSING, EXIT_REFUSED, EXIT_USAGE, CommandId, SettingsFile
from service.core.job import marker, row
from service.core.marker import stable_id
from service.core.observations import Resolved
from service.core.resolution import obstacle
from service.operator.access.kafka_acls import REPAIR
from service.operator.repair.aws_inventory import adoption_problem, inventory
from service.operator.repair.changelog_snapshot import OwnedJob, read_snapshot
from service.operator.repair.command_sender import Outgoing, build_command, sender, validation_error, wait_terminal
from service.operator.repair.drift import candidates, listings_wanted
from service.settings import Settings
from service.topology import kafka_settings

REPLY_TIMEOUT: Final = 60.0

app = console.group("parked", "List commands that wait for an operator, and resolve them.", sort_key=5)


@app.command(name="list", sort_key=1)
def list_(*, json: bool = False, settings: SettingsFile = None) -> int:
    """List the parked commands: what they are, since when, why, what AWS lists for each, and how to decide.

    Args:
        json: One JSON object per line, for other programs.
        settings: Settings file.
    """
    return console.run(settings, lambda loaded: _list(loaded, as_json=json), REPAIR)


@app.command(sort_key=2)
def resolve(
    command_id: CommandId,
    /,
    *,
    source: str | None = None,
    adopt: Annotated[
        str | None,
        Parameter(help="It was done: the ARN of what it made (or -, if it has none).", allow_leading_hyphen=True),
    ] = None,
    retry: Annotated[bool, Parameter(help="It was not done: call once more, regardless of its deadline.")] = False,
    fail: Annotated[
        bool, Parameter(help="Give up: what AWS may have made stays, is billed, and is not polled.")
    ] = False,
    unchecked: Annotated[
        bool, Parameter(help="Adopt although AWS does not confirm that it carries the marker.")
    ] = False,
    wait: Annotated[bool, Parameter(help="Wait for the service's answer, up to a minute.")] = False,
    settings: SettingsFile = None,
) -> int:
    """Decide about a parked command, and send the decision at once: it is not only printed, and can't be taken back.

    The decision is a command itself: durable, answered and audited. Only --retry can make a second resource: check
    at AWS first (`parked list` names what AWS lists with the command's marker).

    Args:
        command_id: The parked command's id.
        source: Its source; needed if several sources use the id.
        adopt: See --help.
        retry: See --help.
        fail: See --help.
        unchecked: See --help.
        wait: See --help.
        settings: Settings file.
    """
    decisions = [
        *([Resolved(Resolution.ADOPT, "" if adopt == "-" else adopt)] if adopt is not None else []),
        *([Resolved(Resolution.RETRY)] if retry else []),
        *([Resolved(Resolution.FAIL)] if fail else []),
    ]
    if len(decisions) != 1:
        console.print_error("choose one of --adopt ARN, --retry and --fail")
        return EXIT_USAGE
    decision = decisions[0]
    return console.run(
        settings, lambda loaded: _resolve(loaded, command_id, source, decision, unchecked=unchecked, wait=wait), REPAIR
    )


async def _list(settings: Settings, *, as_json: bool) -> int:
    ledger = await read_snapshot(kafka_settings(settings), dict(settings.sources()))
    parked = ledger.parked()
    listed = await inventory(settings, listings_wanted((held.job for held in parked), settings.targets))
    found = [(held, candidates(held.job, listed)) for held in parked]
    if as_json:
        sys.stdout.writelines(f"{output.as_json(held, known)}\n" for held, known in found)
    else:
        output.show_parked(found)
        output.show_corrupt(ledger.corrupt)
        counted = f"{output.count(len(parked), 'command')} parked" if parked else "no command is parked"
        console.print_line(counted, "" if parked else "green")
    return EXIT_REFUSED if ledger.corrupt else 0


async def _resolve(
    settings: Settings, command_id: str, source: str | None, decision: Resolved, *, unchecked: bool, wait: bool
) -> int:
    ledger = await read_snapshot(kafka_settings(settings), dict(settings.sources()))
    found = ledger.find(command_id, source)
    held = _only(found, command_id)
    if held is None:
        return EXIT_USAGE if found else EXIT_MISSING
    decision = _as_meant(held, decision)
    if fault := obstacle(held.job, decision):
        console.print_error(f"{fault.code}: {fault.message}")
        return EXIT_REFUSED
    if (
        decision.resource_id
        and not unchecked
        and (why := await adoption_problem(settings, held.job, decision.resource_id))
    ):
        console.print_error(
            f"{why}; nothing was sent. If it is what the command has made all the same, add --unchecked"
        )
        return EXIT_REFUSED
    outgoing = resolving(held, decision)
    if why := validation_error(outgoing, tenancy.limits(settings)[held.topic_partition.topic]):
        console.print_error(f"the service would reject it: {why}")
        return EXIT_REFUSED
    return await send_one(settings, outgoing, wait=wait)


def resolving(held: OwnedJob, decision: Resolved) -> Outgoing:
    """The command that carries a decision."""
    command = held.job.command
    data = {"commandId": command.id, "commandSource": command.source, "resolution": decision.resolution.value}
    if decision.resource_id:
        data["resourceArn"] = decision.resource_id
    return build_command(Kind.RESOLVE, *held.topic_partition, data, target=command.target, key=command.id)


def _only(found: Sequence[OwnedJob], command_id: str) -> OwnedJob | None:
    parked = [held for held in found if held.job.phase is Phase.PARKED] or list(found)
    if len(parked) == 1:
        return parked[0]
    if not found:
        console.print_error(
            f"no command {command_id} is known: see `parked list`; what ended is forgotten after a while"
        )
    else:
        names = ", ".join(f"{held.job.command.source} on {held.topic_partition.topic}" for held in parked)
        console.print_error(f"{len(parked)} commands are called {command_id}: choose one with --source ({names})")
    return None


def _as_meant(held: OwnedJob, decision: Resolved) -> Resolved:
    """What has no ARN may be named by its stable id, which says nothing that the marker does not."""
    command = held.job.command
    if command.operation in COMMANDS and row(command).creates:
        resource = RESOURCES[row(command).resource.kind]
        if not resource.identity and decision.resource_id == stable_id(resource, marker(command)):
            return Resolved(decision.resolution)
    return decision


async def send_one(settings: Settings, outgoing: Outgoing, *, wait: bool) -> int:
    """Sends a decision; with ``wait``, prints the service's answer."""
    kafka = kafka_settings(settings)
    topics = {each.commands: each for each in settings.tenant_topics().values()}
    replies = topics[outgoing.topic].replies
    async with reader(kafka, "repair") as source, sender(kafka) as sending:
        before = await source.ranges([replies])
        sent_to = await sending.send(outgoing)
        console.print_line(f"sent {outgoing.command_id} to {sent_to.topic}, partition {sent_to.partition}")
        if not wait:
            console.print_line(f"its reply will be published to {replies}; --wait waits for it", "dim")
            return 0
        kind, data = await wait_terminal(source, replies, before, outgoing, REPLY_TIMEOUT)
    if kind is ReplyKind.SUCCEEDED:
        console.print_line(f"resolved: the command is now {data['result']['phase']}", "green")
        return 0
    error = data.get("error") or {}
    console.print_error(f"{kind}: {error.get('code')}: {error.get('message')}")
    return EXIT_REFUSED
