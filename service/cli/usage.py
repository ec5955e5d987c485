"""What is wrong with a command line, in the form of all our errors: what was found, what was expected, what to do."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

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

PROGRAM: Final = "python -m service"

CODES: Final = "Exit codes: docs/howto/operate.md."
"""For the help of a command."""


def _default(value: Any) -> Any:
    """As help shows it; that something is not given is no value."""
    return None if value in (None, False, "", ()) else value


PLAIN: Final = Parameter(negative="", show_default=_default)
"""Options without a `--no-...` beside them."""

_KINDS: Final[Mapping[Any, str]] = {int: "a whole number", float: "a number", Path: "a path", bool: "yes or no"}
"""What a value of a type is called."""


def usage(error: CycloptsError) -> str:
    """What is wrong with a command line: what was found, what was expected, and where to read on."""
    chain = " ".join(error.command_chain or ())
    return f"{PROGRAM} {chain}".rstrip() + f": {_fault(error)}. See {PROGRAM} {chain}".rstrip() + " --help."


def _fault(error: CycloptsError) -> str:
    match error:
        case UnknownCommandError():
            return unknown("command", (error.unused_tokens or [""])[0], _commands(error.app))
        case UnknownOptionError():
            options = [name for each in error.argument_collection for name in each.names]
            return unknown("option", error.token.keyword or error.token.value, [*options, "--help"])
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


def unknown(what: str, found: str, known: Sequence[str]) -> str:
    """A name that is not known, and what was meant perhaps."""
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
