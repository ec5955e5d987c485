"""Tokens for MSK by the service's settings: roles, endpoints and refusals, without holding the event loop up."""

import asyncio
import base64
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from botocore.credentials import Credentials

from schemas.kafka.tokens import TokenUnavailable
from service.adapters.aws import addresses
from service.adapters.aws.clients import Clients
from service.adapters.kafka.auth import security
from service.adapters.kafka.auth.security import fetch_of, token_provider
from service.settings.oauth import OAuth
from tests.support.identities import SECRETS, Aws, assumed
from tests.support.wire import Behaviour, Request, Server, answer, serving

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PLAIN = Credentials("AKIAEXAMPLE", "sec/ret+key=")
ASSUMED = Credentials("ASIAEXAMPLE", "sec/ret+key=", "to/ken+with=signs&more")


def parameters(token: str) -> tuple[str, dict[str, str]]:
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    return f"{url.scheme}://{url.netloc}{url.path}", dict(parse_qsl(url.query, keep_blank_values=True))


@pytest.fixture
async def aws() -> AsyncIterator[tuple[Aws, Server]]:
    aws = Aws()
    async with serving(aws) as server:
        yield aws, server


def settings(server: Server, **more: Any) -> OAuth:
    role = "arn:aws:iam::111122223333:role/kafka"
    return OAuth(provider="msk_iam", region="eu-west-1", role_arn=role, sts_endpoint_url=server.url, **more)


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIABASE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "base")


async def test_a_role_is_assumed_once_and_the_token_kept(aws: tuple[Aws, Server], base: None) -> None:
    fake, server = aws
    fake.assume = assumed("ASIAKAFKA")
    provider = token_provider(settings(server, external_id="external", session_name="crml"))
    tokens = {await provider.token() for _ in range(20)}
    assert len(tokens) == 1
    told = parameters(tokens.pop())[1]
    assert told["X-Amz-Credential"].startswith("ASIAKAFKA/")
    assert told["X-Amz-Security-Token"] == SECRETS["session"]
    (asked,) = fake.assumptions
    assert (asked["ExternalId"], asked["RoleSessionName"]) == ("external", "crml")


@pytest.mark.parametrize("fips", [False, True])
async def test_a_pods_token_for_msk_goes_to_no_hidden_address(monkeypatch: pytest.MonkeyPatch, fips: bool) -> None:
    """Nor past FIPS, if a target demands it."""
    asked: list[str] = []

    class Shown(Clients):
        async def frozen_credentials(self, _: str) -> Any:
            asked.append(addresses.chain_address(self.base, "eu-west-1"))
            return PLAIN

    monkeypatch.setattr(security, "Clients", Shown)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", "https://vpce.example" if fips else "http://192.0.2.2:1")
    await token_provider(OAuth(provider="msk_iam", region="eu-west-1"), fips=fips).token()
    assert asked == [f"https://sts{'-fips' if fips else ''}.eu-west-1.amazonaws.com"]


DENIED = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>"


async def test_the_next_token_asks_for_credentials_anew(aws: tuple[Aws, Server], base: None) -> None:
    """What the first one has used is closed; a second one, 12 minutes later, must not miss it."""
    fake, server = aws
    fetch = fetch_of(settings(server))
    for key in ("ASIAFIRST", "ASIASECOND"):
        fake.assume = assumed(key)
        token = await fetch()
        assert parameters(token.text)[1]["X-Amz-Credential"].startswith(f"{key}/")


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [(answer(403, DENIED, Content_Type="text/xml"), "AccessDenied"), (answer(403, b"{canary}"), "ResponseParserError")],
)
async def test_a_role_that_is_refused_is_told(
    aws: tuple[Aws, Server], base: None, behaviour: Behaviour, told: str
) -> None:
    fake, server = aws
    fake.assume = behaviour
    wanted = rf"no AWS credentials for MSK: .*{told}.*check the role and its trust policy"
    with pytest.raises(TokenUnavailable, match=wanted) as caught:
        await token_provider(settings(server)).token()
    assert "canary" not in str(caught.value)


async def test_without_any_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    with pytest.raises(TokenUnavailable, match="Unable to locate credentials"):
        await token_provider(OAuth(provider="msk_iam", region="eu-west-1")).token()


async def test_the_loop_runs_while_a_role_is_assumed(aws: tuple[Aws, Server], base: None) -> None:
    fake, server = aws
    given, asked, waiting = assumed("ASIAKAFKA"), asyncio.Event(), asyncio.Event()

    async def late(request: Request, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await waiting.wait()
        await given(request, writer)

    fake.assume = late
    asking = asyncio.create_task(token_provider(settings(server)).token())
    await asked.wait()  # STS is a server in this very loop: a blocked one would never get here
    assert not asking.done()
    waiting.set()
    assert parameters(await asking)[1]["X-Amz-Credential"].startswith("ASIAKAFKA/")
