"""One connection over several sessions: nothing breaks while it can be renewed, and little is said when it can't."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from schemas.kafka.reauthentication import RenewingConnection
from service.adapters.kafka.auth.security import security
from service.settings import load
from tests.secured.clients import PASSWORD, environment, made, rows_of
from tests.secured.fortress import SESSION_MS, SHORT, Fortress

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(180)]

RENEWED = "Kafka session renewed"


@asynccontextmanager
async def _producer(fortress: Fortress, user: str) -> AsyncIterator[Any]:
    fortress.user(user, PASSWORD)
    loaded = load(environ=environment(fortress, user, made(fortress, "sessions"), SHORT))
    fortress.grant(rows_of(loaded, "publisher", user))
    options = {"bootstrap_servers": fortress.address(SHORT), **security(loaded.kafka)}
    async with AIOKafkaProducer(**options, linger_ms=0, request_timeout_ms=10_000, retry_backoff_ms=20) as producer:
        yield producer


def _connections(producer: Any) -> list[RenewingConnection]:
    return list(producer.client._conns.values())


async def _send(producer: Any) -> None:
    await producer.send_and_wait("sessions.commands", b"x")


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logs() -> Iterator[list[logging.LogRecord]]:
    """What is said of sessions."""
    log, kept = logging.getLogger("schemas.kafka.reauthentication"), _Kept()
    before = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(kept)
    yield kept.records
    log.removeHandler(kept)
    log.setLevel(before)


async def test_many_requests_at_once_wait_for_one_renewal(fortress: Fortress, logs: list[logging.LogRecord]) -> None:
    async with _producer(fortress, "busy") as producer:
        await _send(producer)
        (connection,) = _connections(producer)
        logs.clear()
        for _ in range(3):
            await asyncio.sleep(SESSION_MS / 1000 * 0.9)
            sending = [_send(producer) for _ in range(50)]
            looking = [producer.client.fetch_all_metadata() for _ in range(10)]
            await asyncio.gather(*sending, *looking)
        assert [line.getMessage() for line in logs] == [RENEWED] * 3
        assert _connections(producer) == [connection], "the same connection as before"


async def test_an_idle_connection_is_renewed_when_it_is_used(fortress: Fortress, logs: list[logging.LogRecord]) -> None:
    """Long after its session has ended: a broker still takes an authentication then, and nothing else."""
    async with _producer(fortress, "idle") as producer:
        await _send(producer)
        (connection,) = _connections(producer)
        await asyncio.sleep(2.2 * SESSION_MS / 1000)
        logs.clear()
        await _send(producer)
        assert [line.getMessage() for line in logs] == [RENEWED]
        assert _connections(producer) == [connection]


async def test_a_changed_password_is_told_once(fortress: Fortress, logs: list[logging.LogRecord]) -> None:
    async with _producer(fortress, "changed") as producer:
        await _send(producer)
        fortress.user("changed", "canary-new-password")
        await asyncio.sleep(SESSION_MS / 1000)
        begun = time.monotonic()
        logs.clear()
        with pytest.raises(KafkaError):
            await _send(producer)
        assert time.monotonic() - begun < 30
        (line,) = logs
        assert (line.levelname, line.getMessage()) == ("WARNING", "Kafka session not renewed; connection closed")
        assert "SaslAuthenticationFailed" in vars(line)["error"]
        assert "canary" not in str(vars(line))
        fortress.user("changed", PASSWORD)
        await _send(producer)
