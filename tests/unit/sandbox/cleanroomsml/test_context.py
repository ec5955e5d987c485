"""What the verbs share: the resource that a request names, refusals, and the fault of what a request starts."""

import pytest

from sandbox.cleanroomsml import context
from sandbox.cleanroomsml.errors import AccessDenied, ApiError, Conflict, NotFound, ValidationError
from tests.support.sandbox_provider import ACCOUNT, OTHER, Provider


def test_the_resource_of_a_request_is_the_one_that_its_path_names() -> None:
    provider = Provider()
    dataset = provider.dataset()
    assert context.named(provider.context, provider.call("GetTrainingDataset", trainingDatasetArn=dataset.arn)) is (
        dataset
    )


def test_a_resource_of_another_kind_account_or_region_is_not_the_one() -> None:
    provider = Provider()
    dataset = provider.dataset()

    def refused(operation: str, error: type[ApiError], **more: str) -> None:
        with pytest.raises(error):
            context.named(provider.context, provider.call(operation, **more))

    refused("GetAudienceModel", NotFound, audienceModelArn=dataset.arn)
    refused("GetTrainingDataset", NotFound, trainingDatasetArn=dataset.arn + "x")
    refused("GetTrainingDataset", NotFound, trainingDatasetArn=dataset.arn, region="us-east-1")
    refused("GetTrainingDataset", AccessDenied, trainingDatasetArn=dataset.arn, account=OTHER)
    refused("GetTrainingDataset", AccessDenied, trainingDatasetArn=dataset.arn.replace(ACCOUNT, OTHER))


def test_an_operation_without_a_kind_has_no_subject() -> None:
    with pytest.raises(AssertionError, match="TagResource has no kind"):
        _ = Provider().call("TagResource").subject


def test_a_refusal_is_an_error_of_the_assumed_class_and_names_the_member() -> None:
    conflict, invalid = (context.refusal(kind, "audienceModelArn", "it rests") for kind in ("conflict", "validation"))
    assert isinstance(conflict, Conflict)
    assert isinstance(invalid, ValidationError)
    for error in (conflict, invalid):
        assert "'audienceModelArn'" in error.message
        assert "it rests" in error.message


def test_only_a_fault_of_the_work_itself_is_taken_and_only_once() -> None:
    provider = Provider()
    provider.faults.arm({"fault": "throttle", "operation": "*"})
    provider.faults.arm({"fault": "stuck", "operation": "Create*", "account": ACCOUNT})
    create, delete = provider.call("CreateAudienceModel"), provider.call("DeleteAudienceModel")
    elsewhere = provider.call("CreateAudienceModel", account=OTHER)
    assert context.lifecycle_fault(provider.context, delete) is None
    assert context.lifecycle_fault(provider.context, elsewhere) is None
    assert context.lifecycle_fault(provider.context, create) == "stuck"
    assert context.lifecycle_fault(provider.context, create) is None
