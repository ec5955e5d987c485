"""Stops an aiokafka client within a bound and leaves neither a socket nor a task behind.

aiokafka's ``stop()`` waits without limit for a broker that is silent, may leave its own tasks waiting for ever (the
accumulator's flush of a producer whose sender died), leaves every task that still awaits the client hanging, and may
end with the ``CancelledError`` of a fetch that it has cancelled itself, as if the caller had been interrupted, and may
suppress that of a caller who was, while it awaits such a task. So: no task must await the client any more; stop it with
a timeout; then cut its connections. Cutting needs names that are private to aiokafka 0.14; they are read with defaults,
so a renamed one costs cleanliness at an unclean end and nothing else.
"""

import asyncio
import logging
from collections.abc import Iterable, Iterator
from typing import Any

CUT_BOUND = 1.0

_log = logging.getLogger(__name__)


async def shut_down(client: Any, seconds: float, *, dirty: bool = False) -> None:
    """Stops a producer, consumer or admin client.

    Args:
        client: Of aiokafka; no other task awaits it now.
        seconds: Timeout of the regular stop.
        dirty: Cut first: what is under way must not be completed, and nothing more is sent.
    """
    if dirty:
        await _cut(client)
    task = asyncio.current_task()
    asked = task.cancelling() if task else 0
    try:
        async with asyncio.timeout(seconds):
            await (client.stop() if hasattr(client, "stop") else client.close())
    except (Exception, asyncio.CancelledError) as error:  # whatever it is, cutting is the answer to it
        if isinstance(error, asyncio.CancelledError) and task and task.cancelling() > asked:
            raise
        _log.info("Kafka client did not stop cleanly", extra={"client": type(client).__name__, "error": repr(error)})
    finally:
        await _cut(client)
    if task and task.cancelling() > asked:  # aiokafka has kept the interruption for itself
        raise asyncio.CancelledError


async def _cut(client: Any) -> None:
    """Cancels the client's tasks and aborts its connections."""
    parts = list(_parts(client))
    for transport in list(_transports(parts)):
        transport.abort()
    tasks = list(_tasks(parts))
    for task in tasks:
        task.cancel()
    for connection in list(_connections(parts)):
        connection.close()
    if tasks:
        await asyncio.wait(tasks, timeout=CUT_BOUND)
    _retrieve([*tasks, *_futures(parts)])


def _parts(client: Any) -> Iterator[Any]:
    """The objects that own the client's tasks."""
    yield client
    for name in ("client", "_client", "_sender", "_message_accumulator", "_txn_manager", "_coordinator", "_fetcher"):
        part = getattr(client, name, None)
        if part is not None:
            yield part


def _connections(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        yield from getattr(part, "_conns", {}).values()


def _transports(parts: Iterable[Any]) -> Iterator[Any]:
    for connection in _connections(parts):
        writer = getattr(connection, "_writer", None)
        if writer is not None:
            yield writer.transport


def _tasks(parts: list[Any]) -> Iterator[asyncio.Task[Any]]:
    """The tasks which run a method of the client's parts: aiokafka keeps no list of them."""
    owned = {id(part) for part in parts}
    current = asyncio.current_task()
    for task in asyncio.all_tasks():
        frame = getattr(task.get_coro(), "cr_frame", None)
        if frame is not None and task is not current and id(frame.f_locals.get("self")) in owned:
            yield task


def _futures(parts: Iterable[Any]) -> Iterator[asyncio.Future[Any]]:
    names = ("_sender_task", "_coordination_task", "_heartbeat_task", "_commit_refresh_task", "_fetch_task")
    for part in parts:
        for name in (*names, "_transaction_waiter"):
            future = getattr(part, name, None)
            if isinstance(future, asyncio.Future):
                yield future
        for batches in getattr(part, "_batches", {}).values():
            yield from (batch._drain_waiter for batch in batches)


def _retrieve(futures: Iterable[asyncio.Future[Any]]) -> None:
    """Retrieves the exceptions so that asyncio does not warn about each when it is collected."""
    for future in futures:
        if future.done() and not future.cancelled():
            future.exception()
