"""The command: downloads, plays, shows; says what to do when it fails."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from sandbox.console import python_command
from sandbox.datasets import movielens
from sandbox.demo import INTERRUPTED
from sandbox.demo.run import Demo, clear
from sandbox.demo.screen import Screen
from sandbox.demo.service import LOG, ServiceError, readable
from sandbox.demo.summary import DemoResult, show
from sandbox.demo.timeline import UnwantedError
from sandbox.jobs.storage import StorageError
from sandbox.stack import START_ERRORS, download, until_interrupted

FEWEST_LIKERS: Final = 50
_LOG_LINES: Final = 20
_SERVICE_ERRORS: Final = (ServiceError, UnwantedError)


def demo(film: str, output: Path, console: Console | None = None) -> int:
    """Run it all and show it; returns the exit code.

    Args:
        film: whose likers are the seed.
        output: folder for what is kept.
        console: where it is shown; standard output by default.
    """
    console = console or Console(highlight=False)
    try:
        download(lambda text: console.print(Text(text)))
        taste = movielens.seed_for(film)
    except KeyError as error:
        return _failed(console, [str(error.args[0])])
    except START_ERRORS as error:
        return _failed(console, [str(error), "Without the download there is no demo; it needs the network only once."])
    likers = len(taste.seed) + len(taste.hidden)
    if likers < FEWEST_LIKERS:
        return _failed(console, [f"Only {likers} people liked {taste.title}; the demo needs {FEWEST_LIKERS}."])
    clear(output)
    logging.basicConfig(handlers=[logging.NullHandler()])  # aiokafka's words for engineers; what fails is raised
    _introduce(console, taste)
    return asyncio.run(_watched(console, taste.title, output))


def _introduce(console: Console, taste: movielens.Taste) -> None:
    console.print()
    console.print(Text(f"Who else will like {taste.title}?", "bold"))
    console.print(
        f"MovieLens-100k: 943 people, 1,682 films, 100,000 ratings. {len(taste.seed)} people who\n"
        f"liked it are the seed; {len(taste.hidden)} others who did stay hidden: will they be found?"
    )
    console.print()


async def _watched(console: Console, film: str, output: Path) -> int:
    """Play it until it ends or is interrupted; returns the exit code."""
    screen = Screen(console)
    demo = Demo(screen, output, film)
    outcomes: list[DemoResult] = []

    async def play() -> None:
        with screen.shown():
            outcomes.append(await demo.play())

    try:
        interrupted = await until_interrupted(play())
    except (*START_ERRORS, StorageError, *_SERVICE_ERRORS) as error:
        demo.save()
        return _failed(console, [str(error), *_advice(error, output)])
    if interrupted:
        console.print(f"\nInterrupted; everything is stopped. What was read is in {output}.")
        demo.save()
        return INTERRUPTED
    return _finish(console, outcomes[0], output)


def _finish(console: Console, outcome: DemoResult, output: Path) -> int:
    show(console, outcome, output)
    if not outcome.calls.once:
        return _failed(console, ["Some command did not lead to exactly one call; that is a defect of the service."])
    console.print(f"All of it took {outcome.seconds:.0f} s, and everything is stopped again. To go on by yourself:")
    console.print("  make up      the same servers and the service, until Ctrl-C", style="bold")
    console.print()
    return 0


def _advice(error: Exception, output: Path) -> Sequence[str]:
    """The end of the service's log, and what to do."""
    log = output / LOG
    if not isinstance(error, _SERVICE_ERRORS) or not log.exists():
        return ["Nothing is left running. Try again; with too little memory or a taken port it fails the same way."]
    lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
    tail = [f"The last lines of the service's log:\n{readable(chr(10).join(lines))}"] if lines else []
    python = python_command()
    return [
        *tail,
        f"Everything is stopped. The whole log is {log}; the records that were read are beside it.",
        f"Try again; if it fails again, ask `{python} -m service check` beside `{python} -m sandbox up`.",
    ]


def _failed(console: Console, paragraphs: Sequence[str]) -> int:
    console.print()
    console.print(Text("The demo did not succeed.", "bold red"))
    for paragraph in paragraphs:
        console.print()
        console.print(Text(paragraph), soft_wrap=True)
    console.print()
    return 1
