"""Kafka, Clean Rooms ML and the demo's data together: `Sandbox` for programs; `sandbox.up` is for people.

Both servers are child processes in process groups of their own, and end with this process, however it ends.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Final, Self

import aiohttp

from sandbox.console import port_taken
from sandbox.datasets import movielens
from sandbox.datasets.movielens import Catalogued, DownloadError, Taste
from sandbox.jobs.storage import Storage
from sandbox.kafka.broker import Broker, BrokerError, free_port
from sandbox.kafka.jars import JarError, fetch_jars
from sandbox.processes import Child

REGION: Final = "eu-west-1"
ACCOUNT: Final = "123456789012"
ROLE_ARN: Final = f"arn:aws:iam::{ACCOUNT}:role/clean-rooms-ml-demo"
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_START_SECONDS: Final = 90.0
_POLL_SECONDS: Final = 0.05

Progress = Callable[[str], None]


class StartError(RuntimeError):
    """A part of the sandbox did not start, or ended on its own; the message says which, why, and what to do."""


START_ERRORS: Final = (StartError, BrokerError, JarError, DownloadError)
"""What a start of `Sandbox` raises; the messages are for people."""


class Sandbox:
    """Everything a service needs around it, as an async context manager; port 0 picks a free one.

    Attributes:
        kafka: the broker, which a test may kill or freeze.
        bootstrap: Kafka's address.
        endpoint_url: address of Clean Rooms ML, S3, Glue, IAM and STS.
        request_log: JSON lines, one for each Clean Rooms ML request (`sandbox.cleanroomsml.request_log.Entry`).
        data_dir: everything the sandbox writes; a temporary folder, removed at the end, unless one was named.
        kafka_port: loopback port of Kafka.
        port: loopback port of the AWS side.
        storage: S3 and Glue, for `sandbox.jobs.storage` and `sandbox.datasets.movielens`.
        role_arn: a role to name in commands.
        taste: whose likers are the seed, and who is hidden.
        data: bucket, database, table, columns, seed and output address; set when started.
    """

    def __init__(
        self,
        *,
        kafka_port: int = 0,
        port: int = 0,
        data_dir: Path | None = None,
        film: str = movielens.DEMO_TITLE,
        serve_options: Sequence[str] = (),
        progress: Progress = lambda _: None,
    ) -> None:
        """Nothing is started yet.

        Args:
            kafka_port: loopback port of Kafka.
            port: loopback port of the AWS side.
            data_dir: where to keep logs, models and Kafka's data.
            film: title of the film whose likers are the seed.
            serve_options: further options of ``python -m sandbox serve``, such as ``("--profile", "aws")``.
            progress: receives a few words about what takes time; may be called from another thread.
        """
        self.data_dir = data_dir.absolute() if data_dir else Path()
        self._temporary = data_dir is None
        self.kafka_port, self.port = kafka_port or free_port(), port or free_port()
        self._film, self._serve_options, self._progress = film, tuple(serve_options), progress
        self._stack = AsyncExitStack()
        self._aws: Child | None = None
        self.endpoint_url = f"http://127.0.0.1:{self.port}"
        self.storage = Storage(self.endpoint_url, REGION, ACCOUNT)
        self.role_arn = ROLE_ARN
        self.taste: Taste
        self.data: Catalogued

    async def __aenter__(self) -> Self:
        """Start both servers and provision the data.

        Raises:
            StartError: the AWS side did not start.
            BrokerError: Kafka did not start.
            JarError: Kafka could not be fetched.
            DownloadError: MovieLens could not be fetched.
            KeyError: MovieLens has no such film.
        """
        async with AsyncExitStack() as stack:
            self._prepare_folder(stack)
            require_free(self.kafka_port, "--kafka-port")
            require_free(self.port, "--port")
            self.kafka = Broker(self.kafka_port, self.data_dir / "kafka")
            self.bootstrap = self.kafka.bootstrap
            stack.push_async_callback(self.kafka.stop)
            await all_or_nothing(self.kafka.start(self._progress), self._start_aws(stack))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop both servers; a temporary data folder goes with them."""
        await self._stack.aclose()

    @property
    def request_log(self) -> Path:
        """Where each Clean Rooms ML request is written down."""
        return self.data_dir / "requests.jsonl"

    def environment(self) -> dict[str, str]:
        """Variables with which the service, boto3 and the AWS command line find this sandbox."""
        return environment(self.bootstrap, self.endpoint_url)

    @property
    def processes(self) -> tuple[int, ...]:
        """Process ids of the running servers; each is a process group too."""
        return (self.kafka.pid, *([self._aws.pid] if self._aws else []))

    async def wait_broken(self) -> None:
        """Wait until one of the servers ends on its own, which is an error.

        Raises:
            StartError: always; with the last lines of the log of what ended.
        """
        assert self._aws is not None  # noqa: S101
        ends = {
            asyncio.create_task(self.kafka.wait_ended()): ("Kafka", self.kafka.last_log),
            asyncio.create_task(self._aws.wait_ended()): ("The AWS side", self._aws.last_log),
        }
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
        name, last_log = ends[done.pop()]
        raise StartError(f"{name} of the sandbox has ended on its own. The last lines of its log:\n{last_log()}")

    def _prepare_folder(self, stack: AsyncExitStack) -> None:
        if self._temporary:
            self.data_dir = Path(tempfile.mkdtemp(prefix="cleanroomsml-up-"))
            stack.callback(shutil.rmtree, self.data_dir)
        self.data_dir.mkdir(parents=True, exist_ok=True)

    async def _start_aws(self, stack: AsyncExitStack) -> None:
        """Fetch the data while the server starts, then provision it."""
        folders = ["--request-log", str(self.request_log), "--data-dir", str(self.data_dir / "models")]
        options = ["--port", str(self.port), *folders, *self._serve_options]
        command = [sys.executable, "-m", "sandbox", "serve", *options]
        self._aws = Child(command, log=self.data_dir / "aws.log")
        stack.push_async_callback(self._aws.stop)
        fetching = asyncio.to_thread(movielens.seed_for, self._film)
        healthy = f"{self.endpoint_url}/_sandbox/health"
        started = until_answers(
            self._aws, healthy, _START_SECONDS, "The AWS side of the sandbox", lambda found: found["status"] == "ok"
        )
        self.taste, _ = await all_or_nothing(fetching, started)
        self.data = await asyncio.to_thread(movielens.catalogue, self.storage, self.taste)


def environment(bootstrap: str, endpoint_url: str) -> dict[str, str]:
    """Variables with which the service, boto3 and the AWS command line find a sandbox at these addresses."""
    return {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
        "CRML_KAFKA__REPLICATION_FACTOR": "1",
        "CRML_TARGETS__DEFAULT__ENDPOINT_URL": endpoint_url,
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }


def download(progress: Progress) -> None:
    """Fetch what a first start needs; done here and not within the event loop, so that Ctrl-C ends it at once.

    Raises:
        JarError: Kafka could not be fetched.
        DownloadError: MovieLens could not be fetched.
    """
    fetch_jars(progress)
    if not any(movielens.cache_folder().glob("recbole-*.whl")):
        progress("fetching MovieLens-100k: 2 MB (only once)")
    movielens.fetch()


async def all_or_nothing(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Run all of it; when one fails, end the others and raise what the first to fail said."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until_answers(child: Child, url: str, seconds: float, name: str, fits: Callable[[Any], bool]) -> None:
    """Wait until a server that was just started answers a request with 200, and with JSON that says that all is well.

    Raises:
        StartError: it ended, or takes too long; with the last lines of its log.
    """
    deadline = time.monotonic() + seconds
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2.0)) as session:
        while not await _answers(session, url, fits):
            if child.poll() is not None:
                raise StartError(f"{name} ended; its last words:\n{child.last_log()}")
            if time.monotonic() > deadline:
                raise StartError(f"{name} did not answer in {seconds:.0f} s:\n{child.last_log()}")
            await asyncio.sleep(_POLL_SECONDS)


async def _answers(session: aiohttp.ClientSession, url: str, fits: Callable[[Any], bool]) -> bool:
    try:
        async with session.get(url) as answer:
            return answer.status == 200 and fits(await answer.json())
    except (aiohttp.ClientError, TimeoutError):
        return False


def require_free(port: int, option: str) -> None:
    """Refuse a port on which something listens.

    Raises:
        StartError: it is taken; with the option that chooses another one.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StartError(port_taken(port, option)) from error


async def until_interrupted(work: Coroutine[Any, Any, None]) -> bool:
    """Run work until it ends or a signal (Ctrl-C, SIGTERM, a closed terminal) asks to stop; then it is cancelled.

    Returns:
        Whether a signal came. Further signals do not disturb the work's own cleaning up.
    """
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, asked.set)
    working, stopping = asyncio.create_task(work), asyncio.create_task(asked.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        interrupted = not working.done()
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
    finally:
        stopping.cancel()
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
    return interrupted
