"""Error codes -> what they mean for the call; whatever is unclear counts as lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.records import Fault
from service.core import faults
from service.core.faults import FaultClass
from service.core.observations import Failure, Late, Lost, Observation, Postponed, QuotaFull, Refused

EXPECTED: dict[FaultClass, type] = {
    FaultClass.POSTPONED: Postponed,
    FaultClass.THROTTLED: Postponed,
    FaultClass.QUOTA: QuotaFull,
    FaultClass.REFUSED: Refused,
    FaultClass.LOST: Lost,
    FaultClass.LATE: Late,
}


@pytest.mark.parametrize(
    ("failure", "observation"),
    [
        (Failure("ThrottlingException", "", 429), Postponed),
        (Failure("Unheard", "", 429), Postponed),
        (Failure("SlowDown", "", 503), Lost),
        (Failure("Throttling", "", 400), Postponed),
        (Failure("ServiceQuotaExceededException", "", 402), QuotaFull),
        (Failure("Unheard", "", 402), QuotaFull),
        (Failure("ValidationException", "", 400), Refused),
        (Failure("AccessDeniedException", "", 403), Refused),
        (Failure("ResourceNotFoundException", "", 404), Refused),
        (Failure("ConflictException", "", 409), Refused),
        (Failure("Unheard", "", 418), Refused),
        (Failure("CallWindowClosed", "", 400), Refused),
        (Failure("CallWindowClosed", "", 500), Lost),
        (Failure("CredentialsUnavailable", "", 500), Lost),
        (Failure("CredentialsUnavailable", ""), Lost),
        (Failure("ServiceError", "", 500), Lost),
        (Failure("InvalidRequest", "", sent=False), Refused),
        (Failure("ServiceError", "", sent=False), Refused),
        (Failure("ThrottlingException", "", 500), Lost),
        (Failure("ThrottlingException", "", 503), Lost),
        (Failure("ServiceQuotaExceededException", "", 500), Lost),
        (Failure("ResourceNotFoundException", "", 503), Lost),
        (Failure("ExpiredToken", "", 500), Lost),
        (Failure("ExpiredTokenException", "", 403), Postponed),
        (Failure("RequestTimeTooSkewed", "", 403), Postponed),
        (Failure("CredentialsUnavailable", "", sent=False), Postponed),
        (Failure("ConnectFailed", "", sent=False), Postponed),
        (Failure("CallWindowClosed", "", sent=False), Late),
        (Failure("RequestTimeout", "", 408), Lost),
        (Failure("InternalServerException", "", 500), Lost),
        (Failure("ServiceUnavailable", "", 503), Lost),
        (Failure("ReadTimeout", ""), Lost),
        (Failure("ConnectionClosed", ""), Lost),
        (Failure("InvalidResponse", "", 200), Lost),
        (Failure("Moved", "", 301), Lost),
    ],
    ids=lambda part: part.code if isinstance(part, Failure) else part.__name__,
)
def test_what_a_failure_means(failure: Failure, observation: type[Observation]) -> None:
    assert type(faults.observe(failure)) is observation


@pytest.mark.parametrize("code", faults.CLASSES)
def test_a_known_code_counts_whatever_the_status_of_a_refusal(code: str) -> None:
    seen = {type(faults.observe(Failure(code, "", status))) for status in (0, 400, 403, 429)}
    assert seen == {EXPECTED[faults.CLASSES[code]]}


CODES = st.sampled_from([*faults.CLASSES, *faults.UNSENT, "CredentialsUnavailable", "ConnectFailed"]) | st.text()


@given(CODES, st.integers(500, 599) | st.integers(0, 399))
def test_only_a_refusal_says_that_what_was_sent_was_not_performed(code: str, status: int) -> None:
    """Whatever its words."""
    if status >= 500 or code not in faults.CLASSES:
        assert faults.fault_class(Failure(code, "", status)) is FaultClass.LOST


@given(CODES, st.integers(0, 599))
def test_what_was_never_sent_was_never_performed_and_no_answer_says_that_of_itself(code: str, status: int) -> None:
    assert faults.fault_class(Failure(code, "", status)) is not FaultClass.LATE
    assert faults.fault_class(Failure(code, "", sent=False)) is not FaultClass.LOST


@pytest.mark.parametrize(("status", "sent", "slower"), [(400, True, True), (500, True, True), (0, False, False)])
def test_a_throttle_slows_down_even_when_the_call_may_have_been_performed(
    status: int, sent: bool, slower: bool
) -> None:
    assert faults.throttles(Failure("ThrottlingException", "", status, sent)) is slower


@pytest.mark.parametrize(("status", "absent"), [(404, True), (400, True), (500, False), (503, False)])
def test_a_server_that_fails_shows_no_absence(status: int, absent: bool) -> None:
    assert faults.absent(Failure(faults.NOT_FOUND, "", status)) is absent


def test_only_a_refusal_is_final_and_says_so() -> None:
    for code, status in (("ThrottlingException", 429), ("ServiceQuotaExceededException", 402), ("ReadTimeout", 0)):
        observed = faults.observe(Failure(code, "m", status))
        assert isinstance(observed, Postponed | QuotaFull | Lost)
        assert observed.fault.retryable
    refused = faults.observe(Failure("ValidationException", "m", 400))
    assert isinstance(refused, Refused)
    assert not refused.fault.retryable
    assert (refused.fault.code, refused.fault.http_status) == ("ValidationException", 400)


def test_further_members_of_an_error_are_told() -> None:
    failure = Failure("ServiceQuotaExceededException", "full", 402, extra={"quotaValue": 2, "quotaName": "models"})
    assert faults.fault(failure, retryable=True).message == "full (quotaName=models, quotaValue=2)"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("url='http://user:canary@proxy:3128'", "url='http://[redacted]@proxy:3128'"),
        ("https://canary@proxy and http://a:can@ary@b", "https://[redacted]@proxy and http://[redacted]@b"),
        ("mail someone@example.com about http://host/a@b", "mail someone@example.com about http://host/a@b"),
    ],
)
def test_no_error_shows_the_password_of_an_address(text: str, shown: str) -> None:
    assert faults.bounded(Fault("ConnectFailed", text)).message == shown


@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (Failure("ConnectFailed", "", sent=False), "TargetUnavailable"),
        (Failure("ConnectionClosed", ""), "TargetUnavailable"),
        (Failure("ReadTimeout", ""), "TargetUnavailable"),
        (Failure("InternalServiceException", "", 500), "TargetUnavailable"),
        (Failure("ThrottlingException", "", 503), "TargetUnavailable"),
        (Failure("CredentialsUnavailable", "", sent=False), "CredentialsUnavailable"),
        (Failure("ExpiredTokenException", "", 403), "CredentialsUnavailable"),
        (Failure("ThrottlingException", "", 429), ""),
        (Failure("ServiceQuotaExceededException", "", 402), ""),
        (Failure("AccessDeniedException", "", 403), ""),
        (Failure("ConnectFailed", "", 400), ""),  # an answer, whatever its words
        (Failure("CallWindowClosed", "", sent=False), ""),
        (Failure("InvalidRequest", "", sent=False), ""),
        (Failure("InvalidResponse", "", 200), ""),
    ],
    ids=lambda part: part if isinstance(part, str) else f"{part.code}-{part.http_status}",
)
def test_what_counts_as_no_answer(failure: Failure, reason: str) -> None:
    assert faults.unanswered(failure) == reason
    assert faults.unanswered(faults.fault(failure, retryable=True)) == reason
