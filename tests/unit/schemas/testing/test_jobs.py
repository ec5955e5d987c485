"""What the twin remembers of a command, and how it tells a failure."""

import pytest

from schemas.operations import COMMANDS
from schemas.records import Command
from schemas.testing.jobs import TwinJob, error, fault_of, wanted


def job(operation: str, **params: str) -> TwinJob:
    return TwinJob(Command("c", "/s", operation, "default", params, "0" * 64), 0.0)


@pytest.mark.parametrize(
    ("operation", "params", "status"),
    [
        ("TrackResource", {"untilStatus": "DELETE_FAILED"}, "DELETE_FAILED"),
        ("TrackResource", {}, ""),
        ("CreateAudienceModel", {"untilStatus": "ACTIVE"}, ""),
    ],
)
def test_only_a_tracking_command_ends_at_a_status(operation: str, params: dict[str, str], status: str) -> None:
    assert wanted(job(operation, **params)) == status


def test_a_job_knows_its_row() -> None:
    assert job("CreateAudienceModel").row is COMMANDS["CreateAudienceModel"]


def test_a_failure_has_every_member_of_the_contract() -> None:
    assert error("TooLate", "no") == {
        "error": {"code": "TooLate", "message": "no", "statusDetails": None, "retryable": False, "httpStatus": None}
    }
    told = error("X", "y", http_status=402, violations=[{"path": "a", "rule": "b", "message": "c"}])["error"]
    assert (told["httpStatus"], told["violations"]) == (402, [{"path": "a", "rule": "b", "message": "c"}])


def test_a_status_tells_awss_reason_if_there_is_one() -> None:
    details = {"statusCode": "INTERNAL_ERROR", "message": "sorry"}
    told = fault_of("CREATE_FAILED", details)["error"]
    assert (told["code"], told["message"]) == ("CREATE_FAILED", "INTERNAL_ERROR: sorry")
    assert told["statusDetails"] == details
    assert fault_of("CREATE_FAILED", {})["error"]["message"] == "AWS gives no reason"
