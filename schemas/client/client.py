"""The client: sends commands and follows what becomes of them, thousands at a time over one consumer."""

import asyncio
import hashlib
import logging
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self, TypeVar, Unpack, overload
from weakref import WeakValueDictionary

from .. import cloudevents
from ..events import Message
from .chain import Chain
from .changes import CommandChange, Received, decode
from .composing import Attributes, CommandRequest, checked, compose, digest_of, extensions_of, utf8
from .errors import InvalidCommandError, NotConnectedError, PublisherError
from .job import JobHandle
from .requests import CancelCommand, CancelCommandResult
from .settings import ClientSettings
from .transport import ChangeReader, Positions, Transport

R = TypeVar("R")

Since = datetime | float
"""A moment: a ``datetime`` with a time zone, or epoch seconds."""

_LONGEST_ID: Final = cloudevents.MAX_ID
_log = logging.getLogger("cleanroomsml.client")


class Client:
    """A publisher: ``async with Client(settings) as client``.

    Every command is checked as the service checks it, before it is sent. All replies and events are read by one
    consumer without a group, which takes its positions before the first command is sent: no reply is missed.
    """

    def __init__(self, settings: ClientSettings, transport: Transport | None = None) -> None:
        """A client that is not connected yet.

        Args:
            settings: Who sends, and to where.
            transport: Instead of Kafka's: the test kit's twin has one.
        """
        self.settings = settings
        self._transport = transport
        self._reader: ChangeReader | None = None
        self._following: asyncio.Task[None] | None = None
        self._ended: PublisherError | None = None
        self._jobs: WeakValueDictionary[tuple[str, str], JobHandle[Any]] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        """Connects, and takes the positions from which replies are read.

        Raises:
            UnreachableError: Kafka can't be reached or refuses access, or a topic is missing.
        """
        if self._transport is None:
            from .kafka import KafkaTransport

            self._transport = KafkaTransport(self.settings)
        transport, reader = self._transport, self._transport.reader()
        try:
            await transport.open()
            await reader.open()
        except BaseException:
            await reader.close()
            await transport.close()
            raise
        self._reader, self._ended = reader, None
        for job in list(self._jobs.values()):
            job.fail(None)
        self._following = asyncio.create_task(self._follow(reader), name="cleanroomsml client: follow replies")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Disconnects. Commands that were sent go on; waits for their replies end with :class:`NotConnectedError`."""
        following, reader, self._following, self._reader = self._following, self._reader, None, None
        if following is not None:
            following.cancel()
            await asyncio.wait([following])
        self._end(NotConnectedError("the client was closed; the command goes on, and client.job(id) finds it again"))
        try:
            if reader is not None:
                await reader.close()
        finally:
            if self._transport is not None:
                await self._transport.close()

    # --- commands ------------------------------------------------------------------------------------------------

    async def send(
        self,
        request: CommandRequest[R],
        /,
        *,
        id: str = "",  # noqa: A002
        key: str = "",
        check: bool = True,
        **attributes: Unpack[Attributes],
    ) -> JobHandle[R]:
        """Sends a command; returns when Kafka has it.

        The same id again, with the same content and key, is the same command: it is safe to repeat a call whose outcome
        is not known, in another process too.

        Args:
            request: Operation and members.
            id: Idempotency key, together with the settings' source: choose a name of the task, so that a repeat has the
                same one. By default a new one, which :attr:`JobHandle.id` shows.
            key: Commands with equal keys are performed in order; a repeat needs the same one. By default the id.
            check: Whether an invalid command is refused here.
            attributes: See :class:`Attributes`.

        Raises:
            InvalidCommandError: The service would reject it, or the id belongs to another command of this client.
            UnreachableError: It was not written.
            SendUnknownError: It may have been written: send the same id again.
        """
        job, message = self.prepare(request, id=id, key=key, check=check, **attributes)
        await self.publish(message)
        return job

    def prepare(
        self,
        request: CommandRequest[R],
        /,
        *,
        id: str = "",  # noqa: A002
        key: str = "",
        check: bool = True,
        **attributes: Unpack[Attributes],
    ) -> tuple[JobHandle[R], Message]:
        """The first half of :meth:`send`: checks a command and registers it, so that its replies are noticed."""
        command_id = id or str(uuid.uuid4())
        record_key = utf8(key or command_id, "key" if key else "id")
        extensions = extensions_of(attributes)
        if self.settings.reply_to:
            extensions.setdefault("replyto", self.settings.reply_to)
        message = compose(
            request,
            command_id=command_id,
            source=self.settings.source,
            key=record_key,
            extensions=extensions,
            time=cloudevents.format_time(time.time()),
        )
        digest = checked(message).digest if check else digest_of(message)
        return self._registered(command_id, record_key, digest, attributes.get("target") or ""), message

    async def publish(self, message: Message) -> tuple[str, int, int]:
        """The second half of :meth:`send`: writes a prepared command; returns topic, partition and offset."""
        if self._reader is None or self._transport is None:
            raise NotConnectedError("the client is not open: use it as `async with Client(settings) as client`")
        return await self._transport.send(message)

    def chain(self, *, key: str, **attributes: Unpack[Attributes]) -> Chain:
        """Collects commands that refer to each other; they are sent, in order, when the block is left without an error.

        Args:
            key: Of all of them.
            attributes: Of all of them, unless one has its own.
        """
        return Chain(self.prepare, self.publish, key, attributes)

    # --- what was sent before --------------------------------------------------------------------------------------

    @overload
    async def job(
        self,
        id: str,
        request: type[CommandRequest[R]],
        *,
        since: Since | None = None,
        key: str = "",
    ) -> JobHandle[R]: ...

    @overload
    async def job(self, id: str, *, since: Since | None = None, key: str = "") -> JobHandle[dict[str, Any]]: ...

    async def job(
        self,
        id: str,  # noqa: A002
        request: type[CommandRequest[Any]] | None = None,
        *,
        since: Since | None = None,
        key: str = "",
    ) -> JobHandle[Any]:
        """A command of this source that was sent earlier, by whatever process.

        Args:
            id: Its id.
            request: Its type, for the type of the result.
            since: From when on its replies are searched for; None finds only what is published from now on. Shortly
                before it was sent is best: everything since then is read.
            key: The key it was sent with; needed to cancel it.

        Raises:
            UnreachableError: Kafka can't be reached.
        """
        return (await self.jobs([id], since=since, key=key))[0]

    async def jobs(
        self,
        ids: Iterable[str],
        *,
        since: Since | None = None,
        key: str = "",
    ) -> list[JobHandle[Any]]:
        """Many such commands at once: what was published since then is read once for all of them."""
        self._open_reader()
        found = [self._registered(each, utf8(key, "key") or None, "") for each in ids]
        if since is not None:
            await self._catch_up({one.id: one for one in found}, _epoch(since))
        return found

    async def changes(self, since: Since | None = None) -> AsyncGenerator[CommandChange, None]:
        """All replies and events of all publishers, without end, by a consumer of its own.

        Args:
            since: From when on; None begins now.

        Raises:
            UnreachableError: Kafka can't be reached.
        """
        self._open_reader()
        assert self._transport is not None  # noqa: S101 - open
        reader = self._transport.reader()
        try:
            await reader.open(None if since is None else _epoch(since))
            while True:
                for record in await reader.read():
                    if (change := decode(record)) is not None:
                        yield change
        finally:
            await reader.close()

    async def history(self, since: Since) -> AsyncGenerator[CommandChange, None]:
        """All replies and events of all publishers up to now, by a consumer of its own.

        Args:
            since: From when on.

        Raises:
            UnreachableError: Kafka can't be reached.
        """
        self._open_reader()
        assert self._transport is not None  # noqa: S101 - open
        async for record in _until_end(self._transport.reader(), _epoch(since)):
            if (change := decode(record)) is not None:
                yield change

    # --- inside ----------------------------------------------------------------------------------------------------

    def _open_reader(self) -> ChangeReader:
        if self._reader is None:
            raise NotConnectedError("the client is not open: use it as `async with Client(settings) as client`")
        return self._reader

    def _registered(self, command_id: str, key: bytes | None, digest: str, target: str = "") -> JobHandle[Any]:
        job = self._jobs.get((self.settings.source, command_id))
        if job is None:
            job = JobHandle(command_id, self.settings.source, key, digest, self._cancel)
            self._jobs[self.settings.source, command_id] = job
        job.agree(key, digest, target)
        job.fail(self._ended)
        return job

    async def _cancel(
        self, job: JobHandle[Any], request: CancelCommand, command_id: str
    ) -> JobHandle[CancelCommandResult]:
        if job.key is None:
            raise InvalidCommandError(f"the key of {job.id} is not known, and a cancellation needs the same one")
        target: Attributes = {"target": job.target} if job.target else {}
        return await self.send(request, id=command_id or _derived(request, job), key=job.key.decode(), **target)

    async def _catch_up(self, jobs: Mapping[str, JobHandle[Any]], since: float) -> None:
        """Reads what was published about commands from a time up to now."""
        assert self._transport is not None  # noqa: S101 - open
        with _held(jobs.values()):
            async for record in _until_end(self._transport.reader(), since):
                change = decode(record)
                if change is not None and self._is_ours(change) and change.command_id in jobs:
                    jobs[change.command_id].add(change, earlier=True)

    async def _follow(self, reader: ChangeReader) -> None:
        try:
            while True:
                for record in await reader.read():
                    self._take(record)
        except PublisherError as error:
            self._end(error)
        except Exception as error:  # whatever it is: no wait must hang for it
            _log.exception("reading replies ended with a defect; please report it")
            found = NotConnectedError(f"reading replies ended with {type(error).__name__}; open a new client")
            found.__cause__ = error
            self._end(found)

    def _end(self, error: PublisherError) -> None:
        """Ends all waits, and those that begin later, until the client is opened again."""
        self._ended = error
        for job in list(self._jobs.values()):
            job.fail(error)

    def _take(self, record: Received) -> None:
        change = decode(record)
        if change is not None and self._is_ours(change):
            job = self._jobs.get((change.command_source, change.command_id))
            if job is not None:
                job.add(change)

    def _is_ours(self, change: CommandChange) -> bool:
        return change.tenant == self.settings.tenant and change.command_source == self.settings.source


async def _until_end(reader: ChangeReader, since: float) -> AsyncIterator[Received]:
    """What was written from a time up to now; the reader is closed at the end."""
    try:
        await reader.open(since)
        ends = await reader.ends()
        while _is_behind(reader.positions(), ends):
            for record in await reader.read():
                if record.offset < ends.get((record.topic, record.partition), 0):
                    yield record
    finally:
        await reader.close()


def _is_behind(positions: Positions, ends: Positions) -> bool:
    return any(positions.get(partition, 0) < end for partition, end in ends.items())


@contextmanager
def _held(jobs: Iterable[JobHandle[Any]]) -> Iterator[None]:
    held = list(jobs)
    for job in held:
        job.hold()
    try:
        yield
    finally:
        for job in held:
            job.release()


def _epoch(moment: Since) -> float:
    if not isinstance(moment, datetime):
        return float(moment)
    if moment.tzinfo is None:
        raise ValueError("since has no time zone; use datetime.now(UTC) or another aware time")
    return moment.timestamp()


def _derived(request: CancelCommand, job: JobHandle[Any]) -> str:
    """An id of a cancellation that a repeat gives again; one with other content has another."""
    verb = "delete" if request.deleteResource else "cancel"
    named = f"{job.target}:{job.id}" if job.target else job.id
    if len(f"{verb}:{named}") <= _LONGEST_ID:
        return f"{verb}:{named}"
    return f"{verb}:{hashlib.sha256(named.encode()).hexdigest()}"
