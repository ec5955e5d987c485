"""How every command ends: a line for a person and an exit code of the table in docs/howto/operate.md, no traceback."""

import asyncio
import difflib
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from cyclopts import App
from cyclopts.argument import Argument
from cyclopts.exceptions import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    RepeatArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)
from rich.console import Console

from service.runtime.errors import location
from service.settings import SettingsError

PROGRAM: Final = "python -m service"
EXIT_SETTINGS: Final = 2
EXIT_UNFIT: Final = 3
EXIT_DEFECT: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141

_KINDS: Final[Mapping[Any, str]] = {int: "a whole number", float: "a number", Path: "a path", bool: "yes or no"}
"""What a value of a type is called."""


def guarded(command: Callable[[], Any]) -> int:
    """Runs a command to its end; under ``python -X dev`` an error that was not foreseen keeps its traceback.

    Returns:
        The exit code.
    """
    _open_closed_streams()
    try:
        return _finished(command)
    except CycloptsError as error:
        complain(usage(error))
        return EXIT_SETTINGS
    except SettingsError as error:
        complain(str(error))
        return EXIT_SETTINGS
    except (KeyboardInterrupt, asyncio.CancelledError):
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return _abandon_output()
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        complain(f"unexpected error: {'; '.join(described(error))}")
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


def complain(text: str) -> None:
    """A line on stderr: what comes from outside is no markup, and a line stays a line."""
    try:
        Console(stderr=True).print(text, style="red", markup=False, highlight=False, soft_wrap=True)
    except (OSError, SystemExit):
        return  # nobody reads stderr; the exit code remains


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
    """Python has no stream at all for a descriptor that the shell has closed (``>&-``)."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the process's life


def usage(error: CycloptsError) -> str:
    """What is wrong with a command line: what was found, what was expected, and where to look next."""
    chain = " ".join(error.command_chain or ())
    return f"{PROGRAM} {chain}".rstrip() + f": {_fault(error)}. See {PROGRAM} {chain}".rstrip() + " --help."


def _fault(error: CycloptsError) -> str:
    match error:
        case UnknownCommandError():
            return _unknown("command", (error.unused_tokens or [""])[0], _commands(error.app))
        case UnknownOptionError():
            options = [name for each in error.argument_collection for name in each.names]
            return _unknown("option", error.token.keyword or error.token.value, [*options, "--help"])
        case UnusedCliTokensError():
            return f"found {' '.join(error.unused_tokens or ())!r}; expected nothing more"
        case MissingArgumentError():
            return f"{error.keyword or _option(error)}: found no value; expected {_expected(error.argument)}"
        case CoercionError() if error.token is not None:
            return f"{_option(error)}: found {error.token.value!r}; expected {_expected(error.argument)}"
        case ValidationError() if error.argument is not None:
            given = error.argument.tokens[0].value if error.argument.tokens else ""
            return f"{_option(error)}: found {given!r}; expected {error.exception_message.rstrip('.')}"
        case RepeatArgumentError():
            return f"{error.token.keyword}: found more than once; expected once"
    return str(error).rstrip(".")


def _unknown(what: str, found: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(found, known, n=3)
    listed = f"perhaps {' or '.join(near)}" if near else f"one of {', '.join(known)}"
    return f"found the {what} {found!r}; expected {listed}"


def _commands(app: App | None) -> list[str]:
    return [name for name in app or () if not name.startswith("-")]


def _option(error: CycloptsError) -> str:
    """The option as it was written, else as it is called."""
    written = [token.keyword for token in (error.argument.tokens if error.argument else ()) if token.keyword]
    return written[-1] if written else error.argument.name if error.argument else "the command line"


def _expected(argument: Argument | None) -> str:
    kind = argument.hint if argument else str
    for each in (kind, *get_args(kind)):
        if get_origin(each) is Literal:
            return f"one of {', '.join(map(str, get_args(each)))}"
        if each in _KINDS:
            return _KINDS[each]
    return "a value"
