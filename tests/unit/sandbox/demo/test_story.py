"""What the demo sends: requests that the API's own model accepts, each from the results before; as CloudEvents."""

import json
from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from sandbox.datasets.movielens import COLUMNS, Catalogued
from sandbox.demo.calls import count
from sandbox.demo.records import DEAD_LETTERS, EVENTS, REPLIES, Command, decode
from sandbox.demo.story import STEPS, Inputs, Step

PLACE = Inputs(
    Catalogued("bucket", "movielens", "ratings", COLUMNS, "s3://bucket/seed/seed.jsonl", "s3://bucket/audiences"),
    "arn:aws:iam::123456789012:role/demo",
)
ARN = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:{}/6b1f0c52-0000-4000-8000-0123456789ab"
MADE = {
    "trainingDatasetArn": ARN.format("training-dataset"),
    "audienceModelArn": ARN.format("audience-model"),
    "configuredAudienceModelArn": ARN.format("configured-audience-model"),
    "audienceGenerationJobArn": ARN.format("audience-generation-job"),
}


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.operation)
def test_the_api_accepts_each_request(step: Step) -> None:
    model = botocore.session.get_session().get_service_model("cleanroomsml")
    shape = model.operation_model(step.operation).input_shape
    assert shape is not None
    validate_parameters(step.request(PLACE, MADE), shape)


def test_each_step_needs_only_what_the_steps_before_it_made() -> None:
    known: dict[str, Any] = {}
    for step, made in zip(STEPS, [*MADE, ""], strict=True):
        step.request(PLACE, known)
        known[made] = MADE.get(made)


def test_a_command_is_a_binary_cloudevent() -> None:
    command = Command("c-1", "CreateAudienceModel", {"name": "x"})
    headers = dict(command.headers("run-1"))
    assert headers == {
        "ce_id": b"c-1",
        "ce_source": b"/demo",
        "ce_specversion": b"1.0",
        "ce_type": b"cleanroomsml.command.CreateAudienceModel",
        "ce_correlationid": b"run-1",
        "content-type": b"application/json",
    }
    assert json.loads(command.value()) == {"name": "x"}
    assert json.loads(command.line())["type"] == "cleanroomsml.command.CreateAudienceModel"


def test_reading_a_reply() -> None:
    value = b'{"commandId": "c-1", "operation": "CreateAudienceModel"}'
    record = decode(REPLIES, 1500, [("ce_type", b"cleanroomsml.reply.succeeded")], value)
    assert (record.what, record.about, record.command_id) == ("succeeded", "CreateAudienceModel", "c-1")
    assert record.terminal
    assert record.time == 1.5
    assert json.loads(record.line())["data"] == json.loads(value)


def test_reading_an_event() -> None:
    value = b'{"commandId": "c-1", "status": "ACTIVE"}'
    record = decode(EVENTS, 0, [("ce_type", b"cleanroomsml.audience-model.status-changed")], value)
    assert (record.what, record.about, record.terminal) == ("ACTIVE", "audience-model", False)


@pytest.mark.parametrize("value", [b"no json \xff", b"[1]", None])
def test_reading_a_dead_letter_whatever_its_value(value: bytes | None) -> None:
    record = decode(DEAD_LETTERS, 0, [("ce_id", b"c-1"), ("dlq_reason", b"NotJson")], value)
    assert (record.what, record.command_id) == ("NotJson", "c-1")


def test_calls_are_counted_by_what_they_do() -> None:
    asked = [step.operation for step in STEPS] + ["GetAudienceModel"] * 3
    calls = count(json.dumps({"operation": name}) for name in asked)
    assert (calls.creating.total(), calls.looking.total(), calls.once) == (5, 3, True)
    assert not count(json.dumps({"operation": name}) for name in [*asked, asked[0]]).once
    assert not count(()).once
