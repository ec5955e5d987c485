"""The main job on real input: five commands on a real Kafka, a real training, an audience file in S3."""

import json

from sandbox.datasets import movielens
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess, assert_gap_free
from tests.support.sandbox_account import World

CREATES = (
    "CreateTrainingDataset",
    "CreateAudienceModel",
    "CreateConfiguredAudienceModel",
    "StartAudienceGenerationJob",
    "StartAudienceExportJob",
)


async def test_five_commands_make_an_audience(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await client.perform("CreateTrainingDataset", films.dataset(), command_id="1", correlationid="chain")
    model = await client.perform(
        "CreateAudienceModel", films.model(dataset["trainingDatasetArn"]), command_id="2", correlationid="chain"
    )
    assert model["status"] == "ACTIVE"
    assert model["description"] == "who likes what", "the marker is ours, not the publisher's"
    configured = await client.perform(
        "CreateConfiguredAudienceModel", films.configured(model["audienceModelArn"]), command_id="3"
    )
    generation = await client.perform(
        "StartAudienceGenerationJob", films.generation(configured["configuredAudienceModelArn"]), command_id="4"
    )
    relevance = {one["audienceSize"]["value"]: one["score"] for one in generation["metrics"]["relevanceMetrics"]}
    assert relevance[5] > relevance[10] > relevance[20]
    assert generation["metrics"]["recallMetric"] > 0.4, "better than the 20 % of chance"
    export = await client.perform(
        "StartAudienceExportJob", films.export(generation["audienceGenerationJobArn"]), command_id="5"
    )

    audience = _audience(world, export)
    verdict = movielens.judge(audience, films.taste)
    assert verdict.lift > 2, verdict
    last = (await client.event(model["audienceModelArn"], "ACTIVE")).data
    assert last["resource"]["audienceModelArn"] == model["audienceModelArn"]
    assert [reply.kind for reply in client.replies("2")] == ["accepted", "started", "succeeded"]
    assert [reply.kind for reply in client.replies("1")] == ["accepted", "succeeded"]
    assert_gap_free(client.events())
    assert client.dead_letters() == []
    for operation in CREATES:
        assert [entry["status"] for entry in world.requests(operation)] == [200]
    for event in client.events(model["audienceModelArn"]):
        assert event.key == model["audienceModelArn"]
        assert event.headers["ce_correlationid"] == "chain"
        assert event.type == "cleanroomsml.audience-model.status-changed"


def _audience(world: World, export: dict[str, object]) -> list[str]:
    """The users in the exported file."""
    location = str(export["outputLocation"])
    bucket, prefix = location.removeprefix("s3://").split("/", 1)
    s3 = world.client("s3")
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix)["Contents"]]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys]
    return [json.loads(line)["user_id"] for body in bodies for line in body.splitlines()]
