"""Calls without botocore's events: what leaves, and what comes of an answer, is exactly what the SDK makes of it."""

import json
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from unittest import mock

import pytest
from aiobotocore.awsrequest import AioAWSResponse
from botocore.exceptions import ClientError

from schemas.operations import OPERATIONS
from service.adapters.aws.bodies import Body
from service.adapters.aws.clients import Clients
from service.adapters.aws.direct_calls import DirectCalls
from service.adapters.aws.transport import Attempt, SingleSendSession, attempting
from service.settings import Target
from tests.support import samples

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
ODD = "a b/c:d?e=f&g+h~i%20*('é')\u2028"
GET = ("GetAudienceModel", {"audienceModelArn": "arn:aws:cleanrooms-ml:eu-west-1:1:audience-model/a"})
Sent = tuple[str, str, dict[str, str], bytes | None]


class Wire:
    """What a session is given to send, and what it answers."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.status, self.body = 200, b"{}"
        self.headers = {"content-type": "application/json", "x-amzn-requestid": "r-1"}

    async def send(self, request: Any) -> AioAWSResponse:
        headers = {name: _text(value) for name, value in request.headers.items()}
        self.sent.append((request.method, request.url, headers, request.body))
        return AioAWSResponse(request.url, self.status, self.headers, Body(self.body))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Wire]:
    """All requests at one moment, under one id."""
    wire = Wire()
    monkeypatch.setattr(SingleSendSession, "send", lambda _, request: wire.send(request))
    for clock in ("botocore.auth", "botocore.compat"):
        monkeypatch.setattr(f"{clock}.get_current_datetime", lambda *_, **__: NOW)
    with mock.patch.object(uuid, "uuid4", return_value=uuid.UUID(int=7)):
        yield wire


async def both(wire: Wire, request: tuple[str, Mapping[str, Any]], **target: Any) -> list[Any]:
    """What came of a call by the SDK, and by us."""
    clients = Clients({"default": Target(**{"region": "eu-west-1", **target})})
    client = await clients.client("default")
    direct = client._make_api_call
    assert isinstance(direct, DirectCalls)
    found: list[Any] = []
    for perform in (direct._by_sdk, direct):
        try:
            with attempting(Attempt()):
                found.append(await perform(*request))
        except ClientError as error:
            found.append((type(error).__name__, error.response))
    assert direct._endpoints[request[0]] is not None, "it was not the SDK that was asked twice"
    await clients.close()
    return found


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_every_operation_is_sent_as_the_sdk_sends_it(wire: Wire, operation: str, full: bool) -> None:
    await both(wire, (operation, samples.payload(operation, full=full)))
    by_sdk, direct = wire.sent
    assert direct == by_sdk
    assert "Signature=" in direct[2]["Authorization"]


@pytest.mark.parametrize(
    "request_",
    [
        ("GetAudienceModel", {"audienceModelArn": ODD}),
        ("ListAudienceModels", {"nextToken": ODD, "maxResults": 3}),
        ("UntagResource", {"resourceArn": ODD, "tagKeys": [ODD, "b", "a a", ""]}),
        ("TagResource", {"resourceArn": ODD, "tags": {ODD: ODD}}),
        ("ListAudienceModels", {}),
    ],
    ids=lambda request_: request_[0],
)
@pytest.mark.parametrize(
    "target",
    [
        {},
        {"endpoint_url": "http://127.0.0.1:8080"},
        {"endpoint_url": "https://vpce.example:443/some/../path//x"},
        {"endpoint_url": "https://vpce.example/some%20path/"},
        {"fips": True, "region": "us-east-1"},
        {"dualstack": True, "region": "us-west-2"},
    ],
    ids=str,
)
async def test_whatever_is_in_a_request_and_wherever_it_goes(
    wire: Wire, request_: tuple[str, dict[str, Any]], target: dict[str, Any]
) -> None:
    await both(wire, request_, **target)
    by_sdk, direct = wire.sent
    assert direct == by_sdk


async def test_a_session_token_is_sent_and_signed(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "the+token/=")
    await both(wire, GET)
    by_sdk, direct = wire.sent
    assert direct == by_sdk
    assert direct[2]["X-Amz-Security-Token"] == "the+token/="


async def test_other_keys_and_another_day_have_a_signing_key_of_their_own(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients = Clients({"default": Target(region="eu-west-1")})
    client = await clients.client("default")
    direct = client._make_api_call
    for day in (4, 5, 4):
        monkeypatch.setattr("botocore.compat.get_current_datetime", lambda day=day, **_: NOW.replace(day=day))
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda day=day, **_: NOW.replace(day=day))
        for secret in ("one", "other"):
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
            keys = mock.Mock(access_key="AK", secret_key=secret, token=None)
            with mock.patch.object(client._request_signer._credentials, "get_frozen_credentials", _given(keys)):
                for perform in (direct._by_sdk, direct):
                    await perform(*GET)
    assert wire.sent[0::2] == wire.sent[1::2]
    assert len({headers["Authorization"] for _, _, headers, _ in wire.sent}) == 4
    await clients.close()


def _given(keys: Any) -> Any:
    async def get_frozen_credentials() -> Any:
        return keys

    return get_frozen_credentials


ANSWERS: list[tuple[int, Any, dict[str, str]]] = [
    (200, {"audienceModelArn": "a", "status": "ACTIVE", "createTime": "2026-01-01T00:00:00Z", "unknown": 1}, {}),
    (200, None, {}),
    (400, {"message": "no"}, {"x-amzn-errortype": "ValidationException"}),
    (404, {"__type": "aws#ResourceNotFoundException", "Message": "gone"}, {}),
    (
        402,
        {"message": "full", "quotaName": "q", "quotaValue": 2.0},
        {"x-amzn-errortype": "ServiceQuotaExceededException"},
    ),
    (429, {"message": "slow"}, {"x-amzn-errortype": "ThrottlingException", "retry-after": "3"}),
    (409, {"code": "ConflictException"}, {}),
    (500, None, {}),
    (503, b"<html>busy</html>", {"content-type": "text/html"}),
]


@pytest.mark.parametrize(("status", "body", "headers"), ANSWERS)
async def test_an_answer_means_what_the_sdk_says(wire: Wire, status: int, body: Any, headers: dict[str, str]) -> None:
    wire.status, wire.body = status, body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
    wire.headers = {**wire.headers, **headers}
    by_sdk, direct = await both(wire, GET)
    metadata = by_sdk["ResponseMetadata"] if isinstance(by_sdk, dict) else by_sdk[1]["ResponseMetadata"]
    assert [metadata.pop(name) for name in ("RetryAttempts", "MaxAttemptsReached")] == [0, True]
    assert direct == by_sdk


async def test_what_needs_more_goes_the_sdks_way(wire: Wire) -> None:
    clients = Clients({"default": Target(region="eu-west-1")})
    client = await clients.client("default")
    model = client.meta.service_model.operation_model(GET[0])
    with mock.patch.object(type(model), "http_checksum", {"requestChecksumRequired": True}), attempting(Attempt()):
        await client.get_audience_model(**GET[1])
    assert client._make_api_call._endpoints[GET[0]] is None
    assert len(wire.sent) == 1
    await clients.close()
