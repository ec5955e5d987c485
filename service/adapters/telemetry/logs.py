"""Structured logs on stdout, of the service and its libraries: without payloads or secrets, and never fatal."""

import asyncio
import contextvars
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from functools import partial
from typing import Any, Final, Literal, TextIO

import structlog

from service.core.redaction import without_userinfo

REDACTED: Final = "[redacted]"

SECRET_KEYS: Final = frozenset(
    {
        "accesskeyid",
        "authorization",
        "body",
        "client_secret",
        "clientsecret",
        "configuredaudiencemodelpolicy",
        "credentials",
        "data",
        "externalid",
        "external_id",
        "headers",
        "params",
        "parameters",
        "password",
        "payload",
        "querystring",
        "sasl_password",
        "secret",
        "secretaccesskey",
        "secretkey",
        "sessiontoken",
        "sqlparameters",
        "ssl_key_password",
        "token",
        "value",
    }
)
"""Names, in lower case, whose values are never logged, at any depth."""

_CHATTY: Final = ("aiobotocore", "aiohttp", "aiokafka", "asyncio", "botocore", "urllib3")
"""Libraries that log every step at INFO, and values or signatures at DEBUG."""

_REPEAT: Final = 10.0
"""Seconds during which a repeated message of a library is suppressed."""
_KINDS: Final = 1000

_HEALING: Final = (("aiokafka.consumer.group_coordinator", "Group Coordinator Request failed: %s"),)
"""Errors that aiokafka repairs by itself, each by logger and text. A Kafka that has never had a group, or whose broker
has just restarted, answers so until it has made its topic of offsets, which takes a second or two."""
_HEALS: Final = 30.0
"""Seconds after which such an error is none that heals by itself, and is logged."""

_ACTIVITIES: Final = ("call:", "search:")
_FIRST: Final = ("timestamp", "level", "event")
_DEEPEST: Final = 6
_PLAIN: Final = frozenset({str, int, float, bool, type(None)})


def configure_logging(level: str = "info", output: Literal["json", "console"] = "json", replica: str = "") -> None:
    """Sends every log record of the process to stdout, those of libraries included.

    Args:
        level: Least severity of the service's own records; records of libraries start at warning regardless.
        output: ``json`` for machines, ``console`` for people.
        replica: Name of this process among those of the service, for every line; without one, lines have none.
    """
    ours = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        partial(locate, replica),
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = StdoutHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(allow=_EXTRA), *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                readable,
                _renderer(output),
                redact_addresses,
            ],
        )
    )
    handler.addFilter(HealingFilter())
    handler.addFilter(RateLimitFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(ours, logging.INFO))
    for name in _OURS:
        logging.getLogger(name).setLevel(ours)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(ours, logging.WARNING))
    logging.captureWarnings(True)


_OURS: Final = ("service", "schemas")
_EXTRA: Final = ("broker", "client", "error", "seconds")
"""Members of log records that the contract's Kafka code adds, which knows no structlog."""


def _renderer(output: str) -> structlog.typing.Processor:
    if output == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return structlog.processors.JSONRenderer(default=str)


PARTITION: Final = contextvars.ContextVar("partition", default="")
"""What the lines of a task and of its children are about: a partition of commands or of changes."""


def locate(replica: str, _logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Adds the partition and the command that a line is about, unless it says so, and which process has written it.

    The command is that of the current task, ``call:<command id>``.
    """
    if partition := PARTITION.get():
        event.setdefault("partition", partition)
    try:
        task = asyncio.current_task()
    except RuntimeError:  # not in an event loop
        task = None
    if task and (name := task.get_name()).startswith(_ACTIVITIES):
        event.setdefault("command_id", name.partition(":")[2])
    if replica:
        event["replica"] = replica
    return event


def readable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Puts the time, level and event before the other fields."""
    return {name: event[name] for name in _FIRST if name in event} | dict(event)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces the values of sensitive keys, at any depth."""
    for name, value in event.items():
        if name.lower() in SECRET_KEYS:
            event[name] = REDACTED
        elif type(value) not in _PLAIN:
            event[name] = _clean(value, _DEEPEST)
    return event


def redact_addresses(_logger: object, _method: str, line: Any) -> str:
    """Removes passwords from addresses, wherever the finished line has them: in a library's traceback, for example."""
    return without_userinfo(str(line))


def _clean(value: Any, depth: int) -> Any:
    if not isinstance(value, Mapping | list | tuple):
        return value
    if depth == 0:
        return REDACTED
    if isinstance(value, Mapping):
        return {
            name: REDACTED if str(name).lower() in SECRET_KEYS else _clean(item, depth - 1)
            for name, item in value.items()
        }
    return [_clean(item, depth - 1) for item in value]


class LineLimit:
    """Bounds how many lines an event may make, by what it is about: a flood of records must not be one of lines.

    Args:
        lines: The most lines about one thing in a period.
        seconds: The period.
    """

    def __init__(self, *, lines: int, seconds: float) -> None:
        self._lines = lines
        self._seconds = seconds
        self._periods: dict[str, tuple[float, int]] = {}

    def take(self, about: str, now: float) -> int | None:
        """How many lines were left out since the last one; None if this one is left out too."""
        began, seen = self._periods.get(about, (float("-inf"), 0))
        if now - began >= self._seconds:
            self._periods[about] = (now, 1)
            return max(0, seen - self._lines)
        self._periods[about] = (began, seen + 1)
        return 0 if seen < self._lines else None


class RateLimitFilter(logging.Filter):
    """Rate-limits repeated messages of libraries: without a broker, aiokafka logs 400 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._last_logged: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Passes a message at most once per interval, and appends how many repeats were suppressed."""
        if not record.name.startswith(_CHATTY):
            return True
        key = (record.name, str(record.msg))
        last, withheld = self._last_logged.get(key, (float("-inf"), 0))
        if 0 <= record.created - last < _REPEAT:  # a clock that is set back suppresses nothing
            self._last_logged[key] = (last, withheld + 1)
            return False
        if len(self._last_logged) >= _KINDS:
            self._last_logged.clear()
        self._last_logged[key] = (record.created, 0)
        if withheld:
            record.msg = f"{record.msg} ({withheld} more in between)"
        return True


class HealingFilter(logging.Filter):
    """Withholds errors of a library that it repairs by itself, unless they go on: a healthy start logs no error."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, float]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Passes such an error when it has come again and again for longer than a repair takes."""
        key = (record.name, str(record.msg))
        if key not in _HEALING:
            return True
        first, last = self._seen.get(key, (record.created, record.created))
        if not 0 <= record.created - last < _HEALS:  # the former one has healed, or the clock was set
            first = record.created
        self._seen[key] = first, record.created
        return record.created - first >= _HEALS


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to stdout; when its reader goes away, logs are lost but the service goes on."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        """Silences stdout when it is closed; other errors are shown as usual."""
        error = sys.exception()
        if isinstance(error, BrokenPipeError) or self.stream.closed:
            self._silence()
        else:
            super().handleError(record)

    def _silence(self) -> None:
        """Points stdout at /dev/null, so that neither later records nor the interpreter's exit fail."""
        if self.stream.closed:
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.stream.fileno())
        os.close(nothing)
