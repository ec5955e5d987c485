"""Whatever is sent as an answer: a replica reads no more of it than AWS ever sends, and no call fails as not sent."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping

import botocore.session
import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape

from schemas.operations import OPERATIONS
from service.adapters.aws import AwsApi, Clients, bodies
from service.core import faults
from service.core.observations import Lost
from service.runtime.ports import Failure, Reply
from service.settings import Target
from tests.support.wire import Request, Server, answer, serving

CREATE = ("CreateAudienceModel", {"name": "m", "trainingDatasetArn": "arn:aws:cleanrooms-ml:x:1:training-dataset/a"})
LIST = ("ListAudienceModels", {"maxResults": 100})
PIECE = b" " * 65_536
LENGTH, CHUNKED, CLOSED = "with a length", "in chunks", "until the connection closes"
ROLE = "arn:aws:iam::123456789012:role/x"


class Endless:
    """Sends an answer of 100 MB, and announces more, for as long as it is read."""

    def __init__(self, status: int, framing: str) -> None:
        self.status, self.framing, self.sent = status, framing, 0

    async def __call__(self, _request: Request, writer: asyncio.StreamWriter) -> None:
        header = {LENGTH: "Content-Length: 1000000000", CHUNKED: "Transfer-Encoding: chunked", CLOSED: "X: y"}
        writer.write(f"HTTP/1.1 {self.status} X\r\n{header[self.framing]}\r\n\r\n".encode())
        piece = b"%x\r\n%s\r\n" % (len(PIECE), PIECE) if self.framing == CHUNKED else PIECE
        while self.sent < 100_000_000:
            writer.write(piece)
            await writer.drain()
            self.sent += len(PIECE)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
async def sessions(server: Server) -> AsyncIterator[Clients]:
    target = Target(region="eu-west-1", endpoint_url=server.url, connect_timeout=1, read_timeout=5, pool=2)
    sessions = Clients({"default": target})
    await sessions.client("default")
    yield sessions
    await sessions.close()


async def call(sessions: Clients, request: tuple[str, Mapping[str, object]]) -> Reply | Failure:
    return await AwsApi(sessions).call("default", *request, timeout=20.0)


@pytest.mark.parametrize("request_", [CREATE, LIST], ids=lambda value: value[0])
@pytest.mark.parametrize("status", [200, 400, 503])
@pytest.mark.parametrize("framing", [LENGTH, CHUNKED, CLOSED])
async def test_an_answer_without_an_end_is_read_up_to_the_limit(
    sessions: Clients,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
    framing: str,
    status: int,
    request_: tuple[str, Mapping[str, object]],
) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 1_000_000)
    server.behaviour = endless = Endless(status, framing)
    outcome = await call(sessions, request_)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("InvalidResponse", True)
    assert isinstance(faults.observe(outcome), Lost)
    assert len(server.requests) == 1
    assert endless.sent < 20_000_000  # what lies in the sockets of both sides
    server.behaviour = answer(200, {"audienceModels": []})
    assert isinstance(await call(sessions, LIST), Reply)


async def test_the_limit_is_what_it_says(sessions: Clients, server: Server) -> None:
    server.behaviour = answer(200, b"{}" + b" " * (bodies.LARGEST - 1))
    outcome = await call(sessions, LIST)
    assert isinstance(outcome, Failure)
    assert str(bodies.LARGEST) in outcome.message
    full = b'{"audienceModels": []}'
    server.behaviour = answer(200, full + b" " * (bodies.LARGEST - len(full)))
    outcome = await call(sessions, LIST)
    assert isinstance(outcome, Reply)
    assert outcome.size == bodies.LARGEST


async def test_nothing_is_decompressed(sessions: Clients, server: Server) -> None:
    """A body in gzip, which no request asks for, is no answer, however small it is."""
    server.behaviour = answer(200, gzip.compress(b" " * 100_000_000, 1), Content_Encoding="gzip")
    outcome = await call(sessions, CREATE)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("InvalidResponse", True)
    assert server.requests[0].headers["accept-encoding"] == "identity"


async def test_the_answer_of_sts_has_the_same_limit(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "LARGEST", 1_000_000)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    target = Target(region="eu-west-1", endpoint_url=server.url, read_timeout=5, role_arn=ROLE)
    sessions = Clients({"default": target})
    server.behaviour = endless = Endless(200, CHUNKED)
    try:
        outcome = await call(sessions, CREATE)
        assert isinstance(outcome, Failure)
        assert (outcome.code, outcome.sent) == ("CredentialsUnavailable", False)
        assert "longer than" in outcome.message
        assert endless.sent < 60_000_000  # in three attempts
    finally:
        await sessions.close()


def test_no_answer_of_the_model_is_longer() -> None:
    """Every string as long as the model lets it be, and every character of it escaped."""
    service = botocore.session.get_session().get_service_model("cleanroomsml")
    shapes = [service.operation_model(name).output_shape for name in OPERATIONS]
    longest = max(_longest(shape) for shape in shapes if shape is not None)
    assert bodies.LARGEST / 4 < longest < bodies.LARGEST


def _longest(shape: Shape) -> int:
    """Bytes of a value in JSON; 100 items of a list and 2,048 characters of a string where the model does not say."""
    if isinstance(shape, StructureShape):
        return 2 + sum(len(name) + 4 + _longest(member) for name, member in shape.members.items())
    if isinstance(shape, ListShape):
        return 2 + int(shape.metadata.get("max", 100)) * (_longest(shape.member) + 1)
    if isinstance(shape, MapShape):
        return 2 + int(shape.metadata.get("max", 100)) * (_longest(shape.key) + _longest(shape.value) + 2)
    if isinstance(shape, StringShape):
        return 2 + (max(map(len, shape.enum)) if shape.enum else 6 * int(shape.metadata.get("max", 2048)))
    return 30
