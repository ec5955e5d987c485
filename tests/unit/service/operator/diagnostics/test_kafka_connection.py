"""Why a broker can't be reached, in words that say what to check; over real sockets on loopback."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiokafka import conn
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from sandbox.kafka.broker import free_port
from schemas.kafka.tokens import TokenUnavailable
from service.adapters.kafka.client_options import KafkaSettings
from service.operator.diagnostics.kafka_connection import BROKER_TIMEOUT, why_unreachable


@pytest.fixture
async def closing() -> AsyncIterator[str]:
    """A server that closes every connection at once."""

    async def accepted(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    listener = await asyncio.start_server(accepted, "127.0.0.1", 0)
    yield f"127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    listener.close()


async def reason(server: str, **security: Any) -> str:
    [(name, why)] = (await why_unreachable(KafkaSettings(server, "g", security=security))).items()
    assert name == server
    return why


async def test_nobody_listens() -> None:
    assert await reason(f"127.0.0.1:{free_port()}") == "does not listen; check bootstrap_servers and the network"


async def test_a_connection_that_is_closed_at_once(closing: str) -> None:
    assert await reason(closing) == "closes the connection at once; check security_protocol (PLAINTEXT is set)"


async def test_no_tls_where_tls_is_spoken(closing: str) -> None:
    context = ssl.create_default_context()
    why = await reason(closing, security_protocol="SSL", ssl_context=context)
    assert "security_protocol" in why
    assert "ssl_cert_file" in why


async def test_each_server_is_told_apart(closing: str) -> None:
    other = f"127.0.0.1:{free_port()}"
    told = await why_unreachable(KafkaSettings(f"{closing},{other}", "g"))
    assert list(told) == [closing, other]
    assert told[closing] != told[other]


class Connection:
    def __init__(self) -> None:
        self.closed = 0

    async def send(self, _request: Any) -> None:
        await asyncio.sleep(0)

    def close(self) -> None:
        self.closed += 1


def connecting(monkeypatch: pytest.MonkeyPatch, outcome: Exception | Connection) -> None:
    async def create_conn(*_: Any, **__: Any) -> Any:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(conn, "create_conn", create_conn)


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


CERTIFICATE = ssl.SSLCertVerificationError(1, "no")
CERTIFICATE.verify_message = "self-signed certificate"
PROTOCOL = ssl.SSLError(1, "no")
PROTOCOL.reason = "WRONG_VERSION_NUMBER"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            SaslAuthenticationFailed("bad\n credentials"),
            "refuses user crml: check sasl_username and sasl_password (bad",
        ),
        (UnsupportedSaslMechanismError("SCRAM"), "does not offer sasl_mechanism PLAIN (SCRAM)"),
        (TokenUnavailable("no endpoint"), "can't be shown a token: no endpoint"),
        (CERTIFICATE, "shows a certificate that is not to be trusted: self-signed certificate; check ssl_ca_file"),
        (PROTOCOL, "does not agree on TLS: wrong version number; check security_protocol, ssl_cert_file"),
        (TimeoutError(), f"did not answer within {BROKER_TIMEOUT:.0f} s; check bootstrap_servers"),
        (caused(KafkaConnectionError("x"), ConnectionRefusedError()), "does not listen"),
        (ValueError("odd"), "fails: ValueError('odd')"),
    ],
)
async def test_each_reason_has_its_own_words(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    connecting(monkeypatch, error)
    assert (await reason("b:9092", sasl_plain_username="crml", sasl_mechanism="PLAIN")).startswith(words)


async def test_a_token_that_is_refused_is_no_password(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting(monkeypatch, SaslAuthenticationFailed("x" * 1000))
    why = await reason("b:9092", sasl_mechanism="OAUTHBEARER")
    assert why.startswith("refuses our token: check kafka.oauth (")
    assert len(why) < 400


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    connecting(monkeypatch, caused(KafkaConnectionError("x"), socket.gaierror(-2, "no")))
    assert await reason("nowhere:9092") == "has no such host name; check bootstrap_servers"


async def test_a_broker_that_answers_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    connection = Connection()
    connecting(monkeypatch, connection)
    assert await reason("b:9092") == "answers now: try again"
    assert connection.closed == 1
