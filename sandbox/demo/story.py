"""The five commands of the demo, and what each takes from the ones before it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.datasets.movielens import Catalogued
from sandbox.demo.records import Command

SIZES: Final = (1, 2, 5, 10, 20)
"""Audience sizes to be rated, in percent of all people."""
EXPORTED: Final = 10
"""The size that is exported."""
_FEWEST_SEEDS: Final = 25

Made = Mapping[str, Any]
"""What the commands before make, by the API's own names: references to it, since it is not there yet."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the commands need to know of their surroundings.

    Attributes:
        data: training data, seed and output address.
        role_arn: the role that may read and write them.
    """

    data: Catalogued
    role_arn: str


@dataclass(frozen=True, slots=True)
class Step:
    """One command.

    Attributes:
        operation: the API's name.
        purpose: what it is for, in a few words.
        request: makes the command's data.
        makes: the member that names what it makes; empty when no other command takes that.
        job: whether it starts work that goes on after the call.
    """

    operation: str
    purpose: str
    request: Callable[[Inputs, Made], dict[str, Any]]
    makes: str = ""
    job: bool = False


def _training_dataset(inputs: Inputs, _: Made) -> dict[str, Any]:
    schema = [{"columnName": name, "columnTypes": [kind]} for name, kind in inputs.data.columns]
    table = {"databaseName": inputs.data.database, "tableName": inputs.data.table}
    source = {"schema": schema, "dataSource": {"glueDataSource": table}}
    return {
        "name": "movielens",
        "roleArn": inputs.role_arn,
        "trainingData": [{"type": "INTERACTIONS", "inputConfig": source}],
    }


def _audience_model(_: Inputs, made: Made) -> dict[str, Any]:
    return {"name": "taste", "trainingDatasetArn": made["trainingDatasetArn"]}


def _configured_model(inputs: Inputs, made: Made) -> dict[str, Any]:
    destination = {"s3Destination": {"s3Uri": inputs.data.output_uri}}
    return {
        "name": "taste-in-percent",
        "audienceModelArn": made["audienceModelArn"],
        "outputConfig": {"destination": destination, "roleArn": inputs.role_arn},
        "sharedAudienceMetrics": ["ALL"],
        "minMatchingSeedSize": _FEWEST_SEEDS,
        "audienceSizeConfig": {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": list(SIZES)},
    }


def _generation_job(inputs: Inputs, made: Made) -> dict[str, Any]:
    return {
        "name": "who-else-will-like-it",
        "configuredAudienceModelArn": made["configuredAudienceModelArn"],
        "seedAudience": {"roleArn": inputs.role_arn, "dataSource": {"s3Uri": inputs.data.seed_uri}},
    }


def _export_job(_: Inputs, made: Made) -> dict[str, Any]:
    return {
        "name": f"best-{EXPORTED}-percent",
        "audienceGenerationJobArn": made["audienceGenerationJobArn"],
        "audienceSize": {"type": "PERCENTAGE", "value": EXPORTED},
    }


STEPS: Final = (
    Step("CreateTrainingDataset", "name the table of ratings", _training_dataset, "trainingDatasetArn"),
    Step("CreateAudienceModel", "learn everyone's taste", _audience_model, "audienceModelArn", job=True),
    Step("CreateConfiguredAudienceModel", "set sizes and output", _configured_model, "configuredAudienceModelArn"),
    Step(
        "StartAudienceGenerationJob",
        "rank people by likeness to the seed",
        _generation_job,
        "audienceGenerationJobArn",
        job=True,
    ),
    Step("StartAudienceExportJob", f"write the best {EXPORTED} % to S3", _export_job, job=True),
)


def commands(inputs: Inputs, run: str) -> list[Command]:
    """All five, to be sent at once: each names what the ones before it make."""
    made: dict[str, str] = {}
    found = []
    for number, step in enumerate(STEPS, start=1):
        command = Command(f"{run}-{number}", step.operation, step.request(inputs, made))
        found.append(command)
        if step.makes:
            made[step.makes] = f"command:{command.id}"
    return found
