"""A session is renewed before it expires, on the same connection, before anything else is sent."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed
from aiokafka.protocol.admin import ApiVersionRequest, SaslAuthenticateRequest
from aiokafka.protocol.group import HeartbeatRequest

from schemas.kafka import reauthentication as module
from schemas.kafka.reauthentication import EARLY, LEAST, RETRY, RenewingConnection
from schemas.kafka.tokens import TokenUnavailable

pytestmark = pytest.mark.looptime

HEARTBEAT = HeartbeatRequest("g", 1, "m")


class Tokens(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    def __init__(self) -> None:
        self.error: Exception | None = None
        self.given = 0

    async def token(self) -> str:
        if self.error:
            raise self.error
        self.given += 1
        return "token"


class Bench:
    """A connection over no socket: what is sent, and what the broker says to an authentication."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed: list[Any] = []
        self.lifetime = 100.0
        self.code, self.message = 0, b""
        self.error: Exception | None = None
        self.tokens = Tokens()
        self.connection: Any = None

    def send(self, request: Any, _expect_response: bool = True) -> Any:
        self.sent.append(type(request))
        return self._answer(request)

    async def _answer(self, request: Any) -> Any:
        await asyncio.sleep(0.1)
        if isinstance(request, SaslAuthenticateRequest):
            return SimpleNamespace(
                error_code=self.code, sasl_auth_bytes=self.message, session_lifetime_ms=int(self.lifetime * 1000)
            )
        return "answer"

    async def handshake(self) -> None:
        if self.error:
            raise self.error
        await self.connection.send(ApiVersionRequest())
        await self.connection.send(SaslAuthenticateRequest(b"x"))

    def close(self, reason: Any = None, exc: Any = None) -> None:
        self.closed.append(exc)

    async def authenticate(self) -> None:
        await self.handshake()
        self.sent.clear()

    async def beat(self) -> Any:
        return await self.connection.send(HEARTBEAT)


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench()
    monkeypatch.setattr(AIOKafkaConnection, "send", bench.send)
    monkeypatch.setattr(AIOKafkaConnection, "close", bench.close)
    monkeypatch.setattr(AIOKafkaConnection, "_do_sasl_handshake", bench.handshake)
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: asyncio.get_running_loop().time()))
    bench.connection = RenewingConnection(
        "broker", 9092, sasl_mechanism="OAUTHBEARER", sasl_oauth_token_provider=bench.tokens
    )
    return bench


AUTHENTICATION = [ApiVersionRequest, SaslAuthenticateRequest]


async def test_a_session_is_used_as_it_is_for_most_of_its_life(bench: Bench) -> None:
    await bench.authenticate()
    await asyncio.sleep(EARLY * bench.lifetime - 1)
    assert await bench.beat() == "answer"
    assert bench.sent == [HeartbeatRequest]


async def test_the_first_request_after_that_waits_for_a_new_session(bench: Bench) -> None:
    await bench.authenticate()
    await asyncio.sleep(EARLY * bench.lifetime + 1)
    assert await asyncio.gather(*(bench.beat() for _ in range(3))) == ["answer"] * 3
    assert bench.sent == [*AUTHENTICATION, *[HeartbeatRequest] * 3]
    await asyncio.sleep(EARLY * bench.lifetime - 1)
    await bench.beat()
    assert bench.sent[5:] == [HeartbeatRequest]
    assert bench.tokens.given == 1


async def test_a_session_without_an_end_is_never_renewed(bench: Bench) -> None:
    bench.lifetime = 0.0
    await bench.authenticate()
    await asyncio.sleep(100_000)
    await bench.beat()
    assert bench.sent == [HeartbeatRequest]


async def test_a_broker_is_not_asked_more_than_once_a_second(bench: Bench) -> None:
    bench.lifetime = 0.5
    await bench.authenticate()
    await asyncio.sleep(LEAST - 0.2)
    await bench.beat()
    assert bench.sent == [HeartbeatRequest]


async def test_without_a_new_token_the_old_session_is_used_while_it_lives(bench: Bench) -> None:
    await bench.authenticate()
    bench.tokens.error = TokenUnavailable("no answer")
    await asyncio.sleep(EARLY * bench.lifetime + 1)
    assert await bench.beat() == "answer"
    await bench.beat()
    assert bench.sent == [HeartbeatRequest] * 2
    assert bench.closed == []
    bench.tokens.error = None
    await asyncio.sleep(RETRY + 1)
    await bench.beat()
    assert bench.sent[2:] == [*AUTHENTICATION, HeartbeatRequest]


@pytest.mark.parametrize("error", [KafkaConnectionError(), ConnectionResetError(), ValueError(), AssertionError()])
async def test_a_session_that_cannot_be_renewed_is_closed(bench: Bench, error: Exception) -> None:
    await bench.authenticate()
    bench.error = error
    await asyncio.sleep(EARLY * bench.lifetime + 1)
    await bench.beat()
    assert bench.closed == [error]


async def test_a_broker_refuses_a_token_by_a_message(bench: Bench) -> None:
    """Aiokafka takes it for yes."""
    bench.message = b'{"status":"invalid_token"}\x00\xff\n' + b"x" * 1000
    with pytest.raises(SaslAuthenticationFailed, match=r"the broker refuses our token: .*invalid_token") as raised:
        await bench.authenticate()
    assert bench.closed == [raised.value]
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 400


async def test_a_failed_authentication_is_aiokafkas_to_judge(bench: Bench) -> None:
    bench.code, bench.message = 58, b"no"
    await bench.authenticate()
    assert bench.closed == []


async def test_a_caller_that_is_cancelled_breaks_no_renewal(bench: Bench) -> None:
    await bench.authenticate()
    await asyncio.sleep(EARLY * bench.lifetime + 1)
    one, other = asyncio.create_task(bench.beat()), asyncio.create_task(bench.beat())
    await asyncio.sleep(0.05)
    one.cancel()
    assert await other == "answer"
    assert bench.sent == [*AUTHENTICATION, HeartbeatRequest]


def test_installing_replaces_aiokafkas_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", conn.AIOKafkaConnection)
    module.install()
    module.install()
    assert conn.AIOKafkaConnection is RenewingConnection
