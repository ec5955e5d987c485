"""The happy path over all 25 operations."""

import pytest

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.operations import OPERATIONS
from tests.support.sandbox_account import SCHEMA, World, until_gone


def test_the_table_has_all_lookalike_operations_of_the_model() -> None:
    names = api_model.service_model().operation_names
    lookalike = {n for n in names if "Audience" in n or "TrainingDataset" in n or "Tag" in n or "tag" in n}
    assert set(OPERATIONS) == lookalike
    assert len(OPERATIONS) == 25


def test_training_dataset(world: World) -> None:
    arn = world.dataset(description="films seen", tags={"team": "a"})
    assert arn.startswith(f"arn:aws:cleanrooms-ml:eu-west-1:{world.account}:training-dataset/")
    got = world.ml.get_training_dataset(trainingDatasetArn=arn)
    assert got["status"] == "ACTIVE"
    assert got["trainingData"][0]["inputConfig"]["schema"] == SCHEMA
    assert got["tags"] == {"team": "a"}
    [summary] = world.ml.list_training_datasets()["trainingDatasets"]
    assert summary["description"] == "films seen"
    assert "trainingData" not in summary
    world.ml.delete_training_dataset(trainingDatasetArn=arn)
    with pytest.raises(world.ml.exceptions.ResourceNotFoundException):
        world.ml.get_training_dataset(trainingDatasetArn=arn)


def test_audience_model_is_trained_and_deleted_asynchronously(world: World) -> None:
    arn = world.model(trainingDataStartTime="2024-01-01T00:00:00Z", trainingDataEndTime="2025-01-01T00:00:00.5Z")
    assert world.ml.get_audience_model(audienceModelArn=arn)["status"] in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}
    got = world.until_model(arn)
    assert got["status"] == "ACTIVE"
    assert got["updateTime"] > got["createTime"]
    assert got["trainingDataStartTime"].year == 2024
    [summary] = world.ml.list_audience_models()["audienceModels"]
    assert summary["audienceModelArn"] == arn
    world.ml.delete_audience_model(audienceModelArn=arn)
    assert world.ml.get_audience_model(audienceModelArn=arn)["status"] in {"DELETE_PENDING", "DELETE_IN_PROGRESS"}
    missing = world.ml.exceptions.ResourceNotFoundException
    until_gone(lambda: world.ml.get_audience_model(audienceModelArn=arn), missing)
    assert world.ml.list_audience_models()["audienceModels"] == []


def test_configured_audience_model(world: World) -> None:
    model_arn = world.active_model()
    arn = world.configured(model_arn)
    got = world.ml.get_configured_audience_model(configuredAudienceModelArn=arn)
    assert got["audienceSizeConfig"] == {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [1, 2, 5, 10, 20]}
    assert got["childResourceTagOnCreatePolicy"] == "NONE"
    answer = world.ml.update_configured_audience_model(
        configuredAudienceModelArn=arn, minMatchingSeedSize=77, description="second"
    )
    assert answer["configuredAudienceModelArn"] == arn
    got = world.ml.get_configured_audience_model(configuredAudienceModelArn=arn)
    assert (got["minMatchingSeedSize"], got["description"], got["name"]) == (77, "second", "c")
    [summary] = world.ml.list_configured_audience_models()["configuredAudienceModels"]
    assert summary["outputConfig"] == got["outputConfig"]
    world.ml.delete_configured_audience_model(configuredAudienceModelArn=arn)
    assert world.ml.list_configured_audience_models()["configuredAudienceModels"] == []


def test_policy(world: World) -> None:
    arn = world.configured()
    policy = '{"Version": "2012-10-17", "Statement": []}'
    put = world.ml.put_configured_audience_model_policy(
        configuredAudienceModelArn=arn, configuredAudienceModelPolicy=policy
    )
    got = world.ml.get_configured_audience_model_policy(configuredAudienceModelArn=arn)
    assert (got["configuredAudienceModelPolicy"], got["policyHash"]) == (policy, put["policyHash"])
    assert got["configuredAudienceModelArn"] == arn
    world.ml.delete_configured_audience_model_policy(configuredAudienceModelArn=arn)
    with pytest.raises(world.ml.exceptions.ResourceNotFoundException):
        world.ml.get_configured_audience_model_policy(configuredAudienceModelArn=arn)


def test_generation_and_export(world: World) -> None:
    configured, seed = world.configured(), world.put_seed()
    arn = world.job(configured, seed)
    got = world.until_job(arn)
    assert got["status"] == "ACTIVE"
    assert got["startedBy"] == world.account
    assert got["includeSeedInOutput"] is False
    assert got["seedAudience"]["dataSource"]["s3Uri"] == seed
    assert [m["audienceSize"]["value"] for m in got["metrics"]["relevanceMetrics"]] == [1, 2, 5, 10, 20]
    [summary] = world.ml.list_audience_generation_jobs(configuredAudienceModelArn=configured)["audienceGenerationJobs"]
    assert "metrics" not in summary

    answer = world.export(arn, description="x [crml:0123456789ABCDEFGHJKMNPQRS]")
    assert set(answer) == {"ResponseMetadata"}
    export = world.until_export(arn)
    assert export["status"] == "ACTIVE"
    bucket, _, key = export["outputLocation"].removeprefix("s3://").partition("/")
    assert world.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read() == b'{"user_id": "u-1"}\n' * 5
    assert len(world.ml.list_audience_export_jobs()["audienceExportJobs"]) == 1

    world.ml.delete_audience_generation_job(audienceGenerationJobArn=arn)
    missing = world.ml.exceptions.ResourceNotFoundException
    until_gone(lambda: world.ml.get_audience_generation_job(audienceGenerationJobArn=arn), missing)
    assert world.ml.list_audience_export_jobs()["audienceExportJobs"] == []


def test_seed_by_sql(world: World) -> None:
    sql = {"queryString": "select user_id from t where :x", "parameters": {"x": "1"}}
    audience = {
        "roleArn": world.role,
        "sqlParameters": sql,
        "sqlComputeConfiguration": {"worker": {"type": "CR.1X", "number": 2, "properties": {"spark": {"a": "b"}}}},
    }
    collaboration = "6b1f0c52-0000-4000-8000-0123456789ab"
    arn = world.job(world.configured(), "", seedAudience=audience, collaborationId=collaboration)
    got = world.until_job(arn)
    assert got["status"] == "ACTIVE"
    assert got["protectedQueryIdentifier"]
    listed = world.ml.list_audience_generation_jobs(collaborationId=collaboration)["audienceGenerationJobs"]
    assert [each["audienceGenerationJobArn"] for each in listed] == [arn]
    assert "select" not in str(world.admin("GET", "state"))
    assert "select" not in str(world.admin("GET", "requests"))


def test_tags(world: World) -> None:
    arn = world.dataset(tags={"a": "1"})
    world.ml.tag_resource(resourceArn=arn, tags={"b": "2", "a": "3"})
    assert world.ml.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "3", "b": "2"}
    world.ml.untag_resource(resourceArn=arn, tagKeys=["a", "nothing"])
    assert world.ml.get_training_dataset(trainingDatasetArn=arn)["tags"] == {"b": "2"}


def test_tags_of_a_child(world: World) -> None:
    configured = world.configured(
        tags={"a": "parent", "b": "parent"}, childResourceTagOnCreatePolicy="FROM_PARENT_RESOURCE"
    )
    arn = world.job(configured, world.put_seed(), tags={"b": "own"})
    assert world.ml.list_tags_for_resource(resourceArn=arn)["tags"] == {"a": "parent", "b": "own"}


def test_metrics_are_hidden_when_none_are_shared(world: World) -> None:
    configured = world.configured(sharedAudienceMetrics=["NONE"])
    got = world.until_job(world.job(configured, world.put_seed()))
    assert got["status"] == "ACTIVE"
    assert "metrics" not in got
