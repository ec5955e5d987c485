"""restJson1: what becomes of a request's labels, query and body, and of a result."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.errors import ValidationError
from sandbox.cleanroomsml.protocol import parse, serialise, write

LISTED, CREATED, UPDATED = "ListAudienceExportJobs", "CreateAudienceModel", "UpdateConfiguredAudienceModel"


def parsed(operation: str, body: Any = None, *, labels: Any = (), query: Any = (), **more: Any) -> dict[str, Any]:
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return parse(api_model.service_model().operation_model(operation), dict(labels), dict(query), content, **more)


def refused(operation: str, body: Any = None, **more: Any) -> str:
    with pytest.raises(ValidationError) as error:
        parsed(operation, body, **more)
    return error.value.message


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"{", "Body must be valid JSON"),
        (b"\xff\xfe", "Body must be valid JSON"),
        (b"[]", "Body must be a JSON object"),
        (b'{"name": 1}', "'name' failed to satisfy constraint: Member must be of type string"),
        (b'{"trainingDataStartTime": "yesterday"}', "'trainingDataStartTime' failed to satisfy"),
        (b'{"trainingDataStartTime": "2024-02-30T00:00:00Z"}', "Member must be of type timestamp"),
        (b'{"tags": {"a": true}}', "'tags.a' failed to satisfy constraint: Member must be of type string"),
    ],
)
def test_bodies_of_the_wrong_form(body: bytes, expected: str) -> None:
    operation = api_model.service_model().operation_model("CreateAudienceModel")
    with pytest.raises(ValidationError) as error:
        parse(operation, {}, {}, body)
    assert expected in error.value.message


def test_unknown_members_are_refused_by_name_or_ignored() -> None:
    operation = api_model.service_model().operation_model("CreateTrainingDataset")
    body = b'{"name": "n", "banana": 1, "trainingData": [{"inputConfig": {"kiwi": {}}}], "lime": null, "tags": null}'
    with pytest.raises(ValidationError) as error:
        parse(operation, {}, {}, body)
    assert "'banana'" in error.value.message
    assert "'trainingData.1.member.inputConfig.kiwi'" in error.value.message
    assert "lime" not in error.value.message
    ignoring = parse(operation, {}, {}, body, unknown="ignored")
    assert ignoring == {"name": "n", "trainingData": [{"inputConfig": {}}]}


def test_parameters_come_from_labels_query_and_body() -> None:
    arn = "arn:x"
    assert parsed(UPDATED, {"minMatchingSeedSize": 30}, labels={"configuredAudienceModelArn": arn}) == {
        "configuredAudienceModelArn": arn,
        "minMatchingSeedSize": 30,
    }
    query = {"maxResults": ["5", "7"], "audienceGenerationJobArn": [arn]}
    assert parsed(LISTED, query=query) == {"maxResults": 7, "audienceGenerationJobArn": arn}
    found = parsed("UntagResource", labels={"resourceArn": arn}, query={"tagKeys": ["a", "b"]})
    assert found == {"resourceArn": arn, "tagKeys": ["a", "b"]}


@pytest.mark.parametrize("text", ["many", "", "1.0", "1e3", " 1", "9" * 19, "\u0661x", "\u0661"])
def test_a_number_of_the_query_is_digits(text: str) -> None:
    assert "'maxResults' failed to satisfy constraint: Member must be of type integer" in refused(
        LISTED, query={"maxResults": [text]}
    )


@pytest.mark.parametrize("unknown", ["refused", "ignored"])
def test_what_the_model_has_elsewhere_is_not_taken_from_the_body(unknown: Any) -> None:
    """A label or query parameter in the body is no member of it."""
    labels = {"configuredAudienceModelArn": "arn:true"}
    body = {"configuredAudienceModelArn": "arn:false"}
    if unknown == "refused":
        assert "'configuredAudienceModelArn'" in refused(UPDATED, body, labels=labels)
    else:
        assert parsed(UPDATED, body, labels=labels, unknown=unknown) == labels


def test_unknown_query_parameters_are_refused_by_name_but_for_those_of_a_signature() -> None:
    query = {"banana": ["1"], "X-Amz-Date": ["2"], "maxResults": ["1"]}
    assert parsed(LISTED, query=query) == {"maxResults": 1}
    message = refused(LISTED, query=query, unknown_query="refused")
    assert "'banana'" in message
    assert "X-Amz" not in message
    assert "maxResults" not in message


@pytest.mark.parametrize("body", [b"", b"  \n", b"{}", b'{"name": null, "tags": null}'])
def test_an_empty_body_and_nulls_are_absent_members(body: bytes) -> None:
    assert parsed(CREATED, body) == {}


def test_every_problem_is_named_once_and_no_value_is_repeated() -> None:
    message = refused(CREATED, {"name": ["s3cret"], "tags": {"a": 1}, "kmsKeyArn": True, "lime": "s3cret"})
    assert message.startswith("4 validation errors detected: ")
    assert all(f"'{at}'" in message for at in ("name", "tags.a", "kmsKeyArn", "lime"))
    assert "s3cret" not in message


@pytest.mark.parametrize("value", [True, False, "30", 30.0, [30], {}])
def test_an_integer_is_no_boolean_text_or_fraction(value: Any) -> None:
    message = refused(UPDATED, {"minMatchingSeedSize": value}, labels={"configuredAudienceModelArn": "a"})
    assert "'minMatchingSeedSize' failed to satisfy constraint: Member must be of type integer" in message


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2024-01-01T00:00:00Z", 0),
        ("2024-01-01t00:00:00z", 0),
        ("2024-01-01 00:00:00Z", 0),
        ("2024-01-01T02:00:00+02:00", 0),
        ("2023-12-31T19:00:00-0500", 0),
        ("2024-01-01T00:00:00.25Z", 0.25),
        ("2024-01-01T00:00:00.123456789Z", 0.123456),
    ],
)
def test_timestamps_are_read_as_moments(text: str, seconds: float) -> None:
    found = parsed(CREATED, {"trainingDataStartTime": text})["trainingDataStartTime"]
    assert found == datetime(2024, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01T24:00:01Z",
        "2024-13-01T00:00:00Z",
        "0001-01-01T00:00:00+23:00",
        "2024-01-01T00:00:00+25:00",
        " 2024-01-01T00:00:00Z",
        1704067200,
        None,
    ],
)
def test_what_is_no_moment_is_refused(value: Any) -> None:
    if value is None:
        assert parsed(CREATED, {"trainingDataStartTime": value}) == {}
    else:
        assert "'trainingDataStartTime'" in refused(CREATED, {"trainingDataStartTime": value})


@given(st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)), st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_written_in_utc_and_read_as_the_same_millisecond(naive: datetime, minutes: int) -> None:
    at = naive.replace(tzinfo=timezone(timedelta(minutes=minutes))).astimezone(UTC)
    shape = api_model.service_model().shape_for("SyntheticTimestamp_date_time")
    text = write(shape, at)
    assert text.endswith("Z")
    again = parsed(CREATED, {"trainingDataStartTime": text})["trainingDataStartTime"]
    assert again == at.replace(microsecond=at.microsecond // 1000 * 1000)


def test_a_result_has_the_members_of_the_output_and_no_others() -> None:
    at = datetime(2024, 1, 1, 1, 2, 3, 4000, tzinfo=UTC)
    job = {
        "createTime": at,
        "updateTime": at,
        "name": "e",
        "audienceGenerationJobArn": "arn:x",
        "audienceSize": {"type": "ABSOLUTE", "value": 5, "secret": "s3cret"},
        "status": "ACTIVE",
        "statusDetails": None,
        "audienceExportJobArn": "arn:that-no-shape-knows",
    }
    operation = api_model.service_model().operation_model(LISTED)
    found = json.loads(serialise(operation, {"audienceExportJobs": [job], "own": 1}))
    moment = "2024-01-01T01:02:03.004Z"
    assert found == {
        "audienceExportJobs": [
            {
                "createTime": moment,
                "updateTime": moment,
                "name": "e",
                "audienceGenerationJobArn": "arn:x",
                "audienceSize": {"type": "ABSOLUTE", "value": 5},
                "status": "ACTIVE",
            }
        ]
    }


def test_an_operation_without_an_output_answers_an_empty_object() -> None:
    operation = api_model.service_model().operation_model("DeleteAudienceModel")
    assert operation.output_shape is None
    assert serialise(operation, {"own": 1}) == b"{}"
