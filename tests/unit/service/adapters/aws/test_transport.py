"""Whatever the wire does: one write per call at most, and an honest word on whether anything left."""

import asyncio
import base64
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from botocore.exceptions import HTTPClientError
from pydantic import SecretStr

from service.adapters.aws import AwsApi, Clients
from service.adapters.aws.direct_calls import PreparedRequest
from service.adapters.aws.failures import failure_of
from service.adapters.aws.transport import Attempt, SingleSendSession, TransportError, attempting
from service.runtime.ports import Failure, Reply
from service.settings import Target
from tests.support import wire
from tests.support.wire import Behaviour, Server, answer, refusal, serving

CREATE = ("CreateAudienceModel", {"name": "m", "trainingDatasetArn": "arn:aws:cleanrooms-ml:x:1:training-dataset/a"})
EXPORT = ("StartAudienceExportJob", {"name": "e", "audienceGenerationJobArn": "a", "audienceSize": {}})
PUT = (
    "PutConfiguredAudienceModelPolicy",
    {"configuredAudienceModelArn": "a", "configuredAudienceModelPolicy": "{}", "previousPolicyHash": "0" * 64},
)
DELETE = ("DeleteAudienceModel", {"audienceModelArn": "a"})
GET = ("GetAudienceModel", {"audienceModelArn": "a"})
LIST = ("ListAudienceModels", {"maxResults": 100})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[AwsApi]:
    target = Target(region="eu-west-1", endpoint_url=server.url, connect_timeout=1, read_timeout=5, pool=2)
    gone = Target(region="eu-west-1", endpoint_url="http://127.0.0.1:9", connect_timeout=1)
    sessions = Clients({"default": target, "gone": gone})
    await sessions.client("default")  # or a loaded machine makes it within a test's deadline
    api = AwsApi(sessions)
    yield api
    await api.close()


async def call(api: AwsApi, request: tuple[str, dict[str, Any]], timeout: float = 5.0, **more: Any) -> Reply | Failure:
    return await api.call("default", request[0], request[1], timeout=timeout, **more)


BROKEN: list[tuple[Behaviour, str]] = [
    (wire.close, "ConnectionClosed"),
    (wire.cut, "ConnectionClosed"),
    (wire.garbage, "ConnectionClosed"),
    (answer(500), "500"),
    (answer(503, b"<html>busy</html>"), "503"),
    (answer(502, b"<html>busy</html>", Content_Type="text/html"), "502"),
    (refusal(429, "ThrottlingException"), "ThrottlingException"),
    (refusal(402, "ServiceQuotaExceededException", quotaName="q", quotaValue=2), "ServiceQuotaExceededException"),
    (refusal(409, "ConflictException"), "ConflictException"),
    (answer(307, Location="/elsewhere"), "307"),
    (answer(200, b"<html>log in</html>", Content_Type="text/html"), "InvalidResponse"),
    (answer(200, b'{"audienceModelArn": "arn'), "InvalidResponse"),
    (answer(200, b'"text"'), "InvalidResponse"),
]


@pytest.mark.parametrize("request_", [CREATE, EXPORT, PUT, DELETE, GET], ids=lambda value: value[0])
@pytest.mark.parametrize(("behaviour", "code"), BROKEN)
async def test_one_write_and_sent(
    api: AwsApi, server: Server, request_: tuple[str, dict[str, Any]], behaviour: Behaviour, code: str
) -> None:
    server.behaviour = behaviour
    outcome = await call(api, request_)
    assert isinstance(outcome, Failure)
    assert outcome.code == code
    assert outcome.sent
    assert len(server.requests) == 1


@pytest.mark.parametrize("request_", [PUT, DELETE, GET], ids=lambda value: value[0])
async def test_a_kept_connection_that_closes_is_not_written_twice(
    api: AwsApi, server: Server, request_: tuple[str, dict[str, Any]]
) -> None:
    server.behaviour = answer(200, {"audienceModels": []})
    assert isinstance(await call(api, LIST), Reply)
    server.behaviour = wire.close
    outcome = await call(api, request_)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ConnectionClosed", True)
    assert len(server.requests[1:]) == 1


async def test_hang_is_unknown_at_the_deadline(api: AwsApi, server: Server) -> None:
    server.behaviour = wire.hang
    began = asyncio.get_running_loop().time()
    outcome = await call(api, CREATE, timeout=0.3)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ReadTimeout", True)
    assert asyncio.get_running_loop().time() - began < 1
    assert len(server.requests) == 1


async def test_read_timeout_of_the_target(server: Server) -> None:
    server.behaviour = wire.hang
    api = AwsApi(Clients({"default": Target(region="eu-west-1", endpoint_url=server.url, read_timeout=0.2)}))
    outcome = await call(api, CREATE)
    await api.close()
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, len(server.requests)) == ("ReadTimeout", True, 1)


async def test_nobody_listens(api: AwsApi) -> None:
    outcome = await api.call("gone", *CREATE, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ConnectFailed", False)


async def test_closed_window(api: AwsApi, server: Server) -> None:
    outcome = await call(api, CREATE, may_send=lambda: False)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, server.requests) == ("CallWindowClosed", False, [])


async def _busy(api: AwsApi, server: Server) -> list[asyncio.Task[Any]]:
    """Both connections for writes carry a request that will be answered by nobody."""
    calls = [asyncio.create_task(call(api, DELETE, timeout=1.0)) for _ in range(2)]
    while len(server.requests) < 2:  # noqa: ASYNC110 - the server tells nobody
        await asyncio.sleep(0.01)
    return calls


async def test_the_window_is_asked_after_the_wait_for_a_connection(api: AwsApi, server: Server) -> None:
    """The pool has two connections, both busy: a call that waits for one until its window closes never leaves."""
    server.behaviour = wire.hang
    busy = await _busy(api, server)
    asked: list[float] = []

    def may_send() -> bool:
        asked.append(asyncio.get_running_loop().time())
        return False

    began = asyncio.get_running_loop().time()
    outcome = await call(api, CREATE, may_send=may_send)
    await asyncio.gather(*busy)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("CallWindowClosed", False)
    assert len(asked) == 1
    assert asked[0] - began > 0.1
    assert len(server.requests) == 2


@pytest.mark.parametrize(("hanging", "other"), [(CREATE, GET), (GET, CREATE)], ids=["writes hang", "reads hang"])
async def test_calls_that_hang_keep_no_reads_from_leaving_nor_the_other_way_round(
    api: AwsApi, server: Server, hanging: tuple[str, dict[str, Any]], other: tuple[str, dict[str, Any]]
) -> None:
    """The pool has two connections."""
    server.behaviour = wire.hang
    busy = [asyncio.create_task(call(api, hanging, timeout=1.0)) for _ in range(4)]
    while len(server.requests) < 2:  # noqa: ASYNC110 - the server counts
        await asyncio.sleep(0.01)
    server.behaviour = refusal(409, "ConflictException")
    outcome = await call(api, other, timeout=0.5)
    assert isinstance(outcome, Failure)
    assert outcome.code == "ConflictException"
    assert not any(task.done() for task in busy)
    await asyncio.gather(*busy)


async def test_deadline_while_waiting_for_a_connection(api: AwsApi, server: Server) -> None:
    server.behaviour = wire.hang
    busy = await _busy(api, server)
    outcome = await call(api, CREATE, timeout=0.1)
    await asyncio.gather(*busy)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ConnectFailed", False)
    assert len(server.requests) == 2


async def test_cancellation_is_not_swallowed(api: AwsApi, server: Server) -> None:
    server.behaviour = wire.hang
    task = asyncio.create_task(call(api, CREATE))
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("target", "request_"), [("nowhere", GET), ("default", ("NoSuchOperation", {})), ("default", (GET[0], {}))]
)
async def test_impossible_requests(
    api: AwsApi, server: Server, target: str, request_: tuple[str, dict[str, Any]]
) -> None:
    outcome = await api.call(target, *request_, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, server.requests) == ("InvalidRequest", False, [])


async def test_closed(api: AwsApi, server: Server) -> None:
    server.behaviour = answer(200, {"audienceModels": []})
    await call(api, LIST)
    await api.close()
    outcome = await call(api, LIST)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ConnectFailed", False)


async def test_a_date_that_cannot_be_sent_is_no_lack_of_credentials(api: AwsApi, server: Server) -> None:
    outcome = await call(api, (CREATE[0], CREATE[1] | {"trainingDataEndTime": "9999-12-31T23:59:59-12:00"}))
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, server.requests) == ("InvalidRequest", False, [])


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n "])
async def test_keys_with_a_line_break_send_nothing(
    api: AwsApi, server: Server, monkeypatch: pytest.MonkeyPatch, variable: str, end: str
) -> None:
    """Such a header is refused when it is written, behind the gate: it must not count as a creation under way."""
    monkeypatch.setenv(variable, f"canary{end}")
    asked: list[int] = []

    def may_send() -> bool:
        asked.append(1)
        return True

    outcome = await call(api, CREATE, may_send=may_send)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, asked, server.requests) == ("CredentialsUnavailable", False, [], [])
    assert variable in outcome.message
    assert "canary" not in outcome.message


@pytest.mark.parametrize("text", ["socks5://proxy:1080", "ftp://proxy"])
async def test_a_proxy_that_is_none_is_named(server: Server, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", text)
    monkeypatch.setenv("NO_PROXY", "")
    api = AwsApi(Clients({"default": Target(region="eu-west-1", endpoint_url=server.url)}))
    outcome = await call(api, CREATE)
    await api.close()
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, server.requests) == ("ConnectFailed", False, [])
    assert "HTTP_PROXY" in outcome.message


@pytest.mark.parametrize("form", ["{}", "http://{}", "//{}", "{}\n", " http://{}"])
async def test_a_proxy_of_the_environment(server: Server, monkeypatch: pytest.MonkeyPatch, form: str) -> None:
    monkeypatch.setenv("HTTP_PROXY", form.format(server.url.removeprefix("http://")))
    monkeypatch.setenv("NO_PROXY", "")
    api = AwsApi(Clients({"default": Target(region="eu-west-1", endpoint_url="http://127.0.0.1:9")}))
    await call(api, LIST)
    await api.close()
    assert [request.path for request in server.requests] == ["http://127.0.0.1:9/audience-model?maxResults=100"]


PROXY_REFUSALS = {"407": answer(407), "502": answer(502), "garbage": wire.garbage, "closed": wire.close}


def with_password(server: Server) -> str:
    return server.url.replace("://", "://user:canary%40word@")


@pytest.mark.parametrize("behaviour", PROXY_REFUSALS.values(), ids=PROXY_REFUSALS)
async def test_a_proxy_is_given_its_password_and_no_error_repeats_it(server: Server, behaviour: Behaviour) -> None:
    """The chained errors neither: a log may write them."""
    server.behaviour = behaviour
    session = SingleSendSession(timeout=(2, 2), proxies={"https": with_password(server)})
    request: Any = PreparedRequest("GET", "https://127.0.0.1:9/", {}, None)
    with attempting(Attempt()), pytest.raises(TransportError) as raised:
        await session.send(request)
    await session.close()
    assert "canary" not in "".join(traceback.format_exception(raised.value))
    connect = server.requests[0]
    assert (connect.method, connect.path) == ("CONNECT", "127.0.0.1:9")
    assert base64.b64decode(connect.headers["proxy-authorization"].removeprefix("Basic ")) == b"user:canary@word"


async def test_a_proxy_without_a_tunnel_is_given_its_password_with_the_request(server: Server) -> None:
    server.behaviour = answer(200, {"audienceModels": []})
    target = Target(region="eu-west-1", endpoint_url="http://127.0.0.1:9", proxy=SecretStr(with_password(server)))
    api = AwsApi(Clients({"default": target}))
    assert isinstance(await call(api, LIST), Reply)
    assert isinstance(await call(api, LIST), Reply)
    await api.close()
    assert server.connections == 1
    told = {base64.b64decode(each.headers["proxy-authorization"].removeprefix("Basic ")) for each in server.requests}
    assert told == {b"user:canary@word"}


@pytest.mark.parametrize("error", [HTTPClientError(error="url='http://user:canary@p:1'"), OSError("http://:canary@p")])
def test_no_failure_repeats_the_password_of_an_address(error: Exception) -> None:
    """What asks for credentials is not ours, and quotes the proxy as it was given."""
    failure = failure_of(error, Attempt())
    assert "canary" not in failure.message
    assert "[redacted]@p" in failure.message
    assert "canary" not in str(TransportError("CredentialsUnavailable", str(error)))
