"""How every command ends: a line for a person and an exit code of the table in docs/howto/operate.md, no traceback."""

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from rich.console import Console

from service.runtime.defects import place
from service.settings import SettingsError

EXIT_SETTINGS: Final = 2
EXIT_UNFIT: Final = 3
EXIT_DEFECT: Final = 70
EXIT_INTERRUPTED: Final = 130
EXIT_PIPE: Final = 141


def guarded(command: Callable[[], Any]) -> int:
    """Runs a command to its end; under ``python -X dev`` an error that was not foreseen keeps its traceback.

    Returns:
        The exit code.
    """
    _open_closed_streams()
    try:
        return _finished(command)
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
        yield f"{error} ({place(error)})"
    else:
        yield f"{place(error)}; this is a defect of the service, please report it"


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
