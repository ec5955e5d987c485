"""Tokens for SASL OAUTHBEARER: fetched when needed, kept until shortly before they expire, one fetch at a time.

A token that is still good outlives an outage of its source: while it lasts, a failed renewal is only logged. Without
one, connecting fails with `TokenUnavailable`, which aiokafka takes for a broker that can't be reached, and tries again.
"""

import asyncio
import base64
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaError

from .clock import steady

EARLY: Final = 0.8
"""A token is renewed when so much of its life has passed."""
LEAST_LEFT: Final = 10.0
"""Seconds of life that a token must have left to be of use: the broker must still believe it when it gets it."""
RETRY: Final = 10.0
"""Seconds between attempts to renew a token that is still good."""
DEADLINE: Final = 10.0
"""Timeout of a fetch in seconds; below aiokafka's own timeout of a connection."""

_log = logging.getLogger(__name__)


class TokenUnavailable(KafkaError):  # type: ignore[misc] # aiokafka has no types
    """No token could be had; the message says from where, and why, and never repeats a secret."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token and when it was made and will expire, in steady seconds; ``text`` is a secret.

    By the wall clock a token would seem good for hours after its end when that clock is set back.
    """

    text: str = field(repr=False)
    made: float
    expires: float

    def is_good(self, now: float) -> bool:
        """Whether it may still be shown to a broker."""
        return self.expires - now >= LEAST_LEFT

    def is_fresh(self, now: float) -> bool:
        """Whether nothing need be done about it yet."""
        return self.is_good(now) and now < self.made + EARLY * (self.expires - self.made)


Fetch = Callable[[], Awaitable[Token]]


class Tokens(AbstractTokenProvider):  # type: ignore[misc] # aiokafka has no types
    """What aiokafka asks for a token before it authenticates.

    Args:
        fetch: Gives a new token, or raises `TokenUnavailable`.
        clock: Steady seconds.
    """

    def __init__(self, fetch: Fetch, clock: Callable[[], float] = steady) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._lock = asyncio.Lock()
        self._retry_at = float("-inf")

    async def token(self) -> str:
        """A token that is good for some time yet.

        Raises:
            TokenUnavailable: There is none.
        """
        token = self._token
        if token is None or not token.is_fresh(self._clock()):
            async with self._lock:
                token = await self._renewed()
        return token.text

    async def _renewed(self) -> Token:
        now, kept = self._clock(), self._token
        good = kept if kept is not None and kept.is_good(now) else None
        if good is not None and (good.is_fresh(now) or now < self._retry_at):
            return good
        try:
            self._token = await self._fetched()
        except TokenUnavailable as error:
            if good is None:
                raise
            self._retry_at = now + RETRY
            _log.warning(
                "Kafka token could not be renewed; the current one is still valid", extra={"error": str(error)}
            )
            return good
        return self._token

    async def _fetched(self) -> Token:
        try:
            async with asyncio.timeout(DEADLINE):
                token = await self._fetch()
        except TimeoutError as error:
            message = f"no token for Kafka came within {DEADLINE:.0f} s; check the address and the network"
            raise TokenUnavailable(message) from error
        left = token.expires - self._clock()
        if not token.is_good(self._clock()):
            raise TokenUnavailable(
                f"a new token for Kafka is valid for {left:.0f} s only, expected at least {LEAST_LEFT:.0f} s; let its"
                " source give longer ones, or check this machine's clock"
            )
        return token


def of_file(file: Path, clock: Callable[[], float] = steady, wall: Callable[[], float] = time.time) -> Fetch:
    """Reads a file that others renew, every time: a projected service-account token changes without a notice."""

    async def fetch() -> Token:
        try:
            text = (await asyncio.to_thread(file.read_text, "ascii")).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise TokenUnavailable(f"token file {file}: {brief(error)}") from error
        if not text:
            raise TokenUnavailable(f"token file {file}: it is empty")
        now, left = clock(), seconds_left(text, wall())
        if left is not None and left <= 0:
            raise TokenUnavailable(f"token file {file}: the token expired {-left:.0f} s ago; who renews it?")
        # Made now as far as we know: it is read again when four fifths of what is left have passed.
        return Token(text, now, now + (60.0 if left is None else left))

    return fetch


def seconds_left(token: str, wall: float) -> float | None:
    """Seconds until a JWT says that it expires."""
    expires = expiry(token)
    return None if expires is None else expires - wall


def expiry(token: str) -> float | None:
    """When a JWT says that it expires, in epoch seconds; it is not verified, for that is the broker's affair."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    seconds = claims.get("exp") if isinstance(claims, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else None


def brief(error: Exception) -> str:
    """An error's message in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__
