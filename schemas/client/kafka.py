"""The client's transport over aiokafka.

A producer whose record was given up is refused in that partition for good, so each failure of a send is followed by a
new producer and the same record: the service recognises repeats. The reader has no consumer group; it knows its
positions itself, and a broken consumer is followed by a new one at the same positions.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
    SaslAuthenticationFailed,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnsupportedSaslMechanismError,
)

from ..events import Message
from ..kafka.client_shutdown import shut_down
from .changes import Received
from .errors import SendUnknownError, UnreachableError
from .security import options
from .settings import ClientSettings
from .transport import Positions

LARGEST: Final = 1_114_112
"""Bytes of the largest record that is sent: 1 MiB of value, and 64 KiB for key and headers."""
BACKOFF_BASE: Final = 0.2
"""Seconds before the first repeat."""
BACKOFF_CAP: Final = 5.0
"""Seconds before any repeat, at most."""
POLL: Final = 0.5
"""Seconds that a read waits for records."""

REFUSED: Final = (
    TopicAuthorizationFailedError,
    ClusterAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
    MessageSizeTooLargeError,
    RecordTooLargeError,
)
"""Kafka has not written the record and would not write it if asked again."""

_log = logging.getLogger("cleanroomsml.client")


class KafkaTransport:
    """A producer, replaced when it fails, and readers."""

    def __init__(self, settings: ClientSettings) -> None:
        self._settings = settings
        self._producer: Any = None
        self._lock = asyncio.Lock()
        self._options: Mapping[str, Any] = {}

    async def open(self) -> None:
        """See :class:`schemas.client.transport.Transport`."""
        async with _reaching(f"connecting to {self._settings.bootstrap_servers}", self._settings.connect_timeout):
            self._options = await asyncio.to_thread(options, self._settings)
            await self._current()

    async def send(self, message: Message) -> tuple[str, int, int]:
        """See :class:`schemas.client.transport.Transport`."""
        clock = asyncio.get_running_loop().time
        until, attempt = clock() + self._settings.send_timeout, 0
        topic, unknown = self._settings.commands_topic, False
        while True:
            producer, failure = None, ""
            try:
                async with asyncio.timeout(until - clock()):
                    producer = await self._current()
                    unknown = True
                    sent = await producer.send_and_wait(
                        topic, message.value, message.key, headers=list(message.headers)
                    )
                return sent.topic, sent.partition, sent.offset
            except REFUSED as error:
                raise UnreachableError(f"{topic} takes no such command from this client: {error!r}") from error
            except TimeoutError:
                failure = f"no answer within {self._settings.send_timeout:g} s"
            except (KafkaError, OSError, AssertionError) as error:
                failure = repr(error)
            if producer is not None:
                await self._discard(producer)
            attempt += 1
            pause = min(BACKOFF_CAP, BACKOFF_BASE * 2**attempt)
            if clock() + pause >= until:
                kind = SendUnknownError if unknown else UnreachableError
                raise kind(f"sending to {topic}: {failure}; send the same id again")
            _log.info("sending a command failed and is repeated: %s", failure)
            await asyncio.sleep(pause)

    def reader(self) -> "KafkaReader":
        """See :class:`schemas.client.transport.Transport`."""
        return KafkaReader(self._settings, self._options)

    async def close(self) -> None:
        """See :class:`schemas.client.transport.Transport`."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await shut_down(producer, self._settings.stop_timeout)

    async def _current(self) -> Any:
        """The producer, connected; one caller at a time connects a new one."""
        async with self._lock:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    **_common(self._settings, self._options), enable_idempotence=True, max_request_size=LARGEST
                )
                try:
                    await producer.start()
                except BaseException:
                    await shut_down(producer, self._settings.stop_timeout)
                    raise
                self._producer = producer
            return self._producer

    async def _discard(self, producer: Any) -> None:
        """Closes a producer that has failed, unless another sender already has."""
        if self._producer is producer:
            self._producer = None
            await shut_down(producer, self._settings.stop_timeout, dirty=True)


class KafkaReader:
    """A consumer without a group, on all partitions of the followed topics, that keeps its positions itself."""

    def __init__(self, settings: ClientSettings, security: Mapping[str, Any]) -> None:
        self._settings = settings
        self._security = security
        self._consumer: Any = None
        self._positions: dict[tuple[str, int], int] = {}
        self._attempt = 0

    async def open(self, since: float | None = None) -> None:
        """See :class:`schemas.client.transport.ChangeReader`."""
        topics = self._settings.followed_topics
        async with _reaching(f"opening {', '.join(topics)}", self._settings.connect_timeout):
            existing = await self._existing()
            if missing := [topic for topic in topics if topic not in existing]:
                raise UnreachableError(f"topic {', '.join(missing)} does not exist, or this client must not see it")
            consumer = await self._connected()
            wanted = [TopicPartition(topic, number) for topic in topics for number in sorted(existing[topic])]
            found = await consumer.end_offsets(wanted)
            if since is not None:
                times = await consumer.offsets_for_times(dict.fromkeys(wanted, max(0, round(since * 1000))))
                found |= {each: at.offset for each, at in times.items() if at is not None}
            self._positions = {(each.topic, each.partition): found[each] for each in wanted}
            self._assign()

    async def read(self) -> list[Received]:
        """See :class:`schemas.client.transport.ChangeReader`."""
        try:
            if self._consumer is None:
                await self._reconnect()
            async with asyncio.timeout(POLL + 2 * self._settings.request_timeout):
                batches = await self._consumer.getmany(timeout_ms=round(POLL * 1000))
                found = await self._taken(batches)
            await asyncio.sleep(0)  # a full buffer is handed over without ever waiting
            self._add_new_partitions()
            self._attempt = 0
        except (KafkaError, OSError, AssertionError, TimeoutError) as error:
            _log.warning("reading replies failed and is repeated: %r", error)
            await self.close()
            self._attempt += 1
            await asyncio.sleep(min(BACKOFF_CAP, BACKOFF_BASE * 2**self._attempt))
            return []
        return found

    async def ends(self) -> Positions:
        """See :class:`schemas.client.transport.ChangeReader`."""
        async with _reaching("reading offsets", self._settings.connect_timeout):
            found = await self._consumer.end_offsets([TopicPartition(*each) for each in self._positions])
        return {(each.topic, each.partition): offset for each, offset in found.items()}

    def positions(self) -> Positions:
        """See :class:`schemas.client.transport.ChangeReader`."""
        return dict(self._positions)

    async def close(self) -> None:
        """See :class:`schemas.client.transport.ChangeReader`."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await shut_down(consumer, self._settings.stop_timeout)

    async def _taken(self, batches: Mapping[Any, Any]) -> list[Received]:
        """The records; positions are the consumer's, since the last offsets may be control records."""
        for topic, partition in self._positions:
            self._positions[topic, partition] = await self._consumer.position(TopicPartition(topic, partition))
        return [
            Received(
                each.topic,
                each.partition,
                each.offset,
                each.timestamp / 1000,
                each.key,
                each.value,
                tuple(each.headers),
            )
            for records in batches.values()
            for each in records
        ]

    async def _existing(self) -> dict[str, list[int]]:
        """Partitions of every topic: asking for one by its name would create it where brokers do so by themselves."""
        admin = AIOKafkaAdminClient(**_common(self._settings, self._security))
        try:
            await admin.start()
            topics = await admin.describe_topics()
        finally:
            await shut_down(admin, self._settings.stop_timeout)
        return {each["topic"]: [part["partition"] for part in each["partitions"]] for each in topics}

    async def _connected(self) -> Any:
        consumer = AIOKafkaConsumer(
            **_common(self._settings, self._security),
            group_id=None,
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )
        self._consumer = consumer
        await consumer.start()
        return consumer

    async def _reconnect(self) -> None:
        async with asyncio.timeout(self._settings.connect_timeout):
            await self._connected()
            self._assign()

    def _assign(self) -> None:
        self._consumer.assign([TopicPartition(*each) for each in self._positions])
        for each, offset in self._positions.items():
            self._consumer.seek(TopicPartition(*each), offset)

    def _add_new_partitions(self) -> None:
        """A topic may have got more partitions: those are read from their beginning."""
        known = {
            (topic, number)
            for topic in self._settings.followed_topics
            for number in self._consumer.partitions_for_topic(topic) or ()
        }
        if fresh := known - self._positions.keys():
            self._positions |= dict.fromkeys(fresh, 0)
            self._assign()


def _common(settings: ClientSettings, security: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": settings.client_id,
        "request_timeout_ms": round(settings.request_timeout * 1000),
        **security,
    }


@asynccontextmanager
async def _reaching(what: str, seconds: float) -> AsyncIterator[None]:
    """Bounds the block in time.

    Raises:
        UnreachableError: The time is over, or Kafka could not be reached or refused access.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise UnreachableError(f"{what}: no answer from Kafka within {seconds:g} s") from error
    except KafkaConnectionError as error:
        message = f"{what}: no broker accepts the connection; check bootstrap_servers and the network"
        raise UnreachableError(message) from error
    except (KafkaError, OSError, AssertionError, ValueError, OverflowError) as error:
        raise UnreachableError(f"{what}: {error!r}") from error
