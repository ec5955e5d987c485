"""Error codes -> what they mean for the call; whatever is unclear counts as lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        (Failure("SlowDown", "", 503), Postponed),
        (Failure("Throttling", "", 400), Postponed),
        (Failure("ServiceQuotaExceededException", "", 402), QuotaFull),
        (Failure("Unheard", "", 402), QuotaFull),
        (Failure("ValidationException", "", 400), Refused),
        (Failure("AccessDeniedException", "", 403), Refused),
        (Failure("ResourceNotFoundException", "", 404), Refused),
        (Failure("ConflictException", "", 409), Refused),
        (Failure("Unheard", "", 418), Refused),
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
def test_a_known_code_counts_whatever_the_status(code: str) -> None:
    seen = {type(faults.observe(Failure(code, "", status, sent))) for status in (0, 400, 500) for sent in (True, False)}
    assert seen == {EXPECTED[faults.CLASSES[code]]}


@given(st.text(), st.integers(500, 599) | st.integers(0, 399))
def test_an_unknown_failure_after_sending_is_never_taken_for_harmless(code: str, status: int) -> None:
    if code not in faults.CLASSES:
        assert faults.fault_class(Failure(code, "", status)) is FaultClass.LOST


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
