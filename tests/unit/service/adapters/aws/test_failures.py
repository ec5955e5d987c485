"""Exceptions of the client as values: whose fault it is, whether anything left, and nothing that quotes a secret."""

import asyncio
from typing import Any

import pytest
from botocore import credentials
from botocore.exceptions import ClientError, NoCredentialsError, ProfileNotFound, UnknownEndpointError

from service.adapters.aws.failures import failure_of, invalid, timed_out
from service.adapters.aws.transport import Attempt, ClientClosed, Stage, TransportError
from service.core import faults
from service.runtime.ports import Failure


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OverflowError("date value out of range"), "InvalidRequest"),
        (RecursionError(), "ServiceError"),
        (AssertionError("canary"), "ServiceError"),
        (RuntimeError("canary"), "ServiceError"),
        (UnknownEndpointError(service_name="x", region_name="y"), "InvalidRequest"),
        (NoCredentialsError(), "CredentialsUnavailable"),
        (ProfileNotFound(profile="p"), "CredentialsUnavailable"),
        (PermissionError("config"), "CredentialsUnavailable"),
    ],
)
def test_only_a_listed_exception_before_the_request_is_about_credentials(error: Exception, code: str) -> None:
    """What nobody foresaw ends the command: it is neither retried for a day nor quoted."""
    failure = failure_of(error, Attempt())
    assert (failure.code, failure.sent) == (code, False)
    assert "canary" not in failure.message
    ends = faults.fault_class(failure) is faults.FaultClass.REFUSED
    assert ends == (code != "CredentialsUnavailable")


def refused(code: str, status: int, **more: Any) -> ClientError:
    metadata = {"HTTPStatusCode": status, "HTTPHeaders": more.pop("headers", {})}
    response: dict[str, Any] = {"Error": {"Code": code, "Message": "no"}, "ResponseMetadata": metadata, **more}
    return ClientError(response, "CreateAudienceModel")  # type: ignore[arg-type]


def sent() -> Attempt:
    attempt = Attempt()
    attempt.stage = Stage.SENT
    return attempt


def test_a_refusal_keeps_its_code_its_status_and_its_modelled_members() -> None:
    error = refused("ServiceQuotaExceededException", 402, quotaName="jobs", quotaValue=2.0, message="no")
    assert failure_of(error, sent()) == Failure(
        "ServiceQuotaExceededException", "no", http_status=402, extra={"quotaName": "jobs", "quotaValue": 2.0}
    )


def test_a_refusal_says_when_to_come_again() -> None:
    failure = failure_of(refused("ThrottlingException", 429, headers={"retry-after": "7"}), sent())
    assert failure.extra == {"retryAfter": "7"}


def test_a_refusal_without_words_is_its_status() -> None:
    bare = ClientError({"ResponseMetadata": {"HTTPStatusCode": 503}}, "x")  # type: ignore[typeddict-item]
    assert failure_of(bare, sent()) == Failure("503", "HTTP 503", http_status=503)


def test_a_message_of_any_length_is_cut() -> None:
    error = refused("ValidationException", 400)
    error.response["Error"]["Message"] = "x" * 100_000
    assert len(failure_of(error, sent()).message) == 2048
    assert len(failure_of(NoCredentialsError(fmt="y" * 9000), Attempt()).message) <= 2048


def test_an_exception_behind_the_write_is_an_answer_that_cannot_be_read() -> None:
    """Whatever it is: the call may have been carried out."""
    for error in (ValueError("bad JSON"), NoCredentialsError(), RuntimeError("x"), KeyError("a")):
        failure = failure_of(error, sent())
        assert (failure.code, failure.sent, failure.http_status) == ("InvalidResponse", True, 200)
    assert failure_of(ValueError("bad JSON"), sent()).message == "the answer can't be read: bad JSON"


@pytest.mark.parametrize("stage", Stage)
def test_the_transport_says_what_it_was_and_the_attempt_whether_it_left(stage: Stage) -> None:
    attempt = Attempt()
    attempt.stage = stage
    for error, code in (
        (ClientClosed(), "ConnectFailed"),
        (TransportError("ConnectionClosed", ""), "ConnectionClosed"),
    ):
        failure = failure_of(error, attempt)
        assert (failure.code, failure.sent) == (code, stage is Stage.SENT)
        assert failure.message


@pytest.mark.parametrize(
    ("stage", "code", "left"),
    [
        (Stage.PREPARING, "CredentialsUnavailable", False),
        (Stage.CONNECTING, "ConnectFailed", False),
        (Stage.SENT, "ReadTimeout", True),
    ],
)
def test_a_deadline_is_named_by_what_it_ended(stage: Stage, code: str, left: bool) -> None:
    attempt = Attempt()
    attempt.stage = stage
    failure = timed_out(attempt, 2.5)
    assert (failure.code, failure.sent) == (code, left)
    assert failure.message == f"no outcome within 2.5 s; was waiting for {stage.value}"


def test_a_success_that_says_nothing_has_left() -> None:
    assert invalid("the answer lacks x") == Failure("InvalidResponse", "the answer lacks x", http_status=200, sent=True)


async def test_whatever_the_sdks_credential_code_raises_is_about_credentials() -> None:
    """Keys that came expired are a bare RuntimeError there."""

    def expired() -> dict[str, str]:
        return {"access_key": "a", "secret_key": "b", "token": "c", "expiry_time": "2020-01-01T00:00:00Z"}

    stale = credentials.RefreshableCredentials.create_from_metadata(expired(), refresh_using=expired, method="x")
    with pytest.raises(RuntimeError) as raised:
        await asyncio.to_thread(stale.get_frozen_credentials)
    assert failure_of(raised.value, Attempt()).code == "CredentialsUnavailable"
    assert failure_of(RuntimeError("the same words"), Attempt()).code == faults.SERVICE_ERROR
