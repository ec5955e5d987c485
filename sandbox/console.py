"""How every command of the sandbox ends: a line for a person and an exit code, no traceback.

0 done, 1 it did not succeed, and a line says why; 2 the command line is wrong; 70 an error that was not foreseen;
130 interrupted; 141 who read the output has closed it, as `head` does.
"""

import difflib
import math
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args, get_origin

from cyclopts import App, Parameter
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
from cyclopts.help import ColumnSpec, DefaultFormatter, NameRenderer
from cyclopts.help.specs import get_default_parameter_columns

from sandbox import described

PROGRAM: Final = "python -m sandbox"
FAILED: Final = 1
USAGE: Final = 2
DEFECT: Final = 70
INTERRUPTED: Final = 130
PIPE: Final = 141
CODES: Final = (
    f"Exit codes: 0 success; {FAILED} it did not succeed, and a line says why; {USAGE} wrong usage; {DEFECT} an error "
    f"that was not foreseen, please report it; {INTERRUPTED} interrupted; {PIPE} the reader of the output has gone."
)
"""For the help."""
SEE: Final = "Exit codes: python -m sandbox --help."


def _default(value: Any) -> Any:
    """As help shows it; that something is not given is no value."""
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value)) or None
    return None if value in (None, False, "") else value


PLAIN: Final = Parameter(negative_iterable=(), show_default=_default)
"""Without an option for an empty list, and without defaults that say nothing."""


def _columns(console: Any, options: Any, entries: list[Any]) -> tuple[ColumnSpec, ...]:
    """Cyclopts' own, but with room for the longest option: names are never broken."""
    columns = get_default_parameter_columns(console, options, entries)
    longest = max((len(name) for each in entries for name in each.names), default=0) + len(" CHOICE")
    width = min(max(math.ceil(console.width * 0.35), longest), console.width // 2)
    return tuple(
        ColumnSpec(renderer=NameRenderer(max_width=width), justify="left", style="cyclopts.name", max_width=width)
        if isinstance(column.renderer, NameRenderer)
        else column
        for column in columns
    )


HELP: Final = DefaultFormatter(column_specs=_columns)
"""How help is laid out."""


def _finite(_type: Any, value: float) -> None:
    if not math.isfinite(value) or value < 0:
        raise ValueError("a number of at least 0")


def _port(_type: Any, value: int) -> None:
    if not 0 <= value <= 65535:
        raise ValueError("a port, 0 to 65535")


def _count(_type: Any, value: int) -> None:
    if value < 1:
        raise ValueError("a whole number of at least 1")


Port = Annotated[int, Parameter(validator=_port)]
"""A TCP port; 0 picks a free one."""

Count = Annotated[int, Parameter(validator=_count)]
"""How many, at least one."""

Seconds = Annotated[float, Parameter(validator=_finite)]
"""A time, or a factor of times."""

_KINDS: Final[Mapping[Any, str]] = {int: "a whole number", float: "a number", Path: "a path", bool: "yes or no"}
"""What a value of a type is called."""


def guarded(command: Callable[[], Any]) -> int:
    """Runs a command to its end; under ``python -X dev`` an error that was not foreseen keeps its traceback.

    Returns:
        The exit code.
    """
    try:
        return _finished(command)
    except CycloptsError as error:
        return _failed(USAGE, usage(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _abandon_output()
    except OSError as error:
        return _failed(FAILED, f"sandbox: {error}")
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        return _failed(DEFECT, f"sandbox: unexpected error: {described(error)}")


def _finished(command: Callable[[], Any]) -> int:
    """The command's own exit code, once its output has left."""
    try:
        code = command()
        sys.stdout.flush()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # as rich ends when its reader has gone
            return _abandon_output()
        code = ended.code
    if isinstance(code, str):
        return _failed(FAILED, code)
    return code if isinstance(code, int) else 0


def _failed(code: int, message: str) -> int:
    sys.stderr.write(f"{message}\n")
    return code


def _abandon_output() -> int:
    """The reader of our output has gone: what is still buffered must not fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE


def usage(error: CycloptsError) -> str:
    """What is wrong with a command line: what was found, what was expected, and where to read on."""
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


def port_taken(port: int, option: str) -> str:
    """What is said of a port on which something listens already."""
    return f"Port {port} is taken; choose another one with {option}, or stop what listens there"


def python_command() -> str:
    """How the person at the terminal calls this Python."""
    executable = Path(sys.executable)
    here = Path.cwd()
    return str(executable.relative_to(here)) if executable.is_relative_to(here) else str(executable)
