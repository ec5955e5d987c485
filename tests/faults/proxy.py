"""A TCP proxy that reads Kafka's frames, so that a fault can strike one kind of request of one client.

A stricken connection behaves as TCP does: a request that is held keeps what follows it waiting, a client that gave up
does not call back what it has sent, and an answer that is lost takes the later ones with it.
"""

import asyncio
import random
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum


class Api(IntEnum):
    """The requests at which faults are aimed."""

    PRODUCE = 0
    FETCH = 1
    OFFSET_FETCH = 9
    JOIN_GROUP = 11
    HEARTBEAT = 12
    INIT_PRODUCER_ID = 22
    ADD_PARTITIONS_TO_TXN = 24
    ADD_OFFSETS_TO_TXN = 25
    END_TXN = 26
    TXN_OFFSET_COMMIT = 28


class Action(StrEnum):
    """What happens to a request."""

    HOLD = "hold"
    """Kept until released, also beyond the client's connection; then it is sent."""
    DELAY = "delay"
    DROP_REQUEST = "drop request"
    """Neither it nor anything after it on its connection arrives."""
    DROP_RESPONSE = "drop response"
    """It arrives, but its answer does not, nor anything after it."""
    CUT_BEFORE = "cut before"
    """The connection breaks instead."""
    CUT_AFTER = "cut after"
    """The connection breaks when the broker has answered."""


@dataclass(slots=True)
class Rule:
    """One armed fault."""

    action: Action
    api: Api | None = None
    client: str = ""
    """A part of the client id."""
    count: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    hits: int = 0
    struck: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    passed: asyncio.Event = field(default_factory=asyncio.Event)
    """A held request has been sent and answered, or could not be."""

    def takes(self, api: int, client: str) -> bool:
        """Whether it strikes this request; counts it."""
        if (self.api is not None and api != self.api) or self.client not in client:
            return False
        if self.count is not None and self.hits >= self.count:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.hits += 1
        self.struck.set()
        return True


class Proxy:
    """From ``port`` to ``upstream``, both on the loopback; ``async with``.

    Attributes:
        blackhole: Nothing passes, and connections stay open.
        refusing: New connections are cut.
        latency: Seconds added to every frame and answer, and the jitter added to that.
    """

    def __init__(self, port: int, upstream: int, *, seed: int = 0) -> None:
        self.port, self.upstream = port, upstream
        self.blackhole = self.refusing = False
        self.latency = (0.0, 0.0)
        self.frames = 0
        self._random = random.Random(seed)
        self._rules: list[Rule] = []
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.clear()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def arm(self, action: Action, api: Api | None = None, **more: object) -> Rule:
        """Arms a fault for the next request that fits."""
        rule = Rule(action, api, **more)  # type: ignore[arg-type]
        self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Disarms everything; what is held is released, what is silent stays so."""
        for rule in self._rules:
            rule.released.set()
        self._rules.clear()
        self.blackhole = self.refusing = False
        self.latency = (0.0, 0.0)

    def cut(self, client: str = "") -> int:
        """Breaks the connections of the clients whose id has this in it; how many."""
        doomed = [each for each in self._connections if client in each.client]
        for each in doomed:
            each.cut()
        return len(doomed)

    def silence(self, client: str) -> int:
        """Makes the present connections of such clients half open: nothing passes, nothing is closed; how many."""
        doomed = [each for each in self._connections if client in each.client]
        for each in doomed:
            each.silent = True
        return len(doomed)

    @asynccontextmanager
    async def blackholed(self) -> AsyncIterator[None]:
        """Nothing passes within the block."""
        self.blackhole = True
        try:
            yield
        finally:
            self.blackhole = False

    def rule_for(self, api: int, client: str) -> Rule | None:
        """The first fault that strikes this request."""
        self.frames += 1
        return next((rule for rule in self._rules if rule.takes(api, client)), None)

    async def linger(self) -> None:
        """What the line does to every frame."""
        base, jitter = self.latency
        if base or jitter:
            await asyncio.sleep(base + self._random.random() * jitter)
        while self.blackhole:  # noqa: ASYNC110 - many connections, one flag
            await asyncio.sleep(0.02)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="proxied")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refusing:
                raise ConnectionRefusedError
            upstream = await asyncio.open_connection("127.0.0.1", self.upstream)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, reader, writer, *upstream)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


class _Connection:
    """One client's connection, and ours to the broker."""

    def __init__(
        self,
        proxy: Proxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        up_reader: asyncio.StreamReader,
        up_writer: asyncio.StreamWriter,
    ) -> None:
        self.client = ""
        self._proxy = proxy
        self._reader, self._writer = reader, writer
        self._up_reader, self._up_writer = up_reader, up_writer
        self.silent = False
        self._cut_after: int | None = None
        self._mute_from: int | None = None
        self._answers = asyncio.Event()

    async def run(self) -> None:
        """Until either side closes."""
        down = asyncio.create_task(self._downward())
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                while True:
                    await self._upward(await _frame(self._reader))
        finally:
            down.cancel()
            await asyncio.wait([down])
            self.cut()

    def cut(self) -> None:
        """Breaks both sides."""
        self._writer.transport.abort()
        self._up_writer.transport.abort()

    async def _upward(self, frame: bytes) -> None:
        api, _version, correlation, length = struct.unpack_from(">hhih", frame)
        self.client = frame[10 : 10 + max(length, 0)].decode(errors="replace")
        await self._proxy.linger()
        rule = self._proxy.rule_for(api, self.client)
        if rule is not None and not await self._suffer(rule, correlation):
            return
        if not self.silent:
            self._answers.clear()
            self._up_writer.write(struct.pack(">i", len(frame)) + frame)
            await self._up_writer.drain()
            if rule is not None and rule.action is Action.HOLD:
                with suppress(TimeoutError):
                    async with asyncio.timeout(2):
                        await self._answers.wait()
                rule.passed.set()

    async def _suffer(self, rule: Rule, correlation: int) -> bool:
        """Applies a fault; False when the request is not to be sent."""
        match rule.action:
            case Action.HOLD:
                await rule.released.wait()
            case Action.DELAY:
                await asyncio.sleep(rule.seconds)
            case Action.DROP_REQUEST:
                self.silent = True
                return False
            case Action.DROP_RESPONSE:
                self._mute_from = correlation
            case Action.CUT_BEFORE:
                self.cut()
                return False
            case Action.CUT_AFTER:
                self._cut_after = correlation
        return True

    async def _downward(self) -> None:
        mute = False
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                frame = await _frame(self._up_reader)
                correlation = struct.unpack_from(">i", frame)[0]
                self._answers.set()
                if correlation == self._cut_after:
                    self.cut()
                    return
                mute = mute or correlation == self._mute_from
                await self._proxy.linger()
                mute = mute or self.silent
                if not mute and not self._writer.is_closing():
                    self._writer.write(struct.pack(">i", len(frame)) + frame)
                    await self._writer.drain()
        if not mute:
            self._writer.transport.abort()


async def _frame(reader: asyncio.StreamReader) -> bytes:
    size = struct.unpack(">i", await reader.readexactly(4))[0]
    return await reader.readexactly(size)
