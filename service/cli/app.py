"""The commands run, topics, check and iam; :mod:`service.cli.entry` has the list of all."""

import asyncio
import json
import signal
import sys
from typing import Annotated

import structlog
from cyclopts import Parameter
from rich.console import Console

from service import bootstrap, topology
from service.adapters.http import ListenError
from service.adapters.kafka.topics import ensure, verify
from service.adapters.telemetry import configure_logging
from service.cli import console
from service.cli.console import EXIT_DEFECT, EXIT_REFUSED, SettingsFile
from service.cli.entry import version
from service.operator.access import iam_policies as rights
from service.operator.diagnostics import checks as checking
from service.runtime.ports import LogError
from service.settings import Settings, load

Principal = Annotated[str, Parameter(help="ARN of the role that the service has by itself, its pod's.")]
DataRole = Annotated[
    list[str] | None,
    Parameter(help="ARN of a role that commands may name, if there are no tenants; may be repeated.", negative=()),
]


def run(*, settings: SettingsFile = None) -> int:
    """Serve: consume commands, call AWS, publish replies and events. SIGTERM stops in order."""
    loaded = load(settings)
    bootstrap.require_traces(loaded)
    configure_logging(loaded.log.level, loaded.log.format, topology.replica_name(loaded))
    return console.wait(_run(loaded))


def topics(*, settings: SettingsFile = None) -> int:
    """Create the topics that are missing, verify those that exist. May be repeated."""
    return console.run(settings, _topics)


def check(*, settings: SettingsFile = None) -> int:
    """Check Kafka, topics, permissions and AWS targets; changes nothing."""
    return console.run(settings, _check)


def iam(*, principal: Principal = rights.OWN_ROLE, data_role: DataRole = None, settings: SettingsFile = None) -> int:
    """Print the IAM policies and trust policies that these settings need, as JSON."""
    found = rights.documents(load(settings), principal, data_role or ())
    sys.stdout.write(json.dumps(found, indent=2) + "\n")
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
    service = bootstrap.build(settings, version())
    log.info(
        "starting",
        version=version(),
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
    bootstrap.require_traces(settings)
    topology.kafka_settings(settings)
    return 0 if checking.show(await checking.check(settings), Console()) else EXIT_REFUSED
