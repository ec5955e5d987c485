"""How jobs fail, and how a failure or a worker's death is told."""

import pytest

from tests.support.sandbox_account import World, until, until_gone


@pytest.mark.parametrize(
    ("table", "code"),
    [("empty", "INSUFFICIENT_TRAINING_DATA"), ("broken", "INTERNAL_ERROR")],
)
def test_training_fails(world: World, table: str, code: str) -> None:
    arn = world.model(world.dataset(table=table))
    got = world.until_model(arn)
    assert got["status"] == "CREATE_FAILED"
    assert got["statusDetails"]["statusCode"] == code
    assert got["statusDetails"]["message"]
    world.ml.delete_audience_model(audienceModelArn=arn)
    until_gone(lambda: world.ml.get_audience_model(audienceModelArn=arn), world.ml.exceptions.ResourceNotFoundException)


def test_a_dead_worker_fails_its_job_and_is_replaced(world: World) -> None:
    got = world.until_model(world.model(world.dataset(table="deadly")))
    assert got["statusDetails"] == {"statusCode": "INTERNAL_ERROR", "message": "The worker process died"}
    world.active_model(dataset=world.dataset(name="d2"))


def test_generation_fails(world: World) -> None:
    configured = world.configured()
    got = world.until_job(world.job(configured, "s3://nowhere-at-all/seed.jsonl"))
    assert got["statusDetails"]["statusCode"] == "SEED_READ_FAILED"
    got = world.until_job(world.job(configured, world.put_seed(24), name="g2"))
    assert got["statusDetails"]["statusCode"] == "INSUFFICIENT_MATCHING_SEED"
    assert "metrics" not in got


def test_export_fails_in_the_list(world: World) -> None:
    seed = world.put_seed()
    output = {"destination": {"s3Destination": {"s3Uri": "s3://not-there"}}, "roleArn": world.role}
    job = world.job(world.configured(outputConfig=output), seed)
    world.until_job(job)
    world.export(job)
    got = world.until_export(job)
    assert got["statusDetails"]["statusCode"] == "OUTPUT_WRITE_FAILED"
    assert "outputLocation" not in got


def test_a_running_job_keeps_what_it_started_with(world: World) -> None:
    configured = world.configured(minMatchingSeedSize=25)
    arn = world.job(configured, world.put_seed(30))
    world.ml.update_configured_audience_model(configuredAudienceModelArn=configured, minMatchingSeedSize=500)
    assert world.until_job(arn)["status"] == "ACTIVE"


def test_switches_of_a_job(world: World) -> None:
    world.fault("create_failed", "CreateAudienceModel")
    arn = world.model()
    assert world.until_model(arn)["statusDetails"]["statusCode"] == "SANDBOX_FAULT"
    world.fault("delete_failed", "DeleteAudienceModel")
    world.ml.delete_audience_model(audienceModelArn=arn)

    def deletion() -> dict[str, str]:
        got: dict[str, str] = world.ml.get_audience_model(audienceModelArn=arn)
        return got if got["status"] != "CREATE_FAILED" else {"status": "?"}

    assert until(deletion)["status"] == "DELETE_FAILED"
    world.ml.delete_audience_model(audienceModelArn=arn)
    until_gone(lambda: world.ml.get_audience_model(audienceModelArn=arn), world.ml.exceptions.ResourceNotFoundException)
