"""A client is stopped within a bound, and leaves neither a task nor a connection nor an unread exception."""

import asyncio
import contextlib
import gc
from types import SimpleNamespace
from typing import Any

import pytest

from schemas.kafka.client_shutdown import CUT_BOUND, shut_down

pytestmark = pytest.mark.looptime


class Part:
    """A part of a client that has a task, as aiokafka's coordinator or sender."""

    def __init__(self) -> None:
        self.cancelled = False
        self._sender_task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        try:
            await asyncio.sleep(1_000_000)
        except asyncio.CancelledError:
            self.cancelled = True
            raise


class Connection:
    def __init__(self) -> None:
        self.events: list[str] = []
        self._writer = SimpleNamespace(transport=SimpleNamespace(abort=lambda: self.events.append("abort")))

    def close(self) -> None:
        self.events.append("close")


class Client:
    """Stops after a while, or never, or badly."""

    def __init__(self, takes: float = 0.0, error: BaseException | None = None) -> None:
        self.takes, self.error = takes, error
        self.stops: list[tuple[float, bool]] = []
        self._coordinator = Part()
        self.connection = Connection()
        self._client = SimpleNamespace(_conns={0: self.connection})

    async def stop(self) -> None:
        await asyncio.sleep(self.takes)
        self.stops.append((asyncio.get_running_loop().time(), self._coordinator.cancelled))
        if self.error:
            raise self.error


async def running(client: Client) -> Client:
    await asyncio.sleep(0)
    return client


async def test_a_clean_stop_comes_before_the_cut() -> None:
    client = await running(Client(takes=1.0))
    await shut_down(client, 5.0)
    assert [cut for _, cut in client.stops] == [False]
    assert client._coordinator.cancelled
    assert client.connection.events == ["abort", "close"]


async def test_a_dirty_stop_cuts_first() -> None:
    """What is under way must not be completed."""
    client = await running(Client())
    await shut_down(client, 5.0, dirty=True)
    assert [cut for _, cut in client.stops] == [True]
    assert client.connection.events[:2] == ["abort", "close"]


async def test_a_client_that_never_stops_is_cut_after_the_bound() -> None:
    client = await running(Client(takes=100_000.0))
    began = asyncio.get_running_loop().time()
    await shut_down(client, 5.0)
    assert asyncio.get_running_loop().time() - began <= 5.0 + CUT_BOUND
    assert client._coordinator.cancelled


async def test_a_client_that_fails_to_stop_is_cut() -> None:
    client = await running(Client(error=RuntimeError("broken")))
    await shut_down(client, 5.0)
    assert client._coordinator.cancelled
    assert client.connection.events == ["abort", "close"]


async def test_a_caller_that_is_cancelled_cuts_all_the_same() -> None:
    client = await running(Client(takes=100_000.0))
    task = asyncio.create_task(shut_down(client, 50.0))
    await asyncio.sleep(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert client._coordinator.cancelled


async def test_an_admin_client_is_closed() -> None:
    closed: list[bool] = []

    async def close() -> None:
        closed.append(True)

    await shut_down(SimpleNamespace(close=close), 5.0)
    assert closed == [True]


async def test_a_task_that_will_not_end_is_left_after_the_bound() -> None:
    class Stubborn(Part):
        async def _run(self) -> None:
            for _ in range(2):
                try:
                    await asyncio.sleep(60)
                except asyncio.CancelledError:
                    continue

    client = Client()
    client._coordinator.__class__ = Stubborn
    client._coordinator._sender_task.cancel()
    client._coordinator = Stubborn()
    await running(client)
    began = asyncio.get_running_loop().time()
    await shut_down(client, 5.0)
    assert asyncio.get_running_loop().time() - began <= 5.0 + CUT_BOUND
    client._coordinator._sender_task.cancel()


async def test_nobody_complains_of_exceptions_that_nobody_asked_for() -> None:
    complaints: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context["message"]))
    client = Client()
    waiter, drain = loop.create_future(), loop.create_future()
    for future in (waiter, drain):
        future.set_exception(RuntimeError("lost"))
    batches = {"t": [SimpleNamespace(_drain_waiter=drain)]}
    parts: Any = SimpleNamespace(_transaction_waiter=waiter, _batches=batches)
    client._message_accumulator = parts  # type: ignore[attr-defined]
    await running(client)
    await shut_down(client, 5.0)
    del client, parts, batches, waiter, drain, future
    gc.collect()
    await asyncio.sleep(1)
    assert complaints == []


async def test_tasks_of_others_go_on() -> None:
    other = Part()
    client = await running(Client())
    await shut_down(client, 5.0, dirty=True)
    assert not other._sender_task.done()
    other._sender_task.cancel()


async def test_a_cancellation_of_the_clients_own_making_does_not_interrupt_the_caller() -> None:
    """As when a broker has died: aiokafka awaits a fetch that it has cancelled, and hands its CancelledError on."""
    client = await running(Client(error=asyncio.CancelledError()))
    await shut_down(client, 5.0)
    assert client.connection.events == ["abort", "close"]


async def test_an_interruption_during_the_stop_is_handed_on() -> None:
    client = await running(Client(takes=3.0))
    stopping = asyncio.create_task(shut_down(client, 5.0))
    await asyncio.sleep(1.0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert client.connection.events == ["abort", "close"]


@pytest.mark.parametrize("error", [None, RuntimeError("broken")])
async def test_an_interruption_that_the_client_suppresses_is_handed_on(error: Exception | None) -> None:
    """As aiokafka does, which takes every CancelledError for that of a task that it has cancelled and awaits."""

    class Suppressing(Client):
        async def stop(self) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3.0)
            if self.error:
                raise self.error

    client = await running(Suppressing(error=error))
    stopping = asyncio.create_task(shut_down(client, 5.0))
    await asyncio.sleep(1.0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert client.connection.events == ["abort", "close"]


async def test_a_timeout_that_the_client_suppresses_is_no_interruption() -> None:
    class Suppressing(Client):
        async def stop(self) -> None:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100_000.0)

    client = await running(Suppressing())
    await shut_down(client, 5.0)
    assert client.connection.events == ["abort", "close"]
