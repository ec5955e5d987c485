"""An operator's repairs: parked commands resolved, differences mended, lost and corrupt changelogs made good."""

import asyncio
import json
import re
import time

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import DeleteGroupsRequest

from schemas.operations import OPERATIONS
from schemas.records import POSITION_KEY, Command, Fault, Job, Phase, Position, encode, key_of
from service.core.job import marker
from service.core.marker import stamp
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess, assert_gap_free, until
from tests.support.sandbox_account import World

CREATE = OPERATIONS["CreateAudienceModel"].name


def parked_job(command_id: str, params: dict[str, object]) -> Job:
    """As the service parks a command whose search was ambiguous: a moment ago, so that it is polled as a new one."""
    now = time.time()
    return Job(
        Command(command_id, "test", CREATE, "default", params, "0" * 64),
        Phase.PARKED,
        accepted_at=now,
        finished_at=now,
        fault=Fault("AmbiguousOutcome", "the call's outcome was lost and the search is ambiguous"),
        told=2,
        reply={"error": {"code": "AmbiguousOutcome"}, "searched": "2 resources carry the marker"},
    )


async def put(client: Client, *records: tuple[bytes, bytes | None], partition: int = 0) -> int:
    """Writes to the changelog while nobody serves it, as an owner that has read no command; gives the last offset."""
    async with AIOKafkaProducer(bootstrap_servers=client.bootstrap) as producer:
        await producer.send_and_wait(f"{client.prefix}.jobs", encode(Position(0)), POSITION_KEY, partition)
        for key, value in records:
            sent = await producer.send_and_wait(f"{client.prefix}.jobs", value, key, partition)
    return int(sent.offset)


def run(service: ServiceProcess, *words: str, code: int = 0) -> str:
    done = service.command(*words)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


async def lose(service: ServiceProcess, client: Client, *topics: str) -> None:
    """Loses whole topics; the service makes them anew, empty."""
    names = [f"{client.prefix}.{topic}" for topic in topics]
    admin = AIOKafkaAdminClient(bootstrap_servers=client.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(names)
        while {each["topic"] for each in await admin.describe_topics()} & set(names):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    finally:
        await admin.close()
    run(service, "topics")


async def test_a_person_lists_and_resolves_parked_commands(
    service: ServiceProcess, client: Client, world: World
) -> None:
    films = Films.upload(world)
    dataset = world.ml.create_training_dataset(**films.dataset())["trainingDatasetArn"]
    retried, adopted, given_up = (
        parked_job(name, {**films.model(dataset), "name": name}) for name in ("retried", "adopted", "given-up")
    )
    arn = world.model(dataset, "adopted-one")
    await put(client, *((key_of(job), encode(job)) for job in (retried, adopted, given_up)))
    listed = [json.loads(line) for line in run(service, "parked", "list", "--json").splitlines()]
    assert {one["command_id"] for one in listed} == {"retried", "adopted", "given-up"}
    assert listed[0]["searched"] == "2 resources carry the marker"
    assert "who likes what" not in run(service, "parked", "list"), "members are never shown"

    service.start()
    await service.ready()
    assert "resolved: the command is now intended" in run(service, "parked", "resolve", "retried", "--retry", "--wait")
    assert (await client.terminal("retried")).kind == "succeeded"
    adopting = ("parked", "resolve", "adopted", "--source", "test", "--wait", "--adopt")
    assert "does not carry the command's marker" in run(service, *adopting, arn, code=3)
    missing = arn.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    assert "ResourceNotFoundException" in run(service, *adopting, missing, code=3)
    out = run(service, *adopting, arn, "--unchecked")
    assert "the command is now running" in out
    assert (await client.terminal("adopted")).data["result"]["audienceModelArn"] == arn
    assert "is now failed" in run(service, "parked", "resolve", "given-up", "--fail", "--wait")
    assert (await client.terminal("given-up")).data["error"]["code"] == "GivenUp"
    assert "no command is parked" in run(service, "parked", "list")

    assert "NotParked" in run(service, "parked", "resolve", "retried", "--retry", code=3)
    assert "no command nobody" in run(service, "parked", "resolve", "nobody", "--retry", code=1)
    assert "choose one" in run(service, "parked", "resolve", "retried", code=2)
    assert len(world.requests(CREATE)) == 2, "one by the other hand, one by the retry"
    assert_gap_free(client.events())


async def test_reconcile_adopts_and_tracks(service: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = world.ml.create_training_dataset(**films.dataset())["trainingDatasetArn"]
    lonely = parked_job("lonely", {**films.model(dataset), "name": "lonely"})
    lost = parked_job("lost", films.model(dataset))
    await put(client, *((key_of(job), encode(job)) for job in (lonely, lost)))
    made = world.active_model(dataset=dataset, name="lonely", **stamp({}, marker(lonely.command)))
    stranger = world.active_model(dataset=dataset, name="stranger", **stamp({}, "0123456789ABCDEFGHJKMNPQRS"))
    world.active_model(dataset=dataset, name="not-ours", description="made by hand")

    dry = run(service, "reconcile", code=3)
    assert f"only {made} carries its marker" in dry
    assert "no audience-model carries its marker" in dry
    assert f"orphan: {stranger}" in dry
    assert "not-ours" not in dry
    assert "Nothing was sent" in dry

    service.start()
    await service.ready()
    assert "sent resolve-" in run(service, "reconcile", "--apply", code=3)
    assert (await client.terminal("lonely")).data["result"]["audienceModelArn"] == made
    assert (await client.event(stranger, "ACTIVE")).data["operation"] == "TrackResource"
    assert len(world.requests(CREATE)) == 3
    left = run(service, "reconcile", code=3)
    assert "1 difference, 0 can be repaired safely" in left
    assert "lost" in left


async def test_a_lost_changelog_is_made_anew(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    first = await client.perform(CREATE, films.model(dataset), command_id="model")
    await client.send(CREATE, {"name": ""}, command_id="wrong")
    assert (await client.terminal("wrong")).kind == "rejected"
    world.fault("hang", CREATE, seconds=30)
    await client.send(CREATE, films.model(dataset, "open"), command_id="open")
    await until(lambda: len(world.requests(CREATE)) == 2, 20, running.tail)
    assert "stop the service first" in run(running, "backfill", code=3)
    running.kill()
    world.clear_faults()
    await client.send(CREATE, films.model(dataset, "later"), command_id="later")
    await lose(running, client, "jobs", "resources")

    def stopped() -> bool:
        return running.command("backfill").returncode == 0

    await until(stopped, 30, running.tail)  # the killed member is missed only after its session
    dry = run(running, "backfill")
    for told in ("2  ended: succeeded", "1  ended: rejected", "1  open: uncertain", "1  not consumed", "2  resources"):
        assert told in dry, dry
    assert "Nothing was written" in dry
    assert "wrote 5 records" in run(running, "backfill", "--apply")
    assert "there is nothing to rebuild" in run(running, "backfill", code=3)

    running.start()
    await running.ready()
    assert (await client.terminal("open")).kind == "succeeded"
    assert (await client.terminal("later")).kind == "succeeded"
    count = len(client.replies("model"))
    await client.send(CREATE, films.model(dataset), command_id="model")
    await until(lambda: len(client.replies("model")) > count, 20, running.tail)
    again = client.replies("model")[-1]
    assert again.data["result"] == first
    assert again.headers["ce_id"] == client.replies("model")[-2].headers["ce_id"]
    assert len(world.requests(CREATE)) == 3
    assert_gap_free(client.events())


async def test_a_corrupt_record_is_skipped_only_by_a_person(
    service: ServiceProcess, client: Client, world: World
) -> None:
    good = parked_job("good", {"name": "good"})
    offset = await put(client, (key_of(good), encode(good)), (b'["test","bad"]', b'{"record":"job","v":99}'))
    topic = f"{client.prefix}.jobs"
    where = ("skip-corrupt", "--topic", topic, "--partition", "0")
    service.start()
    await until(lambda: any("halted" in str(line.get("event")) for line in service.lines()), 40, service.tail)
    await service.ready()
    assert list(json.loads(service.get("/readyz") or "{}")["halted"]) == [f"{client.prefix}.commands-0"]
    checked = run(service, "check", code=3)
    assert f"wrong  partition {client.prefix}.commands-0" in checked
    assert f"skip-corrupt --topic {topic} --partition 0" in checked
    await until(lambda: 'state="halted"} 1.0' in (service.get("/metrics") or ""), 10, service.tail)
    assert "skip-corrupt --topic" in (service.get("/") or "")
    assert f"halts: {topic} partition 0 has a record at offset {offset}" in run(service, "offsets", "show", code=3)
    assert f"offset {offset}" in run(service, *where, code=3)
    assert "readable" in run(service, *where, "--offset", str(offset - 1), "--i-understand", code=1)
    assert "Nothing was written" in run(service, *where, "--offset", str(offset), code=3)
    assert "wrote a tombstone" in run(service, *where, "--offset", str(offset), "--i-understand")
    await until(lambda: not json.loads(service.get("/readyz") or "{}")["halted"], 60, service.tail)
    assert "0 records" in run(service, *where)
    assert "good" in run(service, "parked", "list")


async def delete_group(client: Client, group: str) -> None:
    """As `kafka-consumer-groups.sh --delete` does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=client.bootstrap)
    await admin.start()
    try:
        node = await admin.find_coordinator(group)
        answer = await admin._client.send(node, DeleteGroupsRequest([group]))
        assert answer.results == [(group, 0)]
    finally:
        await admin.close()


async def test_offsets_are_shown_recovered_and_set(running: ServiceProcess, client: Client, world: World) -> None:
    """The group is deleted with Kafka's own means: the changelog knows better, unless somebody decides otherwise."""
    films, group = Films.upload(world), f"service-{client.prefix}"
    await films.dataset_made(client)
    await running.terminate()
    shown = run(running, "offsets", "show")
    served = re.search(r"commands partition (\d+) has the offsets 0 to 0 \(next: 1\); the group's offset is 1, ", shown)
    assert served, shown
    setting = ("offsets", "set", "--topic", f"{client.prefix}.commands", "--partition", served[1], "--to")
    assert "not an offset from 0 to 1" in run(running, *setting, "2", code=2)
    await delete_group(client, group)
    assert "the group's offset is none, the changelog's is 1: continues at 1" in run(running, "offsets", "show")

    await put(client, (POSITION_KEY, None), partition=int(served[1]))  # now it is the changelog of an older release
    assert "halts: the group has no offset, and the changelog is not empty" in run(running, "offsets", "show", code=3)
    running.start()
    await until(lambda: "offsets set --topic" in (running.get("/") or ""), 40, running.tail)
    assert "stop the service first" in run(running, *setting, "latest", code=3)
    await running.terminate()
    await delete_group(client, group)
    assert "It is unknown what was consumed" in run(running, *setting, "latest")
    assert "halts" in run(running, "offsets", "show", code=3), "nothing was written"
    assert "will be read from offset 1" in run(running, *setting, "latest", "--apply")
    assert "PERFORMED AGAIN" in run(running, *setting, "earliest")

    await delete_group(client, group)
    running.start()
    await running.ready()
    await client.perform("CreateTrainingDataset", films.dataset("again"), command_id="again")
    assert len(world.requests("CreateTrainingDataset")) == 2
    assert_gap_free(client.events())
