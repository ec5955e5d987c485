"""kill -9 where it hurts: one create at AWS, one end per command, events without gaps."""

import asyncio
import signal

from sandbox.kafka.broker import Broker
from tests.acceptance.films import Films
from tests.acceptance.harness import TERMINAL, Client, ServiceProcess, assert_gap_free, until
from tests.support.sandbox_account import World


async def _restart(service: ServiceProcess) -> None:
    service.start()
    await service.ready(60)


def _assert_once(client: Client, world: World, command_id: str, operation: str) -> None:
    creates = [entry for entry in world.requests(operation) if entry["created"]]
    assert len(creates) == 1, creates
    ends = [reply.kind for reply in client.replies(command_id) if reply.kind in TERMINAL]
    assert ends == ["succeeded"]
    assert_gap_free(client.events())


async def test_killed_in_the_middle_of_a_training(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model")
    await client.reply("model", "started")
    running.kill()
    assert world.ml.list_audience_models()["audienceModels"][0]["status"] != "ACTIVE", "still training"
    await _restart(running)
    await client.terminal("model", 40)
    _assert_once(client, world, "model", "CreateAudienceModel")
    assert len(world.requests("CreateAudienceModel")) == 1


async def test_killed_in_the_middle_of_a_chain(running: ServiceProcess, client: Client, world: World) -> None:
    """Five commands are sent at once; the service dies when the model is in training, and when the job is."""
    films = Films.upload(world)
    links = (
        ("CreateTrainingDataset", films.dataset()),
        ("CreateAudienceModel", films.model("command:1")),
        ("CreateConfiguredAudienceModel", films.configured("command:2")),
        ("StartAudienceGenerationJob", films.generation("command:3")),
        ("StartAudienceExportJob", films.export("command:4")),
    )
    for number, (operation, data) in enumerate(links, start=1):
        await client.send(operation, data, command_id=str(number))
    for started in ("2", "4"):
        await client.reply(started, "started", 60)
        running.kill()
        await _restart(running)
    export = await client.terminal("5", 60)
    assert export.kind == "succeeded", export.data
    assert export.data["request"]["audienceGenerationJobArn"].startswith("arn:")
    for number, (operation, _) in enumerate(links, start=1):
        _assert_once(client, world, str(number), operation)
    assert client.dead_letters() == []


async def test_killed_while_the_reply_is_on_its_way(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    world.fault("delay", "CreateAudienceModel", count=1, seconds=5)
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model")
    await until(lambda: world.ml.list_audience_models()["audienceModels"], 10, running.tail)
    running.kill()
    await _restart(running)
    await client.terminal("model", 40)
    _assert_once(client, world, "model", "CreateAudienceModel")


async def test_killed_between_the_reply_and_its_commit(
    running: ServiceProcess, client: Client, world: World, kafka: Broker
) -> None:
    """The broker is frozen once AWS has made the model, so the reply arrives and can't be committed."""
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    world.fault("delay", "CreateAudienceModel", count=1, seconds=1.5)
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model")
    await until(lambda: world.ml.list_audience_models()["audienceModels"], 10, running.tail)
    kafka.freeze()
    try:
        await until(lambda: world.requests("CreateAudienceModel")[0]["status"] == 200, 10, running.tail)
        await asyncio.sleep(0.5)
        running.kill()
    finally:
        kafka.thaw()
    await _restart(running)
    await client.terminal("model", 60)
    _assert_once(client, world, "model", "CreateAudienceModel")


async def test_an_export_whose_reply_was_lost_is_found_again(
    running: ServiceProcess, client: Client, world: World
) -> None:
    """Exports have no identity and no Get: only the marker in a List tells."""
    films = Films.upload(world)
    model = await client.perform(
        "CreateAudienceModel", films.model(await films.dataset_made(client)), command_id="model"
    )
    configured = await client.perform(
        "CreateConfiguredAudienceModel", films.configured(model["audienceModelArn"]), command_id="configured"
    )
    generation = await client.perform(
        "StartAudienceGenerationJob", films.generation(configured["configuredAudienceModelArn"]), command_id="job"
    )
    world.fault("close_after_effect", "StartAudienceExportJob", count=1)
    await client.perform(
        "StartAudienceExportJob", films.export(generation["audienceGenerationJobArn"]), command_id="export"
    )
    _assert_once(client, world, "export", "StartAudienceExportJob")


async def test_sigterm_drains_and_leaves_the_group(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    world.fault("delay", "CreateAudienceModel", count=1, seconds=1.5)
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model")
    await until(lambda: world.ml.list_audience_models()["audienceModels"], 10, running.tail)
    assert await running.terminate() == 0, running.tail()
    # The training may have ended meanwhile, and then a look within the drain tells that too.
    kinds = [reply.kind for reply in client.replies("model")]
    assert kinds[:2] == ["accepted", "started"], "the call under way was awaited"
    assert kinds[2:] in ([], ["succeeded"])
    began = asyncio.get_running_loop().time()
    await _restart(running)
    assert asyncio.get_running_loop().time() - began < 5, "nobody waits for a session to expire"
    await client.terminal("model", 40)
    _assert_once(client, world, "model", "CreateAudienceModel")
    assert len(world.requests("CreateAudienceModel")) == 1


async def test_a_second_signal_is_a_crash_and_as_safe(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    world.fault("delay", "CreateAudienceModel", count=1, seconds=6)
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model")
    await until(lambda: world.ml.list_audience_models()["audienceModels"], 10, running.tail)
    running.signal(signal.SIGTERM)
    await until(lambda: "stopping" in running.log.read_text(), 10, running.tail)
    running.signal(signal.SIGTERM)
    process = running.process
    assert process is not None
    await until(lambda: process.poll() is not None, 10, running.tail)
    await _restart(running)
    await client.terminal("model", 40)
    _assert_once(client, world, "model", "CreateAudienceModel")
