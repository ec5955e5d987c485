"""Says why a broker can't be reached: aiokafka only says that none can, and logs the reason."""

import asyncio
import socket
import ssl
from typing import Any

from aiokafka import conn
from aiokafka.errors import KafkaConnectionError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError
from aiokafka.protocol.metadata import MetadataRequest

from schemas.kafka.tokens import TokenUnavailable
from service.adapters.kafka.client_options import KafkaSettings, milliseconds
from service.runtime.errors import causes

BROKER_TIMEOUT = 5.0
"""Seconds for each broker."""


async def why_unreachable(settings: KafkaSettings) -> dict[str, str]:
    """What happened at each bootstrap server, in words for an operator."""
    hosts = conn.collect_hosts(settings.bootstrap_servers, randomize=False)
    reasons = await asyncio.gather(*(_try(settings, host, port) for host, port, _ in hosts))
    return {f"{host}:{port}": reason for (host, port, _), reason in zip(hosts, reasons, strict=True)}


async def _try(settings: KafkaSettings, host: str, port: int) -> str:
    connection: Any = None
    try:
        async with asyncio.timeout(BROKER_TIMEOUT):
            connection = await conn.create_conn(
                host,
                port,
                client_id=f"{settings.client_id}-check",
                request_timeout_ms=milliseconds(BROKER_TIMEOUT),
                **settings.security,
            )
            await connection.send(MetadataRequest([]))
    except (KafkaError, OSError, ValueError) as error:
        return _reason(error, settings)
    finally:
        if connection is not None:
            connection.close()
    return "answers now: try again"


def _reason(error: Exception, settings: KafkaSettings) -> str:
    protocol = settings.security.get("security_protocol", "PLAINTEXT")
    for each in causes(error):
        if reason := _of_sasl(each, settings) or _of_tls(each) or _of_network(each):
            return reason
    if isinstance(error, KafkaConnectionError | ConnectionError):
        hints = ["security_protocol"]
        hints += ["ssl_cert_file, if the broker wants one"] if protocol == "SSL" else []
        return f"closes the connection at once; check {' and '.join(hints)} ({protocol} is set)"
    return f"fails: {error!r}"


def _of_sasl(error: BaseException, settings: KafkaSettings) -> str:
    if isinstance(error, TokenUnavailable):
        return f"can't be shown a token: {_words(error)}"
    if isinstance(error, SaslAuthenticationFailed):
        name = settings.security.get("sasl_plain_username")
        who = f"user {name}: check sasl_username and sasl_password" if name else "our token: check kafka.oauth"
        return f"refuses {who} ({_words(error)})"
    if isinstance(error, UnsupportedSaslMechanismError):
        return f"does not offer sasl_mechanism {settings.security.get('sasl_mechanism')} ({_words(error)})"
    return ""


def _of_tls(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"shows a certificate that is not to be trusted: {error.verify_message}; check ssl_ca_file"
    if isinstance(error, ssl.SSLError):
        text = (error.reason or str(error)).replace("_", " ").lower()
        return f"does not agree on TLS: {text}; check security_protocol, ssl_cert_file and ssl_key_file"
    return ""


def _of_network(error: BaseException) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "does not listen; check bootstrap_servers and the network"
    if isinstance(error, socket.gaierror):
        return "has no such host name; check bootstrap_servers"
    if isinstance(error, TimeoutError):
        return (
            f"did not answer within {BROKER_TIMEOUT:.0f} s; check bootstrap_servers, security_protocol and the network"
        )
    return ""


def _words(error: BaseException) -> str:
    """What was said, without the class that aiokafka's errors put before it."""
    return " ".join(str(error.args[0] if error.args else error).split())[:300]
