"""Authenticates again on a connection whose session is about to expire, as KIP-368 has it.

Brokers limit how long a SASL session lives (``connections.max.reauth.ms``, or a token's own end) and close a connection
that is used after that. aiokafka does not know of it (aio-libs/aiokafka#1015): each expiry would break a connection in
mid-request, which for a transaction means that its outcome is unknown. Here the first request that comes when four
fifths of a session have passed waits for a new authentication on the same connection; whatever comes meanwhile waits
too, because the broker takes nothing else in between. An idle connection needs no attention: a broker lets an expired
session authenticate again, as long as nothing else is sent first.

``install`` replaces a name in aiokafka 0.14; tests/secured/test_sessions.py watches sessions expire on a real Kafka.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any, Final

from aiokafka import conn
from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaError, SaslAuthenticationFailed
from aiokafka.protocol.admin import ApiVersionRequest, SaslAuthenticateRequest, SaslHandShakeRequest

from .tokens import TokenUnavailable

EARLY: Final = 0.8
"""A session is renewed when so much of it has passed."""
LEAST: Final = 1.1
"""Seconds between two authentications: a broker closes a connection that does it more than once a second."""
RETRY: Final = 5.0
"""Seconds between attempts when there is no new token, while the session still lives."""

_AUTHENTICATION: Final = (ApiVersionRequest, SaslHandShakeRequest, SaslAuthenticateRequest)

_log = logging.getLogger(__name__)


def install() -> None:
    """Makes all SASL connections of this process renew their sessions. Idempotent."""
    conn.AIOKafkaConnection = RenewingConnection


class RenewingConnection(AIOKafkaConnection):  # type: ignore[misc] # aiokafka has no types
    """A connection that knows when its session ends."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._due = float("inf")
        self._renewal: asyncio.Task[None] | None = None

    def send(self, request: Any, expect_response: bool = True) -> Awaitable[Any]:
        """Sends, at once or when the session has been renewed."""
        if isinstance(request, SaslAuthenticateRequest):
            return self._authenticating(super().send(request), time.monotonic())
        if isinstance(request, _AUTHENTICATION) or (self._renewal is None and time.monotonic() < self._due):
            sent: Awaitable[Any] = super().send(request, expect_response)
            return sent
        return self._send_renewed(request, expect_response)

    async def _send_renewed(self, request: Any, expect_response: bool) -> Any:
        if self._renewal is None:
            self._renewal = asyncio.create_task(self._renew(), name=f"renew session with {self.host}:{self.port}")
        await asyncio.shield(self._renewal)
        return await super().send(request, expect_response)

    async def _authenticating(self, answering: Awaitable[Any], begun: float) -> Any:
        """Notes how long the session lives: the last answer says it, those before it say 0."""
        answer = await answering
        if answer.error_code == 0 and answer.sasl_auth_bytes and self._sasl_mechanism == "OAUTHBEARER":
            # A broker refuses a token by a message, and fails only when it is acknowledged; aiokafka takes it for yes.
            error = SaslAuthenticationFailed(f"the broker refuses our token: {_plain(answer.sasl_auth_bytes)}")
            self.close(reason=CloseReason.AUTH_FAILURE, exc=error)
            raise error
        seconds = getattr(answer, "session_lifetime_ms", 0) / 1000
        self._due = begun + max(LEAST, EARLY * seconds) if seconds > 0 else float("inf")
        return answer

    async def _renew(self) -> None:
        """Never raises: a connection that could not be renewed is closed, and tasks that wait for it find it closed."""
        begun, where = time.monotonic(), f"{self.host}:{self.port}"
        try:
            if self._sasl_oauth_token_provider is not None:
                await self._sasl_oauth_token_provider.token()  # before the broker takes nothing else any more
            await self._do_sasl_handshake()
        except TokenUnavailable as error:
            self._due = time.monotonic() + RETRY
            _log.warning("Kafka session not renewed; retrying", extra={"broker": where, "error": str(error)})
        except (KafkaError, OSError, ValueError, AssertionError) as error:
            self.close(reason=CloseReason.AUTH_FAILURE, exc=error)
            _log.warning("Kafka session not renewed; connection closed", extra={"broker": where, "error": repr(error)})
        else:
            seconds = round(time.monotonic() - begun, 4)
            _log.debug("Kafka session renewed", extra={"broker": where, "seconds": seconds})
        finally:
            self._renewal = None


def _plain(message: bytes) -> str:
    """A broker's message, for a log."""
    text = message.decode("ascii", "backslashreplace")
    return "".join(letter if letter.isprintable() else " " for letter in text)[:200]
