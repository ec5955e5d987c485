"""The service's own commands: tracking what others made, and cancelling."""

import time
from datetime import UTC, datetime

from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess, assert_gap_free, until
from tests.support.sandbox_account import World


def _at(seconds_from_now: float) -> str:
    return datetime.fromtimestamp(time.time() + seconds_from_now, UTC).isoformat().replace("+00:00", "Z")


async def test_tracks_what_another_made(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    arn = world.ml.create_audience_model(**films.model(dataset))["audienceModelArn"]
    shown = await client.perform("TrackResource", {"resourceArn": arn}, command_id="track")
    assert shown["status"] == "ACTIVE"
    assert (await client.event(arn, "ACTIVE")).data["commandId"] == "track"
    assert_gap_free(client.events())


async def test_a_tracked_resource_that_vanishes_is_told_as_deleted(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    arn = world.active_model(dataset=await films.dataset_made(client))
    await client.send("TrackResource", {"resourceArn": arn, "untilStatus": "deleted"}, command_id="track")
    await until(lambda: client.events(arn), 10, running.tail)
    world.ml.delete_audience_model(audienceModelArn=arn)
    assert (await client.terminal("track")).kind == "succeeded"
    assert (await client.event(arn, "deleted")).data["previousStatus"] == "DELETE_IN_PROGRESS"
    assert client.events(arn)[0].data["status"] == "ACTIVE"
    assert_gap_free(client.events())


async def test_before_its_call_a_command_is_cancelled_for_certain(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    model = films.model(await films.dataset_made(client))
    await client.send("CreateAudienceModel", model, command_id="later", notbefore=_at(60))
    await client.reply("later", "waiting")
    cancel = {"commandId": "later", "commandSource": "test"}
    assert await client.perform("CancelCommand", cancel, command_id="cancel") == {"cancelled": True}
    cancelled = await client.terminal("later")
    assert cancelled.data["error"]["code"] == "Cancelled"
    assert world.requests("CreateAudienceModel") == []


async def test_after_its_call_the_resource_can_be_deleted(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    model = films.model(await films.dataset_made(client))
    await client.send("CreateAudienceModel", model, command_id="model")
    await client.reply("model", "started")
    cancel = {"commandId": "model", "commandSource": "test"}
    await client.send("CancelCommand", cancel, command_id="cancel")
    assert (await client.terminal("cancel")).data["error"]["code"] == "TooLate"
    await client.send("CancelCommand", {**cancel, "deleteResource": True}, command_id="delete")
    deleted = await client.terminal("delete")
    assert deleted.kind == "succeeded", deleted.data
    assert deleted.data["operation"] == "CancelCommand"
    assert (await client.terminal("model")).kind == "succeeded"
    assert world.ml.list_audience_models()["audienceModels"] == []
    assert_gap_free(client.events())


async def test_a_deadline_and_a_start_time_hold_across_a_restart(
    running: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    await client.send("CreateAudienceModel", films.model(dataset, "never"), command_id="never", deadline=_at(-1))
    assert (await client.terminal("never")).data["error"]["code"] == "DeadlineExceeded"
    start = time.time() + 6
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model", notbefore=_at(6))
    await client.reply("model", "waiting")
    await running.terminate()
    running.start()
    await running.ready()
    await client.reply("model", "started")
    assert time.time() >= start
    assert len(world.requests("CreateAudienceModel")) == 1
