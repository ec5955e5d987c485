"""The adapter room: real sockets on loopback, no AWS, no Kafka."""

from collections.abc import AsyncIterator

import pytest

from service.adapters.aws import Clients
from tests.support.identities import Aws
from tests.support.wire import Server, serving


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own AWS configuration plays no part."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "canary-secret-key")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
async def server(aws: Aws) -> AsyncIterator[Server]:
    async with serving(aws) as server:
        yield server


@pytest.fixture
async def made() -> AsyncIterator[list[Clients]]:
    made: list[Clients] = []
    yield made
    for sessions in made:
        await sessions.close()
