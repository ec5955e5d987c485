"""The command line: ``python -m service run | topics | check``."""

import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import structlog
from cyclopts import App, Parameter
from rich.console import Console

from service import bootstrap
from service.adapters.kafka.topics import ensure, verify
from service.adapters.telemetry import configure_logging
from service.runtime.ports import LogError
from service.settings import Settings, SettingsError, load

app = App(name="service", help="Kafka in front of AWS Clean Rooms ML.", version_flags=[])

SettingsFile = Annotated[Path | None, Parameter(name="--settings", help="A YAML file; the environment wins over it.")]

EXIT_SETTINGS = 2
EXIT_UNFIT = 3


@app.command
def run(settings: SettingsFile = None) -> int:
    """Serve: consume commands, call AWS, publish what becomes of them."""
    loaded = load(settings)
    configure_logging(loaded.log.level, loaded.log.format)
    return _wait(_run(loaded))


@app.command
def topics(settings: SettingsFile = None) -> int:
    """Create the topics that are missing, and verify those that exist."""
    return _wait(_topics(load(settings)))


@app.command
def check(settings: SettingsFile = None) -> int:
    """Reach Kafka and AWS, verify topics, rights and settings, and say what to mend."""
    return _wait(_check(load(settings)))


def _wait(work: Coroutine[Any, Any, int]) -> int:
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return 130


async def _run(settings: Settings) -> int:
    log = structlog.get_logger("service")
    stop = asyncio.Event()
    _stop_on_signals(stop)
    try:
        findings = await verify(bootstrap.kafka_settings(settings), bootstrap.topic_specs(settings))
    except LogError as error:
        log.error("kafka can't be reached", error=str(error), servers=settings.kafka.bootstrap_servers)
        return EXIT_UNFIT
    for finding in findings:
        log.error(str(finding))
    if findings:
        return EXIT_UNFIT
    service = bootstrap.build(settings)
    log.info("serving", commands=settings.topics.commands, targets=sorted(settings.targets), port=settings.http.port)
    await service.run(stop)
    log.info("stopped")
    return 0


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
    console = Console()
    kafka, specs = bootstrap.kafka_settings(settings), bootstrap.topic_specs(settings)
    created = await ensure(kafka, specs, replication=settings.kafka.replication_factor)
    findings = await verify(kafka, specs)
    for spec in specs:
        console.print(f"{'created' if spec.name in created else 'exists '}  {spec.name}", highlight=False)
    for finding in findings:
        console.print(f"[red]wrong[/]    {finding}", highlight=False, soft_wrap=True)
    return EXIT_UNFIT if findings else 0


async def _check(settings: Settings) -> int:
    from service.check import check as look
    from service.check import show

    return 0 if show(await look(settings), Console()) else EXIT_UNFIT


def main() -> None:
    """Runs the command line; problems that the user can mend are told without a traceback."""
    try:
        sys.exit(app())
    except SettingsError as error:
        Console(stderr=True).print(str(error), style="red", highlight=False, soft_wrap=True)
        sys.exit(EXIT_SETTINGS)
    except LogError as error:
        Console(stderr=True).print(f"Kafka: {error}", style="red", highlight=False, soft_wrap=True)
        sys.exit(EXIT_UNFIT)


if __name__ == "__main__":
    main()
