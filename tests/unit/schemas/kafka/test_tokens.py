"""Tokens for Kafka: fetched once, kept while they are good, and an outage of their source is survived."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest

from schemas.kafka.tokens import RETRY, Token, Tokens, TokenUnavailable, expiry, of_file

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


async def test_a_good_token_outlives_an_outage_of_its_source(caplog: pytest.LogCaptureFixture) -> None:
    source = Source()
    await source.tokens.token()
    source.failure = TokenUnavailable("down")
    source.now += 81
    assert await source.tokens.token() == "token-1"
    assert await source.tokens.token() == "token-1"
    assert [line.levelname for line in caplog.records] == ["WARNING"], "once, not for every connection"
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


def test_secrets_have_no_representation() -> None:
    assert SECRET not in repr(Token(SECRET, 0, 1))
