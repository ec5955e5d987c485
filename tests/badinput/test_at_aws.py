"""Classes that only AWS can judge: nothing is done, and the sender is told why."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.badinput.records import EXPORT, MODEL, command
from tests.badinput.stage import Stage
from tests.support import samples
from tests.support.sandbox_account import World, until_gone

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="session")]


async def _fails(stage: Stage, operation: str, data: dict[str, Any], code: str) -> None:
    """AWS is asked and says no; its code and words reach the sender, and the partition goes on."""
    sent = await stage.send(command(operation, data))
    reply = await stage.terminal(sent)
    assert reply.kind == "failed", reply.data
    assert reply.data["error"]["code"] == code
    assert reply.data["error"]["message"]
    assert not stage.has_letter(sent)
    await stage.sentinel()
    stage.assert_no_secret_in_the_log()


async def test_44_a_resource_that_does_not_exist(stage: Stage) -> None:
    await _fails(stage, MODEL, samples.payload(MODEL, full=False), "ResourceNotFoundException")


async def test_53_delete_of_something_that_is_not_ours(stage: Stage) -> None:
    """Another account's, and one that nobody made; who may delete what is in the account is IAM's to say."""
    other = World(stage.world.url, "999999999999")
    try:
        foreign = other.dataset()
        await _fails(stage, "DeleteTrainingDataset", {"trainingDatasetArn": foreign}, "AccessDeniedException")
        assert other.ml.get_training_dataset(trainingDatasetArn=foreign)["status"] == "ACTIVE"
    finally:
        other.close()
    none = samples.arn("training-dataset", "none")
    await _fails(stage, "DeleteTrainingDataset", {"trainingDatasetArn": none}, "ResourceNotFoundException")


async def test_50_54_55_in_the_life_of_a_configured_model(stage: Stage) -> None:
    world = stage.world
    seed = world.put_seed()
    configured = world.configured(
        audienceSizeConfig={"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [5, 10]}, name="bad-input"
    )
    job = world.job(configured, seed, name="unfinished")
    size = {"type": "PERCENTAGE", "value": 5}
    export = {"name": "export", "audienceGenerationJobArn": job, "audienceSize": size}
    await _fails(stage, EXPORT, export, "ValidationException")

    assert world.until_job(job)["status"] == "ACTIVE"
    await _fails(stage, EXPORT, {**export, "audienceSize": {**size, "value": 7}}, "ValidationException")

    world.ml.delete_audience_generation_job(audienceGenerationJobArn=job)
    until_gone(lambda: world.ml.get_audience_generation_job(audienceGenerationJobArn=job), ClientError)
    world.ml.delete_configured_audience_model(configuredAudienceModelArn=configured)
    update = {"configuredAudienceModelArn": configured, "description": "too late"}
    await _fails(stage, "UpdateConfiguredAudienceModel", update, "ResourceNotFoundException")


async def test_49_a_window_in_the_future_is_a_failed_job_and_nothing_worse(stage: Stage) -> None:
    """No rule of AWS forbids it; there is nothing to learn from, so the job fails and the sender hears of it."""
    dataset = stage.world.dataset(name="for-the-future")
    data = {"name": "future", "trainingDatasetArn": dataset, "trainingDataStartTime": "2099-01-01T00:00:00Z"}
    sent = await stage.send(command(MODEL, data))
    assert (await stage.terminal(sent)).kind in {"failed", "succeeded"}
    await stage.sentinel()
