"""An identity provider is asked as RFC 6749 says, and what it says wrong is reported without a secret."""

import asyncio
import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from schemas.kafka.tokens import TokenUnavailable
from service.adapters.kafka.auth.security import token_provider
from service.settings.oauth import OAuth
from tests.support.wire import Behaviour, Request, Server, answer, close, garbage, serving

SECRET = "s3cret:with/signs+&="


class Endpoint:
    """An identity provider."""

    def __init__(self) -> None:
        self.behave: Behaviour = answer(200, {"access_token": "abc", "expires_in": 60})
        self.requests: list[Request] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.requests.append(request)
        await self.behave(request, writer)


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, Server]]:
    endpoint = Endpoint()
    async with serving(endpoint) as server:
        yield endpoint, server


def settings(server: Server, **more: Any) -> OAuth:
    more = {"client_id": "me", "client_secret": SECRET} | more
    return OAuth(provider="client_credentials", token_url=f"{server.url}/token", **more)


async def test_the_endpoint_is_asked_as_rfc_6749_says(endpoint: tuple[Endpoint, Server]) -> None:
    fake, server = endpoint
    assert await token_provider(settings(server, scope="kafka read", audience="broker")).token() == "abc"
    (request,) = fake.requests
    assert (request.method, request.path) == ("POST", "/token")
    assert request.body == b"grant_type=client_credentials&scope=kafka+read&audience=broker"
    name, _, proof = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (name, proof) == ("me", "s3cret%3Awith%2Fsigns%2B%26%3D")


async def test_a_renewed_secret_file_is_used(endpoint: tuple[Endpoint, Server], tmp_path: Path) -> None:
    fake, server = endpoint
    fake.behave = answer(200, {"access_token": "abc", "expires_in": "10.5"})
    file = tmp_path / "secret"
    file.write_text("first\n")
    provider = token_provider(settings(server, client_secret=None, client_secret_file=file))
    await provider.token()
    file.write_text("second\n")
    await asyncio.sleep(0.6)
    await provider.token()
    proofs = [base64.b64decode(one.headers["authorization"].split()[1]) for one in fake.requests]
    assert proofs == [b"me:first", b"me:second"]


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (answer(401, {"error": "invalid_client", "error_description": SECRET}), "HTTP 401 invalid_client; check"),
        (answer(500, b"<html>"), "HTTP 500"),
        (answer(302, b"", Location="http://127.0.0.1:1/"), "HTTP 302"),
        (answer(200, {"token": SECRET}), "no access_token"),
        (answer(200, {"access_token": SECRET}), "does not say when the token expires"),
        (answer(200, {"access_token": SECRET, "expires_in": "soon"}), "could not convert"),
        (answer(200, {"access_token": SECRET, "expires_in": [1]}), "must be a string or a real number"),
        (answer(200, b"[1]"), "no access_token"),
        (answer(200, {"access_token": "a", "expires_in": 3}), "valid for 3 s only"),
        (close, "token endpoint"),
        (garbage, "token endpoint"),
    ],
)
async def test_an_endpoint_that_gives_nothing(
    endpoint: tuple[Endpoint, Server], behaviour: Behaviour, told: str
) -> None:
    fake, server = endpoint
    fake.behave = behaviour
    with pytest.raises(TokenUnavailable, match=told) as caught:
        await token_provider(settings(server)).token()
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value.__cause__)


async def test_an_endpoint_that_is_away() -> None:
    oauth = OAuth(provider="client_credentials", token_url="http://127.0.0.1:1/x", client_id="me", client_secret=SECRET)
    with pytest.raises(TokenUnavailable, match=r"token endpoint http://127.0.0.1:1/x: Cannot connect"):
        await token_provider(oauth).token()
