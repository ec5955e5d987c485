"""What the contract promises for repeated, bad and unreadable commands, and for each kind of operation."""

import json
from typing import Any

from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess, assert_gap_free, until
from tests.support.sandbox_account import World


async def test_a_duplicate_gets_the_stored_reply_and_aws_is_not_called(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    await films.dataset_made(client)
    first = await client.terminal("dataset")
    await client.send("CreateTrainingDataset", films.dataset(), command_id="dataset")
    await until(lambda: len(client.replies("dataset")) == 3, 10, lambda: str(client.replies("dataset")))
    again = client.replies("dataset")[-1]
    assert again.data == first.data
    assert again.headers["ce_id"] == first.headers["ce_id"], "a subscriber may drop it by its id"
    assert len(world.requests("CreateTrainingDataset")) == 1


async def test_the_same_id_with_other_content_is_a_misuse(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    await films.dataset_made(client)
    await client.send("CreateTrainingDataset", films.dataset("other"), command_id="dataset")
    misuse = await client.reply("dataset", "rejected")
    assert misuse.data["error"]["code"] == "IdMisuse"
    assert len(world.requests("CreateTrainingDataset")) == 1


async def test_an_invalid_command_is_rejected_with_every_violation(
    running: ServiceProcess, client: Client, world: World
) -> None:
    data = {"name": "", "trainingDatasetArn": "not an arn", "secret": "do-not-log-me"}
    await client.send("CreateAudienceModel", data, command_id="bad", correlationid="c-1")
    rejected = await client.terminal("bad")
    assert rejected.kind == "rejected"
    assert rejected.headers["ce_correlationid"] == "c-1"
    violations = {violation["path"]: violation for violation in rejected.data["error"]["violations"]}
    assert {"data.name", "data.trainingDatasetArn", "data.secret"} <= set(violations), violations
    (letter,) = client.dead_letters()
    assert letter.headers["dlq_topic"] == f"{client.prefix}.commands"
    assert letter.data == data
    assert world.requests("CreateAudienceModel") == []
    assert "do-not-log-me" not in running.log.read_text()


async def test_records_that_are_no_commands_do_not_stop_the_partition(
    running: ServiceProcess, client: Client, world: World
) -> None:
    head = {"ce_specversion": "1.0", "ce_id": "x", "ce_source": "s", "content-type": "application/json"}
    await client.send_raw(b"\xff\xfe not json", {}, key=b"k")
    await client.send_raw(None, {}, key=b"k")
    await client.send_raw(b"{}", head, key=b"k")
    await client.send_raw(b'{"a": NaN}', {**head, "ce_type": "cleanroomsml.command.ListAudienceModels"}, key=b"k")
    assert await client.perform("ListAudienceModels", {}, command_id="after") == {"audienceModels": []}
    await until(lambda: len(client.dead_letters()) == 4, 10, lambda: str(client.dead_letters()))
    assert all(letter.headers["dlq_reason"] for letter in client.dead_letters())
    assert client.dead_letters()[0].data == b"\xff\xfe not json", "the original, untouched"


async def test_reads_writes_and_removals(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    shown = await client.perform("GetTrainingDataset", {"trainingDatasetArn": dataset}, command_id="get")
    assert shown["name"] == "films"
    model = await client.perform("CreateAudienceModel", films.model(dataset), command_id="model")
    arn = model["audienceModelArn"]
    await client.perform("TagResource", {"resourceArn": arn, "tags": {"team": "films"}}, command_id="tag")
    assert world.ml.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "films"}
    await client.perform("DeleteAudienceModel", {"audienceModelArn": arn}, command_id="remove")
    assert [reply.kind for reply in client.replies("remove")] == ["accepted", "started", "succeeded"]
    assert world.ml.list_audience_models()["audienceModels"] == []
    await client.perform("DeleteTrainingDataset", {"trainingDatasetArn": dataset}, command_id="delete")
    await client.send("GetTrainingDataset", {"trainingDatasetArn": dataset}, command_id="gone")
    gone = await client.terminal("gone")
    assert gone.kind == "failed"
    assert gone.data["error"]["code"] == "ResourceNotFoundException"
    await client.event(dataset, "deleted")
    await client.event(arn, "deleted")
    assert_gap_free(client.events())
    assert [event.data["status"] for event in client.events(dataset)] == ["created", "deleted"]


async def test_an_update_keeps_the_marker_and_does_not_show_it(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    model = await client.perform(
        "CreateAudienceModel", films.model(await films.dataset_made(client)), command_id="model"
    )
    configured = await client.perform(
        "CreateConfiguredAudienceModel", films.configured(model["audienceModelArn"]), command_id="configured"
    )
    arn = configured["configuredAudienceModelArn"]
    before = world.ml.get_configured_audience_model(configuredAudienceModelArn=arn)["description"]
    update = {"configuredAudienceModelArn": arn, "description": "second thoughts"}
    await client.perform("UpdateConfiguredAudienceModel", update, command_id="update")
    after = world.ml.get_configured_audience_model(configuredAudienceModelArn=arn)["description"]
    assert after == f"second thoughts {before}"
    seen = await client.perform("GetConfiguredAudienceModel", {"configuredAudienceModelArn": arn}, command_id="see")
    assert seen["description"] == "second thoughts"


async def test_probes_metrics_and_logs_show_what_is_going_on(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    await films.dataset_made(client)
    assert json.loads(running.get("/livez") or "{}")["alive"]
    assert json.loads(running.get("/readyz") or "{}")["ready"]
    metrics = running.get("/metrics") or ""
    assert 'crml_commands_total{operation="CreateTrainingDataset",outcome="accepted"} 1.0' in metrics
    assert "Clean Rooms ML" in (running.get("/") or "")
    lines: list[dict[str, Any]] = [line for line in running.lines() if line.get("command_id") == "dataset"]
    assert [line["event"] for line in lines] == ["aws call", "job succeeded"], "two lines at info"
