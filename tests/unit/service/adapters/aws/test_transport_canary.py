"""No credential is ever logged: every way in, every refusal and every broken answer, with all logs at DEBUG."""

import base64
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from service.adapters.aws import AwsApi, Clients
from service.adapters.telemetry import configure_logging
from service.operator.diagnostics.aws_target import probe
from service.runtime.ports import Cause
from tests.support import samples, wire
from tests.support.identities import ROLE, SECRETS, Aws, denied, joined
from tests.support.wire import Behaviour, Server, answer, refusal

CREATE = ("CreateAudienceModel", samples.payload("CreateAudienceModel", full=False))
LIST = ("ListAudienceModels", {"maxResults": 1})
EXTERNAL_ID = "canary-external-id"
TOKEN = "e30." + base64.urlsafe_b64encode(b'{"sub":"canary-sub"}').decode().rstrip("=") + ".canary-signature"
CANARIES = ("canary-secret-key", *SECRETS.values(), EXTERNAL_ID, TOKEN, "canary-signature", "canary-proxy-password")


@pytest.fixture(autouse=True)
def log() -> Iterator[io.StringIO]:
    """Everything that the service would write, at DEBUG."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in ("service", "aiobotocore", "aiohttp", "botocore")}
    configure_logging("debug")
    written = io.StringIO()
    for handler in root.handlers:
        assert isinstance(handler, logging.StreamHandler)
        handler.setStream(written)
    yield written
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(params=["keys", "web identity", "pod identity"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, server: Server, tmp_path: Path) -> str:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    if request.param != "keys":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    if request.param == "web identity":
        monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
        monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    if request.param == "pod identity":
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/v1/credentials")
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    return str(request.param)


@pytest.fixture
async def entered(made: list[Clients], server: Server, way: str) -> tuple[Clients, AwsApi]:
    return joined(
        made,
        server,
        role_arn=ROLE,
        external_id=EXTERNAL_ID,
        proxy=server.url.replace("http://", "http://user:canary-proxy-password@"),
    )


async def calls(api: AwsApi, marker: str, **more: Any) -> None:
    for call in (LIST, CREATE):
        await api.call("default", *call, timeout=4, cause=Cause(marker, "c", "films"), **more)


def assert_silent(log: io.StringIO, least: int) -> None:
    text = log.getvalue()
    found = [canary for canary in CANARIES if canary in text]
    assert not found, text
    assert len(text.splitlines()) >= least, "something must have been logged, or this proves nothing"
    for line in text.splitlines():
        json.loads(line)


async def test_success_tells_no_secret(entered: tuple[Clients, AwsApi], log: io.StringIO) -> None:
    sessions, api = entered
    await calls(api, "0" * 26)
    findings = await probe(sessions, api, "default", 4)
    assert all(finding.ok for finding in findings), findings
    assert not [canary for canary in CANARIES for finding in findings if canary in finding.message]
    assert_silent(log, 3)


@pytest.mark.parametrize(
    "broken",
    [
        denied("AccessDenied", "not trusted"),
        denied("ExpiredTokenException", status=400),
        answer(200, b"<html>"),
        wire.cut,
    ],
    ids=["denied", "expired", "garbage", "cut"],
)
async def test_a_refusing_sts_tells_no_secret(
    entered: tuple[Clients, AwsApi], aws: Aws, log: io.StringIO, broken: Behaviour
) -> None:
    sessions, api = entered
    await calls(api, "0" * 26)
    aws.assume = broken
    sessions.access("default").invalidate(None)
    await calls(api, "1" * 26)
    findings = await probe(sessions, api, "default", 4)
    assert not [canary for canary in CANARIES for finding in findings if canary in finding.message]
    assert_silent(log, 4)


@pytest.mark.parametrize(
    "broken",
    [refusal(403, "AccessDeniedException"), refusal(403, "UnrecognizedClientException"), answer(200, b"<"), wire.close],
    ids=["denied", "unknown keys", "garbage", "closed"],
)
async def test_a_refusing_api_tells_no_secret(
    entered: tuple[Clients, AwsApi], aws: Aws, log: io.StringIO, broken: Behaviour
) -> None:
    _, api = entered
    aws.ml = broken
    await calls(api, "0" * 26)
    await calls(api, "0" * 26, may_send=lambda: False)
    assert_silent(log, 4)


async def test_a_source_that_fails_tells_no_secret(
    made: list[Clients], server: Server, aws: Aws, way: str, log: io.StringIO
) -> None:
    """Renewals that fail early and late are the ones that botocore logs with a traceback."""
    sessions, api = joined(made, server)
    aws.lifetime = 14 * 60
    await calls(api, "0" * 26)
    aws.good_token = "another"
    await calls(api, "1" * 26)
    await probe(sessions, api, "default", 4)
    assert_silent(log, 3)


def test_the_canaries_would_be_seen(log: io.StringIO) -> None:
    """The same libraries, uncapped, do tell: so it is the logs' configuration that these tests are about."""
    logging.getLogger("botocore").setLevel(logging.DEBUG)
    logging.getLogger("botocore.endpoint").warning("body %s", SECRETS["session"])
    assert SECRETS["session"] in log.getvalue()
