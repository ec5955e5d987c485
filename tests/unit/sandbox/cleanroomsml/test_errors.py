"""Each class of error, as a client sees it."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.sandbox_account import World


def failure(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str, str]:
    response: Any = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


def test_validation_names_member_and_rule(world: World) -> None:
    with pytest.raises(world.ml.exceptions.ValidationException) as error:
        world.dataset(name="x" * 64, description="y" * 256)
    status, code, message = failure(error)
    assert (status, code) == (400, "ValidationException")
    assert "2 validation errors detected" in message
    assert "Value at 'name' failed to satisfy constraint: Member must have length less than or equal to 63" in message
    assert "'description'" in message


def test_not_found(world: World) -> None:
    arn = f"arn:aws:cleanrooms-ml:eu-west-1:{world.account}:audience-model/none"
    for ask in (
        lambda: world.ml.get_audience_model(audienceModelArn=arn),
        lambda: world.ml.delete_audience_model(audienceModelArn=arn),
        lambda: world.configured(arn),
        lambda: world.ml.list_tags_for_resource(resourceArn=arn),
    ):
        with pytest.raises(world.ml.exceptions.ResourceNotFoundException) as error:
            ask()
        assert failure(error)[:2] == (404, "ResourceNotFoundException")


def test_another_region_has_other_resources(world: World) -> None:
    arn = world.dataset()
    elsewhere = World(world.url, world.account, "us-east-1")
    assert elsewhere.ml.list_training_datasets()["trainingDatasets"] == []
    with pytest.raises(elsewhere.ml.exceptions.ResourceNotFoundException):
        elsewhere.ml.get_training_dataset(trainingDatasetArn=arn)
    elsewhere.close()


def test_access_denied_for_a_foreign_role_and_a_foreign_resource(world: World) -> None:
    with pytest.raises(world.ml.exceptions.AccessDeniedException) as error:
        world.dataset(roleArn="arn:aws:iam::999999999999:role/x")
    assert failure(error)[:2] == (403, "AccessDeniedException")
    arn = world.dataset()
    with pytest.raises(world.ml.exceptions.AccessDeniedException):
        world.ml.get_training_dataset(trainingDatasetArn=arn.replace(world.account, "999999999999"))


def test_conflict_while_something_depends_on_it(world: World) -> None:
    dataset = world.dataset()
    model = world.active_model(dataset=dataset)
    configured = world.configured(model)
    job = world.job(configured, world.put_seed())
    refused = world.ml.exceptions.ConflictException
    with pytest.raises(refused, match="depends on this resource"):
        world.ml.delete_training_dataset(trainingDatasetArn=dataset)
    with pytest.raises(refused, match="depends on this resource"):
        world.ml.delete_audience_model(audienceModelArn=model)
    with pytest.raises(refused, match="depends on this resource"):
        world.ml.delete_configured_audience_model(configuredAudienceModelArn=configured)
    world.until_job(job)


def test_conflict_while_it_is_being_made_or_deleted(world: World) -> None:
    arn = world.model()
    with pytest.raises(world.ml.exceptions.ConflictException):
        world.ml.delete_audience_model(audienceModelArn=arn)
    world.until_model(arn)
    world.ml.delete_audience_model(audienceModelArn=arn)
    with pytest.raises(world.ml.exceptions.ConflictException):
        world.ml.delete_audience_model(audienceModelArn=arn)


def test_custom_model_operations_are_not_built(world: World) -> None:
    with pytest.raises(ClientError) as error:
        world.ml.list_configured_model_algorithms()
    assert failure(error)[:2] == (501, "NotImplementedException")


def test_request_id_and_error_type_headers(world: World) -> None:
    with pytest.raises(ClientError) as error:
        world.dataset(name=" ")
    headers: Any = error.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-errortype"] == "ValidationException"
    assert len(headers["x-amzn-requestid"]) == 36
