"""Structured logs on stdout: ours and the libraries', without payloads and secrets, and never fatal."""

import asyncio
import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final, Literal, TextIO

import structlog

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
"""Seconds within which a library says the same thing once."""
_KINDS: Final = 1000

_ACTIVITIES: Final = ("call:", "search:")
_FIRST: Final = ("timestamp", "level", "event")
_DEEPEST: Final = 6


def configure_logging(level: str = "info", output: Literal["json", "console"] = "json") -> None:
    """Sends every log record of the process to stdout, ours and the libraries'.

    Args:
        level: Least severity of our own records; the libraries' begin at warning, whatever is asked.
        output: ``json`` for machines, ``console`` for people.
    """
    ours = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_command,
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
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, readable, _renderer(output)],
        )
    )
    handler.addFilter(RateLimitFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(ours, logging.INFO))
    logging.getLogger("service").setLevel(ours)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(ours, logging.WARNING))
    logging.captureWarnings(True)


def _renderer(output: str) -> structlog.typing.Processor:
    if output == "console":
        return structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    return structlog.processors.JSONRenderer(default=str)


def name_command(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Says for which command a call to AWS is made: the runtime's tasks are named ``call:<command id>``."""
    try:
        task = asyncio.current_task()
    except RuntimeError:  # not in an event loop
        return event
    if task and task.get_name().startswith(_ACTIVITIES):
        event.setdefault("task", task.get_name())
    return event


def readable(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Puts first what a person reads first."""
    return {name: event[name] for name in _FIRST if name in event} | dict(event)


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replaces what must not be read in a log, by its key."""
    for name, value in event.items():
        event[name] = REDACTED if name.lower() in SECRET_KEYS else _clean(value, _DEEPEST)
    return event


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


class RateLimitFilter(logging.Filter):
    """Lets libraries say the same thing now and then only: without a broker, aiokafka does 400 times a second."""

    def __init__(self) -> None:
        super().__init__()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether it is time to say it again, with the number of times that it was not said."""
        if not record.name.startswith(_CHATTY):
            return True
        key = (record.name, str(record.msg))
        last, withheld = self._told.get(key, (float("-inf"), 0))
        if 0 <= record.created - last < _REPEAT:  # a clock that was set back silences nothing
            self._told[key] = (last, withheld + 1)
            return False
        if len(self._told) >= _KINDS:
            self._told.clear()
        self._told[key] = (record.created, 0)
        if withheld:
            record.msg = f"{record.msg} (and {withheld} times more since)"
        return True


class StdoutHandler(logging.StreamHandler[TextIO]):
    """Writes to stdout; a reader that went away costs the log, not the service."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the base class's name
        """Silences stdout when it is closed; other errors are shown as usual."""
        error = sys.exception()
        if isinstance(error, BrokenPipeError) or self.stream.closed:
            self._silence()
        else:
            super().handleError(record)

    def _silence(self) -> None:
        """Points stdout at nothing, so that neither we nor the interpreter's exit fail on it again."""
        if self.stream.closed:
            self.stream = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - lives as long as the process
            return
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self.stream.fileno())
        os.close(nothing)
