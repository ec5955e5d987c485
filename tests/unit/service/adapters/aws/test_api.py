"""The Api port on the wire: what a call sends, what its answer becomes, and what is remembered of the clocks."""

import logging
from collections.abc import AsyncIterator, Iterable, MutableMapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
import structlog

from service.adapters.aws import AwsApi, Clients
from service.adapters.aws.api import skew_of
from service.runtime.ports import Cause, Failure, Reply
from service.settings import Target
from tests.support.wire import Server, answer, refusal, serving

CREATE = ("CreateAudienceModel", {"name": "m", "trainingDatasetArn": "arn:aws:cleanrooms-ml:x:1:training-dataset/a"})
EXPORT = ("StartAudienceExportJob", {"name": "e", "audienceGenerationJobArn": "a", "audienceSize": {}})
DELETE = ("DeleteAudienceModel", {"audienceModelArn": "a"})
GET = ("GetAudienceModel", {"audienceModelArn": "a"})
LIST = ("ListAudienceModels", {"maxResults": 100})
PUT = ("PutConfiguredAudienceModelPolicy", {"configuredAudienceModelArn": "a", "configuredAudienceModelPolicy": "{}"})
ANSWERS: dict[str, dict[str, object]] = {
    "CreateAudienceModel": {"audienceModelArn": "a"},
    "PutConfiguredAudienceModelPolicy": {"configuredAudienceModelPolicy": "{}", "policyHash": "h"},
    "ListAudienceModels": {"audienceModels": []},
}
LOGGER = "service.aws"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
async def api(server: Server) -> AsyncIterator[AwsApi]:
    target = Target(region="eu-west-1", endpoint_url=server.url, connect_timeout=1, read_timeout=5)
    api = AwsApi(Clients({"default": target}))
    yield api
    await api.close()


async def call(api: AwsApi, request: tuple[str, dict[str, Any]], **more: Any) -> Reply | Failure:
    return await api.call("default", request[0], request[1], timeout=5.0, **more)


@pytest.mark.parametrize(("ahead", "wanted"), [(0, 0.0), (300, 300.0), (-86_400, -86_400.0)])
def test_a_clock_is_ahead_of_the_answers_date(ahead: int, wanted: float) -> None:
    assert skew_of(format_datetime(NOW, usegmt=True), NOW.timestamp() + ahead) == wanted


async def test_the_last_date_of_a_target_counts(api: AwsApi, server: Server) -> None:
    assert api.skews() == {}
    for behind in (0, 600):
        date = format_datetime(datetime.now(UTC) - timedelta(seconds=behind), usegmt=True)
        server.behaviour = answer(200, {"audienceModels": []}, Date=date)
        await call(api, LIST)
        assert api.skews()["default"] == pytest.approx(behind, abs=5)
    server.behaviour = answer(200, {"audienceModels": []}, Date="?")
    await call(api, LIST)
    assert api.skews()["default"] == pytest.approx(600, abs=5)


def call_lines(lines: Iterable[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    return [each for each in lines if each["event"] == "aws call"]


@pytest.mark.parametrize(
    ("request_", "level"),
    [(CREATE, "info"), (EXPORT, "info"), (DELETE, "info"), (PUT, "debug"), (LIST, "debug")],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
async def test_what_succeeds_and_creates_or_removes_nothing_is_logged_as_debug(
    api: AwsApi,
    server: Server,
    caplog: pytest.LogCaptureFixture,
    request_: tuple[str, dict[str, Any]],
    level: str,
) -> None:
    server.behaviour = answer(200, ANSWERS.get(request_[0], {}))
    caplog.set_level(logging.DEBUG, LOGGER)
    with structlog.testing.capture_logs() as lines:
        await call(api, request_, cause=Cause("MARKER", "c-1"))
    [line] = call_lines(lines)
    assert line["log_level"] == level
    assert (line["target"], line["operation"], line["marker"], line["command_id"]) == (
        "default",
        request_[0],
        "MARKER",
        "c-1",
    )
    assert (line["outcome"], line["status"], line["sent"]) == ("ok", 200, True)
    caplog.set_level(logging.INFO, LOGGER)
    with structlog.testing.capture_logs() as lines:
        await call(api, request_, cause=Cause("MARKER", "c-1"))
    assert [each["log_level"] for each in call_lines(lines)] == (["info"] if level == "info" else [])


async def test_a_full_quota_is_logged_as_debug(api: AwsApi, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Its command is logged as waiting, once; it is tried again for days."""
    server.behaviour = refusal(402, "ServiceQuotaExceededException")
    caplog.set_level(logging.DEBUG, LOGGER)
    with structlog.testing.capture_logs() as lines:
        await call(api, CREATE, cause=Cause("MARKER", "c-1"))
    assert [each["log_level"] for each in call_lines(lines)] == ["debug"]


@pytest.mark.parametrize("request_", [CREATE, DELETE, PUT, GET, LIST], ids=lambda value: value[0])
async def test_every_other_failure_is_logged_as_info(
    api: AwsApi, server: Server, caplog: pytest.LogCaptureFixture, request_: tuple[str, dict[str, Any]]
) -> None:
    server.behaviour = refusal(409, "ConflictException")
    caplog.set_level(logging.INFO, LOGGER)
    with structlog.testing.capture_logs() as lines:
        await call(api, request_, cause=Cause("MARKER", "c-1"))
    [line] = call_lines(lines)
    assert line["log_level"] == "info"
    assert (line["target"], line["operation"], line["marker"], line["command_id"]) == (
        "default",
        request_[0],
        "MARKER",
        "c-1",
    )
    assert (line["outcome"], line["status"], line["sent"]) == ("ConflictException", 409, True)


async def test_a_defect_is_logged_by_its_type_alone(api: AwsApi) -> None:
    with structlog.testing.capture_logs() as lines:
        outcome = await call(api, (GET[0], {"canary": "secret"}))
    assert isinstance(outcome, Failure)
    assert outcome.code == "InvalidRequest"
    assert [line["exception"] for line in lines if line["event"] == "aws response invalid"] == ["KeyError"]
    assert "secret" not in str(lines)


async def test_the_size_of_the_answer_is_known(api: AwsApi, server: Server) -> None:
    body = b'{"audienceModels": []}'
    server.behaviour = answer(200, body)
    outcome = await call(api, LIST)
    assert isinstance(outcome, Reply)
    assert outcome.size == len(body)


@pytest.mark.parametrize("request_", [CREATE, GET, LIST], ids=lambda value: value[0])
@pytest.mark.parametrize("body", [b"", b"{}", b'{"unrelated": 1}'])
async def test_success_without_substance(
    api: AwsApi, server: Server, request_: tuple[str, dict[str, Any]], body: bytes
) -> None:
    server.behaviour = answer(200, body)
    outcome = await call(api, request_)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("InvalidResponse", True)


async def test_members_of_the_wrong_type(api: AwsApi, server: Server) -> None:
    server.behaviour = answer(200, {"audienceModels": [{"createTime": "yesterday"}]})
    outcome = await call(api, LIST)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("InvalidResponse", True)


@pytest.mark.parametrize("request_", [EXPORT, DELETE], ids=lambda value: value[0])
async def test_nothing_is_success_where_nothing_is_promised(
    api: AwsApi, server: Server, request_: tuple[str, dict[str, Any]]
) -> None:
    server.behaviour = answer(200)
    assert await call(api, request_) == Reply({})


async def test_extra_members_and_retry_after(api: AwsApi, server: Server) -> None:
    server.behaviour = answer(
        402,
        {"message": "full", "quotaName": "jobs", "quotaValue": 2},
        x_amzn_ErrorType="ServiceQuotaExceededException",
        Retry_After="7",
    )
    outcome = await call(api, CREATE)
    assert outcome == Failure(
        "ServiceQuotaExceededException",
        "full",
        http_status=402,
        extra={"quotaName": "jobs", "quotaValue": 2.0, "retryAfter": "7"},
    )


async def test_results_are_json_with_rfc3339_times(api: AwsApi, server: Server) -> None:
    summary = {
        "createTime": "2026-01-01T00:00:00.123000Z",
        "updateTime": 1767225600.5,
        "audienceModelArn": "a",
        "name": "n",
        "trainingDatasetArn": "d",
        "status": "ACTIVE",
    }
    server.behaviour = answer(200, {"audienceModels": [summary], "nextToken": "t"})
    outcome = await call(api, LIST)
    assert outcome == Reply(
        {"audienceModels": [summary | {"updateTime": "2026-01-01T00:00:00.500000Z"}], "nextToken": "t"}
    )


async def test_what_is_sent(api: AwsApi, server: Server) -> None:
    server.behaviour = answer(200, {"audienceModelArn": "a"})
    await call(api, (CREATE[0], CREATE[1] | {"trainingDataStartTime": "2026-01-01T00:00:00+02:00", "tags": {"k": "v"}}))
    [request] = server.requests
    assert (request.method, request.path) == ("POST", "/audience-model")
    assert b'"trainingDataStartTime": "2025-12-31T22:00:00Z"' in request.body
    assert b'"tags": {"k": "v"}' in request.body
    assert request.headers["user-agent"].startswith("cleanroomsml-service")
    assert request.headers["amz-sdk-request"] == "attempt=1"
    assert "/eu-west-1/cleanrooms-ml/aws4_request" in request.headers["authorization"]


async def test_an_arn_is_one_path_segment(api: AwsApi, server: Server) -> None:
    await call(api, ("DeleteAudienceModel", {"audienceModelArn": "arn:aws:x/../y?z#\r\n"}))
    [request] = server.requests
    assert request.path == "/audience-model/arn%3Aaws%3Ax%2F..%2Fy%3Fz%23%0D%0A"


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 31 Feb 2025 00:00:00 GMT", "9" * 50])
def test_a_date_that_is_none_shows_no_skew(date: str) -> None:
    assert skew_of(date, 1_700_000_000.0) is None


def test_a_skew_is_by_how_much_we_are_ahead() -> None:
    assert skew_of("Tue, 14 Nov 2023 22:13:20 GMT", 1_700_000_010.0) == 10.0
