"""What the server refuses: the model's constraints, and the rules that the documentation states in words."""

from typing import Any

import pytest
from botocore.config import Config

from sandbox.cleanroomsml import api_model, documented_rules, validation
from sandbox.cleanroomsml.assumptions import Assumptions
from tests.support.sandbox_account import SCHEMA, World

ROLE = "arn:aws:iam::123456789012:role/r"
ARN = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:"
COLLABORATION = "6b1f0c52-0000-4000-8000-0123456789ab"
S3 = {"dataSource": {"s3Uri": "s3://b/k"}}
SQL = {"sqlParameters": {"queryString": "select 1"}}


def problems(operation: str, **params: Any) -> str:
    shape = api_model.service_model().operation_model(operation).input_shape
    found = validation.check(shape, params) or documented_rules.check(params, Assumptions())
    return "; ".join(f"{at}: {rule}" for at, rule in found)


def dataset(schema: list[dict[str, Any]] = SCHEMA, **more: Any) -> str:
    source = {"glueDataSource": {"databaseName": "db", "tableName": "t"}}
    data = {"type": "INTERACTIONS", "inputConfig": {"schema": schema, "dataSource": source}}
    return problems("CreateTrainingDataset", **{"name": "n", "roleArn": ROLE, "trainingData": [data]} | more)


def configured(**more: Any) -> str:
    output = {"destination": {"s3Destination": {"s3Uri": "s3://b"}}, "roleArn": ROLE}
    params: dict[str, Any] = {
        "name": "n",
        "audienceModelArn": ARN + "audience-model/a",
        "outputConfig": output,
        "sharedAudienceMetrics": ["ALL"],
    }
    return problems("CreateConfiguredAudienceModel", **params | more)


def job(seed: dict[str, Any], **more: Any) -> str:
    params = {"name": "n", "configuredAudienceModelArn": ARN + "configured-audience-model/a"}
    return problems("StartAudienceGenerationJob", **params, seedAudience={"roleArn": ROLE} | seed, **more)


def sizes(kind: str, *bins: int) -> dict[str, Any]:
    return {"audienceSizeConfig": {"audienceSizeType": kind, "audienceSizeBins": list(bins)}}


def column(kind: str, name: str) -> dict[str, Any]:
    return {"columnName": name, "columnTypes": [kind]}


def test_valid_requests_have_no_problems() -> None:
    assert dataset() == ""
    assert configured(**sizes("ABSOLUTE", 1, 20_000_000)) == ""
    assert job(S3) == ""
    assert job(SQL, collaborationId=COLLABORATION) == ""


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (lambda: dataset(name=""), "name: Member must have length greater than or equal to 1"),
        (lambda: dataset(name=" \t"), "name: Member must satisfy regular expression"),
        (lambda: dataset(name="a\nb"), "name: Member must satisfy regular expression"),
        (lambda: dataset(roleArn="arn:aws:iam::1:role/too-short"), "roleArn: Member must satisfy regular"),
        (lambda: dataset(trainingData=[]), "trainingData: Member must have length greater than or equal to 1"),
        (lambda: dataset([column("BANANA", "a")]), "columnTypes.1.member: Member must satisfy enum value set"),
        (lambda: dataset([{"columnName": "a"}]), "columnTypes: Member must not be null"),
        (lambda: dataset(tags={"k" * 129: "v"}), "tags.key: Member must have length less than or equal to 128"),
        (lambda: dataset(tags={f"k{n}": "v" for n in range(51)}), "tags: Member must have at most 50 tags"),
        (lambda: dataset(tags={"AWS:x": "v"}), "reserved prefix aws:"),
        (lambda: dataset(SCHEMA[:2]), "exactly one TIMESTAMP column, found 0"),
        (lambda: dataset([*SCHEMA, column("USER_ID", "u2")]), "exactly one USER_ID column, found 2"),
        (lambda: dataset([*SCHEMA, column("NUMERICAL_FEATURE", "user_id")]), "Column names must be unique"),
        (lambda: dataset([*SCHEMA, *(column("NUMERICAL_FEATURE", f"f{n}") for n in range(11))]), "at most 10 feature"),
        (lambda: configured(minMatchingSeedSize=24), "minMatchingSeedSize: Member must have value greater than or"),
        (lambda: configured(minMatchingSeedSize=500_001), "minMatchingSeedSize: Member must have value less than"),
        (lambda: configured(sharedAudienceMetrics=["ALL", "NONE"]), "sharedAudienceMetrics: Member must have length"),
        (lambda: configured(**sizes("PERCENTAGE", 5, 5)), "Members must be unique"),
        (lambda: configured(**sizes("PERCENTAGE", 101)), "Percentages must be between 1 and 100"),
        (lambda: configured(**sizes("ABSOLUTE", *range(1, 27))), "audienceSizeBins: Member must have length less"),
        (lambda: job({}), "Exactly one of dataSource and sqlParameters"),
        (lambda: job(S3 | SQL, collaborationId=COLLABORATION), "Exactly one of dataSource and sqlParameters"),
        (lambda: job(SQL), "collaborationId: Member must not be null"),
        (lambda: job({"sqlParameters": {}}, collaborationId=COLLABORATION), "Exactly one of queryString and analysis"),
        (lambda: job(S3 | {"sqlComputeConfiguration": {"worker": {}}}), "allowed only with sqlParameters"),
        (lambda: job(SQL | {"sqlComputeConfiguration": {}}, collaborationId=COLLABORATION), "exactly one of: worker"),
        (lambda: job(S3, collaborationId=COLLABORATION.upper()), "collaborationId: Member must satisfy regular"),
    ],
)
def test_refused(found: Any, expected: str) -> None:
    assert expected in found()


def test_export_percentage() -> None:
    job_arn = ARN + "audience-generation-job/a"
    size = {"type": "PERCENTAGE", "value": 101}
    found = problems("StartAudienceExportJob", name="n", audienceGenerationJobArn=job_arn, audienceSize=size)
    assert "audienceSize.value: Percentages" in found


def test_a_long_value_is_never_matched_against_a_pattern() -> None:
    found = dataset([*SCHEMA[:2], column("TIMESTAMP", "a " * 100_000 + "!")])
    assert "length less than or equal to 128" in found
    assert "regular expression" not in found


def test_the_training_window_must_not_be_empty(world: World) -> None:
    with pytest.raises(world.ml.exceptions.ValidationException, match="before trainingDataEndTime"):
        world.model(trainingDataStartTime="2025-01-01T00:00:00Z", trainingDataEndTime="2024-01-01T00:00:00Z")


def test_what_botocore_lets_pass_the_server_refuses(world: World) -> None:
    loose = world.client("cleanroomsml", config=Config(parameter_validation=False))
    with pytest.raises(loose.exceptions.ValidationException, match=r"'roleArn'.*must not be null"):
        loose.create_training_dataset(name="n")
    with pytest.raises(loose.exceptions.ValidationException, match="'maxResults'"):
        loose.list_audience_models(maxResults=101)
    with pytest.raises(loose.exceptions.ValidationException, match=r"'maxResults'.*type integer"):
        loose.list_audience_models(maxResults="many")
