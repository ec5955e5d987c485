"""What the demo sends: requests that the API's own model accepts, each from the results before."""

from typing import Any

import botocore.session
import pytest
from botocore.validate import validate_parameters

from sandbox.datasets.movielens import COLUMNS, Catalogued
from sandbox.demo.story import STEPS, Inputs, Step, commands

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


def test_all_are_sent_at_once_and_each_names_the_one_before_it() -> None:
    found = commands(PLACE, "run")
    assert [each.operation for each in found] == [step.operation for step in STEPS]
    named = [[text for text in each.data.values() if str(text).startswith("command:")] for each in found]
    assert named == [[], ["command:run-1"], ["command:run-2"], ["command:run-3"], ["command:run-4"]]
