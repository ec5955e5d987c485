"""What all commands share: the settings option, how a command runs and ends, and what is safe to print.

A command ends with an exit code of the table in docs/howto/operate.md; a failure prints a line, and no traceback.
"""

import asyncio
import io
import logging
import os
import sys
import unicodedata
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any, Final

from cyclopts import App, Parameter
from cyclopts.exceptions import CycloptsError
from rich.console import Console
from rich.text import Text

from service.adapters.telemetry import configure_logging
from service.cli.usage import CODES, PLAIN, usage
from service.operator.diagnostics import checks
from service.runtime.errors import location
from service.runtime.ports import LogError
from service.settings import Settings, SettingsError, load

EXIT_MISSING: Final = 1
EXIT_USAGE: Final = 2
EXIT_REFUSED: Final = 3
EXIT_DEFECT: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141

SettingsFile = Annotated[
    Path | None,
    Parameter(name="--settings", help="YAML file; environment variables win over it. Default: $CRML_SETTINGS."),
]

CommandId = Annotated[str, Parameter(name="COMMAND-ID")]
"""One spelling of it in all helps and pages."""

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories of what is not seen, or changes how the rest is seen."""


def group(name: str, purpose: str, sort_key: int) -> App:
    """A command with commands of its own."""
    return App(
        name=name, help=purpose, help_epilogue=CODES, version_flags=[], sort_key=sort_key, default_parameter=PLAIN
    )


def run(file: Path | None, work: Callable[[Settings], Coroutine[Any, Any, int]], component: str = "service") -> int:
    """Runs a command for people; what it prints says it all, so the libraries' logs are silent.

    Args:
        file: Where settings are.
        work: The command.
        component: As which component it connects: whose rights are missing, if Kafka refuses.

    Returns:
        The exit code.

    Raises:
        SettingsError: The settings are invalid.
    """
    settings = load(file)
    configure_logging()
    logging.disable(logging.CRITICAL)
    return wait(_explained(settings, work, component))


def wait(work: Coroutine[Any, Any, int]) -> int:
    """Runs to the end, in an event loop of its own; the exit code."""
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


async def _explained(settings: Settings, work: Callable[[Settings], Coroutine[Any, Any, int]], component: str) -> int:
    try:
        return await work(settings)
    except LogError as error:
        reason = await checks.unusable(error, settings, component)
        print_error("; ".join([f"Kafka: {reason}", *getattr(error, "__notes__", ())]))
        return EXIT_REFUSED


def guarded(command: Callable[[], Any]) -> int:
    """Runs a command to its end; under ``python -X dev`` an error that was not foreseen keeps its traceback.

    Returns:
        The exit code.
    """
    _open_closed_streams()
    try:
        return _finished(command)
    except CycloptsError as error:
        print_error(usage(error))
        return EXIT_USAGE
    except SettingsError as error:
        print_error(str(error), keep="\n")
        return EXIT_USAGE
    except (KeyboardInterrupt, asyncio.CancelledError):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _abandon_output()
    except UnicodeEncodeError as error:
        if sys.flags.dev_mode:
            raise
        print_error(f"found a character that is not UTF-8 (position {error.start}); give arguments and files in UTF-8")
        return EXIT_USAGE
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        print_error(f"unexpected error: {'; '.join(described(error))}")
        return EXIT_DEFECT


def described(error: BaseException) -> Iterator[str]:
    """What broke and where, without messages that could quote a record; what the system says of a file is shown."""
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from described(each)
    elif isinstance(error, OSError):
        yield f"{error} ({location(error)})"
    else:
        yield f"{location(error)}; this is a defect of the service, please report it"


def printable(content: bytes | str | None, *, keep: str = "") -> str:
    """Content as text, with what is not UTF-8 and what a terminal would obey written as escapes.

    Args:
        content: The content.
        keep: Characters that are left as they are.
    """
    text = content.decode("utf-8", "backslashreplace") if isinstance(content, bytes) else content or ""
    return "".join(
        _escaped(each) if unicodedata.category(each) in _HIDDEN and each not in keep else each for each in text
    )


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode()


def print_line(text: str, style: str = "") -> None:
    """Prints a line: what comes from outside is no markup, and a line stays a line."""
    Console().print(Text(printable(text), style=style), soft_wrap=True)


def print_error(text: str, *, keep: str = "") -> None:
    """Prints a line on stderr."""
    try:
        Console(stderr=True).print(Text(printable(text, keep=keep), style="red"), soft_wrap=True)
    except (OSError, SystemExit):
        return  # stderr is closed; the exit code remains


def _finished(command: Callable[[], Any]) -> int:
    """The command's own exit code, once its output has left."""
    try:
        code = command()
        sys.stdout.flush()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # as rich ends when its reader has gone
            return _abandon_output()
        code = ended.code
    return code if isinstance(code, int) else 0


def _abandon_output() -> int:
    """The reader of our output has gone, as of ``| head``: what is still buffered must not fail at exit."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    return EXIT_PIPE


def _open_closed_streams() -> None:
    """Python has no stream at all for a descriptor that the shell has closed (``>&-``).

    What a terminal's encoding has no character for is written as an escape.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the process's life
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
