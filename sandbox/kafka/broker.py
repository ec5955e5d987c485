"""A real Kafka without Docker, Maven or an installed Java: one process, both broker and controller, on the loopback.

`Broker` serves tests and the sandbox's other commands, `kafka_command` the command line. Layout of the data directory:
`server.properties` and `log4j2.properties` (written at every start), `kafka.log`, `kafka.out` (what Java itself
printed) and `data/`, Kafka's own. A directory that holds data is taken up again, with its cluster id.
"""

import asyncio
import contextlib
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.console import Port, port_taken
from sandbox.kafka import java
from sandbox.kafka.jars import JarError, fetch_jars

START_BOUND = 90.0
STOP_BOUND = 20.0
POLL = 0.03
LOG_LINES = 15


class BrokerError(RuntimeError):
    """Kafka did not start, or ended on its own; the message says why and carries the last lines of its log."""


class Broker:
    """One Kafka, as an async context manager or by `start` and `stop`.

    It may be used from any event loop and thread, one call at a time, and dies with this process. The constructor does
    nothing; `start` after `stop` or `kill` takes up the same data on the same port.

    Attributes:
        bootstrap: Address for clients.
        data_dir: Everything Kafka writes.
    """

    def __init__(
        self, port: int, data_dir: Path, *, config: Mapping[str, str] | None = None, options: Sequence[str] = ()
    ) -> None:
        """Take the port, the directory, properties beside the usual ones, and options for Java."""
        self.bootstrap = f"127.0.0.1:{port}"
        self.data_dir = data_dir.absolute()
        self._port = port
        self._config = dict(config or {})
        self._options = tuple(options)
        self._process: java.Tied | None = None
        self._archive: java.ArchiveBuild | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def pid(self) -> int:
        """Process id of the Java process."""
        return self._running().pid

    async def start(self, progress: Callable[[str], None] = lambda _: None) -> None:
        """Start Kafka and wait until it answers; fetches the jars when needed.

        Raises:
            JarError: The jars could not be fetched.
            BrokerError: The port is taken, Kafka ended, or did not answer in time. Nothing is left running.
        """
        if self._process is not None:
            raise BrokerError("already started")
        jars = await asyncio.to_thread(fetch_jars, progress)
        _require_free(self._port)
        await asyncio.to_thread(self._prepare, jars)
        options = [
            "-Dlog4j2.configurationFile=log4j2.properties",
            *java.class_options(self.data_dir),
            *self._options,
        ]
        command = java.java_command(jars, "kafka.Kafka", "server.properties", options=options)
        self._process = java.Tied(command, directory=self.data_dir, output=self.data_dir / "kafka.out")
        try:
            await self._wait_ready()
        except BaseException:
            self.kill()
            raise
        self._archive = java.ArchiveBuild(jars, self.data_dir)

    async def stop(self) -> None:
        """Stop Kafka cleanly, by force after a bound; does nothing when it is not started."""
        if self._process is None:
            return
        self._process.send(signal.SIGCONT)
        self._process.send(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_BOUND):
                await self.wait_ended()
                java.keep_class_list(self.data_dir)
        self.kill()

    def kill(self) -> None:
        """End Kafka at once, as a crash would (SIGKILL)."""
        if self._archive is not None:
            self._archive.finish()
        if self._process is not None:
            self._process.close()
        self._process = self._archive = None

    def freeze(self) -> None:
        """Suspend Kafka (SIGSTOP): its connections stay open and silent, from when this returns."""
        self._running().suspend()

    def thaw(self) -> None:
        """Let a frozen Kafka go on (SIGCONT)."""
        self._running().send(signal.SIGCONT)

    async def wait_ended(self) -> int:
        """Wait until the Java process ends and return its exit code."""
        process = self._running()
        while (code := process.poll()) is None:  # noqa: ASYNC110 - asyncio's own waiting is bound to one event loop
            await asyncio.sleep(POLL)
        return code

    def last_log(self) -> str:
        """Return the last lines of Kafka's log, and of what Java itself printed."""
        files = (self.data_dir / "kafka.log", self.data_dir / "kafka.out")
        texts = (file.read_text(errors="replace") for file in files if file.exists())
        return "\n".join(line for text in texts for line in text.splitlines()[-LOG_LINES:])

    def _running(self) -> java.Tied:
        if self._process is None:
            raise BrokerError("not started")
        return self._process

    def _prepare(self, jars: list[Path]) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        java.format_storage(jars, self.data_dir)
        properties = java.server_properties(self._port, free_port(), self._config)
        (self.data_dir / "server.properties").write_text(properties)
        (self.data_dir / "log4j2.properties").write_text(java.LOG_PROPERTIES)

    async def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_BOUND
        while not await self._is_ready():
            if (code := self._running().poll()) is not None:
                raise BrokerError(f"Kafka ended with exit code {code}; last lines of its log:\n{self.last_log()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka did not answer in {START_BOUND:.0f} s; log:\n{self.last_log()}")
            await asyncio.sleep(POLL)

    async def _is_ready(self) -> bool:
        # Behind SASL or TLS the cluster is hidden from clients without an identity.
        secured = any("SASL" in value or "SSL" in value for value in self._config.values())
        return await _answers(self._port) and (secured or await _lists_itself(self._port))


def free_port() -> int:
    """Return a free port outside the range from which the system takes ports for outgoing connections.

    A port within that range could be taken while the broker is down, even by a client that tries to reconnect to it.
    """
    candidates = random.sample(range(20_000, 32_000), 200)
    return next(port for port in candidates if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def _require_free(port: int) -> None:
    if not _is_free(port):
        raise BrokerError(port_taken(port, "--port"))


async def _answers(port: int) -> bool:
    """Ask for the API versions: header (key 18, version 0, correlation id, no client id) and no body."""
    answer = await _ask(port, struct.pack(">hhih", 18, 0, 1, -1), 6)
    return answer is not None and struct.unpack(">ih", answer) == (1, 0)


async def _lists_itself(port: int) -> bool:
    """Ask for the cluster: a broker lists itself a moment after its port opens, and no client can begin before.

    Metadata request, version 4: header (key 3, version, correlation id, no client id), no topics, none to be created.
    """
    answer = await _ask(port, struct.pack(">hhihi?", 3, 4, 1, -1, 0, False), 12)
    return answer is not None and struct.unpack(">iii", answer)[2] > 0


async def _ask(port: int, request: bytes, wanted: int) -> bytes | None:
    """The first bytes of a broker's answer, behind its length; None for no answer."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(struct.pack(">i", len(request)) + request)
                return (await reader.readexactly(4 + wanted))[4:]
            finally:
                writer.close()
    except (OSError, EOFError):  # TimeoutError is an OSError
        return None


def kafka_command(*, port: Port = 9092, data_dir: Path = Path(".cache/kafka"), verify: bool = False) -> None:
    """Run a local Kafka until interrupted.

    Args:
        port: Loopback port for clients.
        data_dir: Kafka's data and log; taken up again when it holds data.
        verify: Compare the jars' digests, not only their sizes, before the start.
    """
    try:
        fetch_jars(_print, full=verify)
        asyncio.run(_serve(Broker(port, data_dir)))
    except (BrokerError, JarError) as error:
        raise SystemExit(str(error)) from None


async def _serve(broker: Broker) -> None:
    """Run until a signal comes, which may be during the start, or Kafka ends."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    serving, stopping = asyncio.create_task(_start_and_watch(broker)), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            await serving
    finally:
        for task in (serving, stopping):
            task.cancel()
        await asyncio.gather(serving, stopping, return_exceptions=True)
        await broker.stop()


async def _start_and_watch(broker: Broker) -> None:
    began = time.monotonic()
    await broker.start(_print)
    took = time.monotonic() - began
    _print(f"kafka ready on {broker.bootstrap} (pid {broker.pid}, {took:.1f} s, data and log in {broker.data_dir})")
    code = await broker.wait_ended()
    raise BrokerError(f"Kafka ended with exit code {code}; last lines of its log:\n{broker.last_log()}")


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
