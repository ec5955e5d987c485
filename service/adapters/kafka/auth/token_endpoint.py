"""Tokens from an identity provider's token endpoint."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from schemas.kafka.clock import steady
from schemas.kafka.tokens import DEADLINE, Fetch, Token, TokenUnavailable, brief, seconds_left


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """How to ask a token endpoint (RFC 6749, client credentials).

    Attributes:
        url: The endpoint.
        client_id: Who asks.
        secret: Gives the proof of it: it may have changed since the last time.
        more: Further parameters, such as ``scope`` and ``audience``.
        ssl: As aiohttp takes it; True verifies by the system's certificates.
    """

    url: str
    client_id: str
    secret: Callable[[], str] = field(repr=False)
    more: Mapping[str, str] = field(default_factory=dict)
    ssl: Any = True


def of_endpoint(
    endpoint: TokenEndpoint, clock: Callable[[], float] = steady, wall: Callable[[], float] = time.time
) -> Fetch:
    """Fetches from a token endpoint; the client proves itself by HTTP Basic, as RFC 6749 recommends."""

    async def fetch() -> Token:
        made = clock()
        try:
            answer = await _post(endpoint)
            seconds = float(answer["expires_in"]) if "expires_in" in answer else None  # some send it as a string
        except (aiohttp.ClientError, OSError, ValueError, TypeError) as error:
            raise TokenUnavailable(f"token endpoint {endpoint.url}: {brief(error)}") from error
        text = answer.get("access_token")
        if not isinstance(text, str) or not text:
            raise TokenUnavailable(f"token endpoint {endpoint.url}: there is no access_token in its answer")
        left = seconds if seconds is not None else seconds_left(text, wall())
        if left is None:
            raise TokenUnavailable(f"token endpoint {endpoint.url}: its answer does not say when the token expires")
        return Token(text, made, made + left)

    return fetch


async def _post(endpoint: TokenEndpoint) -> Mapping[str, Any]:
    form = {"grant_type": "client_credentials", **endpoint.more}
    # Both are form-encoded first, says RFC 6749, 2.3.1: a colon in them would be mistaken.
    basic = aiohttp.encode_basic_auth(quote_plus(endpoint.client_id), quote_plus(endpoint.secret()))
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with (
        aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
        session.post(
            endpoint.url, data=form, headers={"Authorization": basic}, ssl=endpoint.ssl, allow_redirects=False
        ) as answer,
    ):
        body = await answer.content.read(65_536)
    content = _mapping(body)
    if answer.status != 200:
        code = str(content.get("error", ""))[:60]
        hint = "; check client_id and client_secret" if answer.status in {400, 401, 403} else ""
        raise TokenUnavailable(f"token endpoint {endpoint.url}: HTTP {answer.status} {code}".rstrip() + hint)
    return content


def _mapping(body: bytes) -> Mapping[str, Any]:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
