"""Timestamps of every form as RFC 3339, and answers that lack what the model requires."""

import botocore.session
import pytest
from botocore.model import OperationModel

from service.adapters.aws.responses import missing_members, result_of, rfc3339


def model(operation: str) -> OperationModel:
    return botocore.session.get_session().get_service_model("cleanroomsml").operation_model(operation)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("2026-01-01T00:00:00.123000Z", "2026-01-01T00:00:00.123000Z"),
        ("2026-01-01T02:00:00+02:00", "2026-01-01T02:00:00+02:00"),
        ("2026-01-01T00:00:00", "2026-01-01T00:00:00Z"),
        ("2026-01-01", "2026-01-01T00:00:00Z"),
        ("1767225600.5", "2026-01-01T00:00:00.500000Z"),
        (1767225600, "2026-01-01T00:00:00Z"),
        (1767225600.25, "2026-01-01T00:00:00.250000Z"),
        (-1, "1969-12-31T23:59:59Z"),
    ],
)
def test_a_timestamp_of_any_form_is_rfc_3339(value: object, wanted: str) -> None:
    assert rfc3339(value) == wanted


@pytest.mark.parametrize("value", ["yesterday", "", None, [], {"seconds": 1}, "nan", float("nan"), 1e20])
def test_what_is_no_timestamp_is_refused(value: object) -> None:
    with pytest.raises((ValueError, OverflowError)):
        rfc3339(value)


def test_the_result_is_the_answer_without_the_clients_own_member() -> None:
    assert result_of({"audienceModelArn": "a", "ResponseMetadata": {"RetryAttempts": 0}}) == {"audienceModelArn": "a"}


def test_what_the_model_requires_and_is_not_there() -> None:
    assert missing_members("CreateAudienceModel", {}) == ["audienceModelArn"]
    assert missing_members("CreateAudienceModel", {"audienceModelArn": None, "more": 1}) == []
    assert "status" in missing_members("GetAudienceModel", {"audienceModelArn": "a"})


def test_nothing_is_missing_where_nothing_is_promised() -> None:
    assert missing_members("DeleteAudienceModel", {}) == []
    assert missing_members("StartAudienceExportJob", {}) == []
