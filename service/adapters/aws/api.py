"""The ``Api`` port on aiobotocore: any row, any target, one write, one deadline, outcomes as values."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any, Final

import structlog

from schemas.operations import OPERATIONS, Kind
from service.adapters.aws.clients import Clients
from service.adapters.aws.failures import failure_of, invalid, timed_out
from service.adapters.aws.responses import missing_members, result_of
from service.adapters.aws.transport import Attempt, ClientClosed, attempting
from service.core.faults import SERVICE_ERROR, FaultClass, fault_class
from service.runtime.ports import Cause, Failure, Reply

_log = structlog.stdlib.get_logger("service.aws")
_ENABLED: Final = logging.getLogger("service.aws")

_REFUSED_KEYS: Final = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException"}
)
"""AWS does not know these keys, or no longer."""


class AwsApi:
    """Performs operations by name; see :class:`service.runtime.ports.Api`."""

    def __init__(self, sessions: Clients) -> None:
        self._sessions = sessions
        self._methods: dict[str, str] = {}
        self._skews: dict[str, float] = {}

    async def call(
        self,
        target: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
        may_send: Callable[[], bool] | None = None,
        cause: Cause | None = None,
    ) -> Reply | Failure:
        """Sends a request once; see :meth:`service.runtime.ports.Api.call`."""
        attempt = Attempt(may_send, cause.marker if cause else "")
        started = time.perf_counter()
        try:
            with attempting(attempt):
                async with asyncio.timeout(timeout):
                    outcome = await self._perform(target, operation, params, cause, attempt)
        except TimeoutError:
            outcome = timed_out(attempt, timeout)
        except Exception as error:
            outcome = failure_of(error, attempt)
            if outcome.code in {"InvalidRequest", "InvalidResponse", SERVICE_ERROR}:
                _log.warning("aws response invalid", target=target, operation=operation, exception=type(error).__name__)
            if outcome.code in _REFUSED_KEYS:
                self._sessions.access(target).invalidate(cause if attempt.signer else None)
        _log_call(target, operation, outcome, attempt, time.perf_counter() - started, cause)
        if (skew := skew_of(attempt.date, time.time())) is not None:
            self._skews[target] = skew
        return outcome

    def skews(self) -> dict[str, float]:
        """By how many seconds this machine's clock is ahead of AWS's, as the last answer of each target showed."""
        return dict(self._skews)

    async def close(self) -> None:
        """Closes every connection."""
        await self._sessions.close()

    async def _perform(
        self, target: str, operation: str, params: Mapping[str, Any], cause: Cause | None, attempt: Attempt
    ) -> Reply | Failure:
        client = await self._sessions.client(target)
        if cause is not None and _changes(operation):
            attempt.signer = self._sessions.access(target).own(cause)
        method = getattr(client, self._method(client, operation))
        try:
            result = result_of(await method(**params))
        except ClientClosed:
            await self._sessions.discard(target, client)
            raise
        missing = missing_members(operation, result)
        if missing:
            return invalid(f"the answer lacks {', '.join(missing)}")
        return Reply(result, size=attempt.size)

    def _method(self, client: Any, operation: str) -> str:
        """The client's method that performs an operation."""
        if not self._methods:
            self._methods = {name: method for method, name in client.meta.method_to_api_mapping.items()}
        return self._methods[operation]


def skew_of(date: str, now: float) -> float | None:
    """By how many seconds a clock that shows ``now`` is ahead of a ``Date`` header; None when that can't be read.

    The header has whole seconds and was written before it arrived, so a second or two is no skew.
    """
    shown = _timestamp(date)
    return now - shown if shown is not None else None


@lru_cache(maxsize=64)
def _timestamp(date: str) -> float | None:
    """Answers of one second have the same header."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def _changes(operation: str) -> bool:
    row = OPERATIONS.get(operation)
    return row is not None and row.kind is not Kind.READ


def _log_call(
    target: str, operation: str, outcome: Reply | Failure, attempt: Attempt, seconds: float, cause: Cause | None
) -> None:
    """What succeeds and makes or removes nothing is shown by its command's end, and here at debug.

    So is a full quota: its command is shown as waiting, and is tried again for as long as it takes.
    """
    failure = outcome if isinstance(outcome, Failure) else None
    row = OPERATIONS.get(operation)
    if failure is None:
        quiet = row is not None and row.kind in (Kind.READ, Kind.WRITE) and not row.creates
    else:
        quiet = fault_class(failure) is FaultClass.QUOTA
    level = logging.DEBUG if quiet else logging.INFO
    if not _ENABLED.isEnabledFor(level):
        return
    _log.log(
        level,
        "aws call",
        target=target,
        operation=operation,
        outcome=failure.code if failure else "ok",
        status=failure.http_status if failure else 200,
        sent=failure.sent if failure else True,
        request_id=attempt.request_id,
        marker=attempt.trace,
        seconds=round(seconds, 4),
        **({"command_id": cause.command_id} if cause else {}),
    )
