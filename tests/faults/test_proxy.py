"""The proxy does to a connection what it says, and nothing to the others."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator

import pytest

from sandbox.kafka.broker import free_port
from tests.faults.proxy import Action, Api, Proxy


class Echo:
    """A broker that answers each request by its correlation id, and remembers what arrived."""

    def __init__(self) -> None:
        self.arrived: list[tuple[int, int]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = struct.unpack(">i", await reader.readexactly(4))[0]
                api, _, correlation = struct.unpack_from(">hhi", await reader.readexactly(size))
                self.arrived.append((api, correlation))
                writer.write(struct.pack(">ii", 4, correlation))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader, self._writer, self._name = reader, writer, name.encode()

    def send(self, api: Api, correlation: int) -> None:
        frame = struct.pack(">hhih", api, 0, correlation, len(self._name)) + self._name
        self._writer.write(struct.pack(">i", len(frame)) + frame)

    async def answer(self, seconds: float = 2.0) -> int:
        _, correlation = struct.unpack(">ii", await asyncio.wait_for(self._reader.readexactly(8), seconds))
        return int(correlation)

    async def ask(self, api: Api, correlation: int) -> int:
        self.send(api, correlation)
        return await self.answer()

    def close(self) -> None:
        self._writer.transport.abort()


class Line:
    """A proxy before an echo."""

    def __init__(self, proxy: Proxy, echo: Echo) -> None:
        self.proxy, self.echo = proxy, echo
        self.clients: list[Client] = []

    async def client(self, name: str = "w1-t-0") -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.proxy.port), name)
        self.clients.append(client)
        return client

    async def arrives(self, api: Api, correlation: int) -> None:
        async with asyncio.timeout(2):
            while (api, correlation) not in self.echo.arrived:  # noqa: ASYNC110 - a list has no event
                await asyncio.sleep(0.01)


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    async with Proxy(free_port(), server.sockets[0].getsockname()[1]) as proxy:
        line = Line(proxy, echo)
        yield line
        for client in line.clients:
            client.close()
    server.close()
    await server.wait_closed()


async def test_passes_everything_on(line: Line) -> None:
    client = await line.client()
    assert [await client.ask(Api.PRODUCE, number) for number in (1, 2)] == [1, 2]


async def test_holds_one_request_of_one_client_until_released(line: Line) -> None:
    rule = line.proxy.arm(Action.HOLD, Api.END_TXN, client="t-0")
    stricken, other = await line.client("w1-t-0"), await line.client("w1-t-1")
    assert await stricken.ask(Api.PRODUCE, 1) == 1
    stricken.send(Api.END_TXN, 2)
    await asyncio.wait_for(rule.struck.wait(), 2)
    assert await other.ask(Api.END_TXN, 3) == 3
    assert (Api.END_TXN, 2) not in line.echo.arrived
    rule.released.set()
    assert await stricken.answer() == 2
    assert await stricken.ask(Api.END_TXN, 4) == 4, "only one was to be held"


async def test_what_is_held_arrives_although_its_sender_has_gone(line: Line) -> None:
    rule = line.proxy.arm(Action.HOLD, Api.END_TXN)
    client = await line.client()
    client.send(Api.END_TXN, 1)
    await asyncio.wait_for(rule.struck.wait(), 2)
    client.close()
    rule.released.set()
    await asyncio.wait_for(rule.passed.wait(), 3)
    assert line.echo.arrived == [(Api.END_TXN, 1)]


@pytest.mark.parametrize(("action", "arrives"), [(Action.DROP_REQUEST, False), (Action.DROP_RESPONSE, True)])
async def test_a_dropped_message_silences_its_connection(line: Line, action: Action, arrives: bool) -> None:
    line.proxy.arm(action, Api.PRODUCE)
    client = await line.client()
    client.send(Api.PRODUCE, 1)
    if arrives:
        await line.arrives(Api.PRODUCE, 1)
    client.send(Api.FETCH, 2)
    with pytest.raises(TimeoutError):
        await client.answer(0.3)
    assert ((Api.PRODUCE, 1) in line.echo.arrived) is arrives


@pytest.mark.parametrize(("action", "arrived"), [(Action.CUT_BEFORE, []), (Action.CUT_AFTER, [(Api.PRODUCE, 1)])])
async def test_cuts_before_or_after_the_effect(line: Line, action: Action, arrived: list[tuple[int, int]]) -> None:
    line.proxy.arm(action, Api.PRODUCE)
    client = await line.client()
    client.send(Api.PRODUCE, 1)
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.answer()
    assert line.echo.arrived == arrived
    assert await (await line.client()).ask(Api.PRODUCE, 2) == 2


async def test_delays(line: Line) -> None:
    line.proxy.arm(Action.DELAY, Api.PRODUCE, seconds=0.3)
    client, began = await line.client(), time.monotonic()
    assert await client.ask(Api.PRODUCE, 1) == 1
    assert time.monotonic() - began >= 0.3


async def test_skips_and_counts(line: Line) -> None:
    rule = line.proxy.arm(Action.DELAY, Api.PRODUCE, skip=1, count=2)
    client = await line.client()
    for number in range(5):
        await client.ask(Api.PRODUCE, number)
    assert rule.hits == 2


async def test_a_black_hole_lets_nothing_pass_and_closes_nothing(line: Line) -> None:
    client = await line.client()
    async with line.proxy.blackholed():
        client.send(Api.PRODUCE, 1)
        with pytest.raises(TimeoutError):
            await client.answer(0.3)
    assert await client.answer() == 1


async def test_silence_concerns_the_connections_that_there_are(line: Line) -> None:
    client = await line.client("w1-group")
    await client.ask(Api.FETCH, 1)
    assert line.proxy.silence("w1-") == 1
    client.send(Api.FETCH, 2)
    with pytest.raises(TimeoutError):
        await client.answer(0.3)
    assert await (await line.client("w1-group")).ask(Api.FETCH, 3) == 3


async def test_cuts_all_connections(line: Line) -> None:
    client = await line.client()
    await client.ask(Api.FETCH, 1)
    assert line.proxy.cut() == 1
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await client.answer()
