"""How every command of the sandbox ends: a line for a person and an exit code, no traceback.

0 done, 1 it did not succeed, and a line says why; 2 the command line is wrong; 70 an error that was not foreseen;
130 interrupted; 141 who read the output has closed it, as `head` does.
"""

import math
import os
import sys
from collections.abc import Callable
from typing import Annotated, Any, Final

from cyclopts import Parameter, validators

from sandbox import described

FAILED: Final = 1
DEFECT: Final = 70
INTERRUPTED: Final = 130
PIPE: Final = 141


def _finite(_type: Any, value: float) -> None:
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"Must be a number of at least 0; found {value}.")


Port = Annotated[int, Parameter(validator=validators.Number(gte=0, lte=65535))]
"""A TCP port; 0 picks a free one."""

Count = Annotated[int, Parameter(validator=validators.Number(gte=1))]
"""How many, at least one."""

Seconds = Annotated[float, Parameter(validator=_finite)]
"""A time, or a factor of times."""


def guarded(command: Callable[[], Any]) -> int:
    """Runs a command to its end; under ``python -X dev`` an error that was not foreseen keeps its traceback.

    Returns:
        The exit code.
    """
    try:
        return _finished(command)
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
