"""Tokens for Kafka: fetched once, kept while they are good, and an outage of their source is survived."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from service.adapters.kafka.auth.oauth_tokens import RETRY, Token, Tokens, TokenUnavailable, expiry, of_file
from service.adapters.kafka.auth.security import token_provider
from service.settings.oauth import OAuth
from tests.support.wire import Behaviour, Request, Server, answer, close, garbage, serving

SECRET = "s3cret:with/signs+&="


class Source:
    """Gives tokens that live 100 s by a clock of the test's; counts and can fail."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.failure: Exception | None = None
        self.life = 100.0
        self.tokens = Tokens(self.fetch, lambda: self.now)

    async def fetch(self) -> Token:
        self.asked += 1
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        return Token(f"token-{self.asked}", self.now, self.now + self.life)


async def test_many_connections_share_one_token() -> None:
    source = Source()
    assert set(await asyncio.gather(*(source.tokens.token() for _ in range(30)))) == {"token-1"}
    source.now += 79
    assert await source.tokens.token() == "token-1"
    source.now += 2
    assert set(await asyncio.gather(*(source.tokens.token() for _ in range(30)))) == {"token-2"}
    assert source.asked == 2


async def test_a_good_token_outlives_an_outage_of_its_source() -> None:
    source = Source()
    await source.tokens.token()
    source.failure = TokenUnavailable("down")
    source.now += 81
    with capture_logs() as logs:
        assert await source.tokens.token() == "token-1"
        assert await source.tokens.token() == "token-1"
    assert [line["log_level"] for line in logs] == ["warning"], "once, not for every connection"
    assert source.asked == 2
    source.now += RETRY - 0.5
    with pytest.raises(TokenUnavailable, match="down"):
        await source.tokens.token()
    source.failure = None
    assert await source.tokens.token() == f"token-{source.asked}"


async def test_without_a_token_connecting_fails_as_kafka_fails() -> None:
    source = Source()
    source.failure = TokenUnavailable("down")
    with pytest.raises(TokenUnavailable, match="down"):
        await source.tokens.token()


@pytest.mark.looptime
async def test_a_source_that_never_answers_is_given_up() -> None:
    async def never() -> Token:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TokenUnavailable, match="no token for Kafka came within 10 s"):
        await Tokens(never).token()


async def test_a_token_that_is_as_good_as_expired_is_refused() -> None:
    source = Source()
    source.life = 5
    with pytest.raises(TokenUnavailable, match="valid for 5 s only, expected at least 10 s"):
        await source.tokens.token()


def jwt(**claims: Any) -> str:
    parts = (b'{"alg":"none"}', json.dumps(claims).encode(), b"")
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "a.!.c", jwt(), jwt(exp="soon"), "a.W10.c"])
def test_what_says_no_expiry(text: str) -> None:
    assert expiry(text) is None


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
async def test_a_clock_that_is_set_neither_spends_nor_prolongs_a_token(tmp_path: Path, step: float) -> None:
    """By a clock that was set back, a token that had expired would have been shown to brokers for a day."""
    passed, wall, file = 0.0, 1000.0, tmp_path / "token"
    file.write_text(jwt(exp=1100))
    tokens = Tokens(of_file(file, lambda: passed, lambda: wall), lambda: passed)
    await tokens.token()
    file.write_text(jwt(exp=1900 + step))
    wall += step
    assert await tokens.token() == jwt(exp=1100)
    passed, wall = passed + 100.0, wall + 100.0
    assert await tokens.token() == jwt(exp=1900 + step)


async def test_a_file_is_read_again(tmp_path: Path) -> None:
    now, file = 1000.0, tmp_path / "token"
    file.write_text(jwt(exp=1100) + "\n")
    tokens = Tokens(of_file(file, lambda: now, lambda: now), lambda: now)
    assert await tokens.token() == jwt(exp=1100)
    file.write_text(jwt(exp=1900))
    assert await tokens.token() == jwt(exp=1100)
    now += 81
    assert await tokens.token() == jwt(exp=1900)


@pytest.mark.parametrize(
    ("content", "told"),
    [(None, "No such file"), ("", "it is empty"), (jwt(exp=990), "the token expired 10 s ago; who renews it")],
)
async def test_a_file_of_no_use_is_told(tmp_path: Path, content: str | None, told: str) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    with pytest.raises(TokenUnavailable, match=told):
        await of_file(file, lambda: 0.0, lambda: 1000.0)()


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


def test_secrets_have_no_representation() -> None:
    assert SECRET not in repr(Token(SECRET, 0, 1))
