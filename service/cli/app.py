"""The command line: ``python -m service run | topics | check``."""

import asyncio
import json
import signal
import sys
import tomllib
from importlib import metadata
from pathlib import Path
from typing import Annotated

import structlog
from cyclopts import App, Parameter
from rich.console import Console

from service import bootstrap, topology
from service.adapters.http import ListenError
from service.adapters.kafka.topics import ensure, verify
from service.adapters.telemetry import configure_logging
from service.cli import console
from service.cli.acls import print_acls
from service.cli.backfill import backfill
from service.cli.console import EXIT_DEFECT, EXIT_REFUSED, EXIT_USAGE, SettingsFile
from service.cli.dlq import app as dlq
from service.cli.offsets import app as offsets
from service.cli.parked import app as parked
from service.cli.reconcile import reconcile
from service.cli.skip_corrupt import skip_corrupt
from service.cli.usage import PROGRAM
from service.operator.access import iam_policies as rights
from service.operator.diagnostics import checks as checking
from service.runtime.ports import LogError
from service.settings import Settings, load

_NAME = "cleanroomsml-service"

_HELP = """Kafka in front of AWS Clean Rooms ML: commands in, status changes out;
exactly once on Kafka, effectively once towards AWS.

Settings come from CRML_... variables and from a YAML file; docs/settings.md lists them.
The least that runs: CRML_KAFKA__BOOTSTRAP_SERVERS and AWS_REGION."""

_CODES = (
    f"Exit codes: 0 success; {EXIT_USAGE} invalid settings or usage; "
    f"{EXIT_REFUSED} Kafka, AWS or a port cannot be used. All of them: docs/howto/operate.md."
)


def _version() -> str:
    """Of the package; of the source tree when it is not installed."""
    try:
        return metadata.version(_NAME)
    except metadata.PackageNotFoundError:
        project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
        return str(project["project"]["version"])


Principal = Annotated[str, Parameter(help="ARN of the role that the service has by itself, its pod's.")]


def run(*, settings: SettingsFile = None) -> int:
    """Serve: consume commands, call AWS, publish replies and events. SIGTERM stops in order."""
    loaded = load(settings)
    configure_logging(loaded.log.level, loaded.log.format)
    return console.wait(_run(loaded))


def topics(*, settings: SettingsFile = None) -> int:
    """Create the topics that are missing, verify those that exist. May be repeated."""
    return console.run(settings, _topics)


def check(*, settings: SettingsFile = None) -> int:
    """Check Kafka, topics, permissions and AWS targets; changes nothing."""
    return console.run(settings, _check)


def iam(*, principal: Principal = rights.OWN_ROLE, settings: SettingsFile = None) -> int:
    """Print the IAM policies and trust policies that these settings need, as JSON."""
    sys.stdout.write(json.dumps(rights.documents(load(settings), principal), indent=2) + "\n")
    return 0


async def _run(settings: Settings) -> int:
    log = structlog.get_logger("service")
    stop = asyncio.Event()
    _stop_on_signals(stop)
    try:
        findings = await verify(topology.kafka_settings(settings), topology.topic_specs(settings))
    except LogError as error:
        log.error("Kafka can't be used", reason=await checking.unusable(error, settings))
        return EXIT_REFUSED
    for finding in findings:
        log.error("topic misconfigured", topic=finding.topic, reason=checking.explained(finding))
    if findings:
        return EXIT_REFUSED
    service = bootstrap.build(settings)
    log.info(
        "starting",
        version=_version(),
        commands=[commands for commands, _ in settings.sources()],
        targets={name: target.region for name, target in settings.targets.items()},
        group=settings.kafka.group_id,
    )
    former = asyncio.create_task(_report_former_tenants(settings), name="former tenants")
    try:
        await service.run(stop)
    except ListenError as error:
        log.error("the port can't be used", reason=str(error))
        return EXIT_REFUSED
    except Exception as error:
        log.error("unexpected error", reason="; ".join(console.described(error)), exc_info=sys.flags.dev_mode)
        return EXIT_DEFECT
    finally:
        former.cancel()
    log.info("stopped")
    return 0


async def _report_former_tenants(settings: Settings) -> None:
    """Once, while serving: only this check finds what a removed tenant has left open."""
    log = structlog.get_logger("service")
    try:
        for line in await checking.former_tenants(settings):
            log.error("removed tenant has open commands", subject=line.subject, reason=line.message)
    except Exception as error:
        log.error("removed tenants can't be checked", reason=f"{type(error).__name__}: {error}")


def _stop_on_signals(stop: asyncio.Event) -> None:
    """The first signal stops in order; a second one cancels everything, which is as safe as a crash."""
    loop = asyncio.get_running_loop()
    main = asyncio.current_task()

    def received(name: str) -> None:
        if stop.is_set() and main is not None:
            main.cancel()
        structlog.get_logger("service").info("stopping", signal=name, again=stop.is_set())
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, received, number.name)


async def _topics(settings: Settings) -> int:
    kafka, specs = topology.kafka_settings(settings), topology.topic_specs(settings)
    created = await ensure(kafka, specs, replication=settings.kafka.replication_factor)
    wrong = {finding.topic: checking.explained(finding) for finding in await verify(kafka, specs)}
    for spec in specs:
        verdict = "created" if spec.name in created else "exists "
        console.print_line(
            f"{verdict}  {spec.name}" if spec.name not in wrong else f"wrong    {spec.name}  {wrong[spec.name]}"
        )
    return EXIT_REFUSED if wrong else 0


async def _check(settings: Settings) -> int:
    topology.kafka_settings(settings)
    return 0 if checking.show(await checking.check(settings), Console()) else EXIT_REFUSED


app = App(
    name=PROGRAM,
    help=_HELP,
    help_epilogue=_CODES,
    version=_version,
    print_error=False,  # `console.guarded` says what is wrong, in our form
    exit_on_error=False,
)
app.command(run, sort_key=1)
app.command(topics, sort_key=2)
app.command(check, sort_key=3)
app.command(dlq)
app.command(iam, sort_key=4)
app.command(parked)
app.command(reconcile, sort_key=6)
app.command(backfill, sort_key=7)
app.command(skip_corrupt, name="skip-corrupt", sort_key=8)
app.command(offsets)
app.command(print_acls, name="acls", sort_key=10)


def main() -> None:
    """Runs the command line."""
    sys.exit(console.guarded(app))
