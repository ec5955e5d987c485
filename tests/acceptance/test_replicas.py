"""Two replicas: the one that is left knows already what the other knew."""

import json
from functools import partial
from typing import Any

from tests.acceptance.films import Films
from tests.acceptance.harness import TERMINAL, Client, ServiceProcess, assert_gap_free, until
from tests.support.sandbox_account import World


def restores(replica: ServiceProcess) -> list[dict[str, float]]:
    return [line for line in replica.lines() if line["event"] == "shard restored"]


def copies(replica: ServiceProcess) -> dict[str, int]:
    """Copies of the other's partitions, 1 for a current one, as the metrics tell."""
    lines = (replica.get("/metrics") or "").splitlines()
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines if line.startswith("crml_standby_cur")}


async def both_share(first: ServiceProcess, second: ServiceProcess) -> None:
    await until(lambda: copies(first) and copies(second), 30, second.tail)
    await until(lambda: all([*copies(first).values(), *copies(second).values()]), 30, second.tail)


async def two(running: ServiceProcess, another: ServiceProcess, client: Client, world: World) -> tuple[Films, str]:
    """Both serve and know each other's partitions; a data set is there."""
    films = Films.upload(world)
    dataset = await films.dataset_made(client)
    another.start()
    await another.ready(60)
    await both_share(running, another)
    return films, dataset


async def test_take_over_reads_nothing_that_is_known(
    running: ServiceProcess, another: ServiceProcess, client: Client, world: World
) -> None:
    films, dataset = await two(running, another, client, world)
    await client.send("CreateAudienceModel", films.model(dataset), command_id="model")
    await client.reply("model", "started")
    before = len(restores(another))
    await both_share(running, another)
    running.kill()
    await client.terminal("model", 40)
    await until(lambda: len(restores(another)) > before, 20, another.tail)
    taken = restores(another)[before:]
    assert sum(line["copied"] for line in restores(another)) > 0
    assert max(line["seconds"] for line in taken) < 0.5, taken
    creates = [entry for entry in world.requests("CreateAudienceModel") if entry["created"]]
    assert len(creates) == 1
    assert [reply.kind for reply in client.replies("model") if reply.kind in TERMINAL] == ["succeeded"]
    assert_gap_free(client.events())


async def test_a_slot_is_waited_for_across_replicas(
    service: ServiceProcess, another: ServiceProcess, client: Client, world: World
) -> None:
    """Two models may be trained at once. A third waits, wherever it was sent, without AWS being asked in vain.

    A target that may be called often: otherwise a slot is free again by the time that a command may be called.
    """
    target = {"REGION": world.region, "ENDPOINT_URL": world.url, "RATE__WRITES_PER_SECOND": "50"}
    for process in (service, another):
        named = {f"CRML_TARGETS__DEFAULT__{name}": value for name, value in target.items()}
        process.environment = {**process.environment, **named}
    service.start()
    await service.ready(60)
    films, dataset = await two(service, another, client, world)
    for number in range(2):
        await client.send("CreateAudienceModel", films.model(dataset), command_id=f"m{number}", key=f"k{number}")
        await client.reply(f"m{number}", "started")
    for number in range(2, 6):
        await client.send("CreateAudienceModel", films.model(dataset), command_id=f"m{number}", key=f"k{number}")
    for number in range(6):
        assert (await client.terminal(f"m{number}", 60)).kind == "succeeded"
    refused = [entry for entry in world.requests("CreateAudienceModel") if entry["status"] == 402]
    assert len(refused) <= 1, "two replicas may take one free slot at the same moment, and then AWS decides"
    waited = {number for number in range(6) if "waiting" in [one.kind for one in client.replies(f"m{number}")]}
    assert waited, json.dumps([one.kind for number in range(6) for one in client.replies(f"m{number}")])
    assert len(world.requests("CreateAudienceModel")) - len(refused) == 6


def shown(replica: ServiceProcess, path: str) -> dict[str, Any]:
    """What a replica's page says, as JSON."""
    return dict(json.loads(replica.get(path) or "{}"))


def owners(replica: ServiceProcess) -> dict[str, int]:
    """How many partitions each replica owns, as the page of one of them says."""
    found = [each["owner"] for each in shown(replica, "/api/partitions").get("partitions", [])]
    return {name: found.count(name) for name in set(found)}


async def test_each_replicas_page_shows_the_commands_of_both_and_who_owns_what(
    running: ServiceProcess, another: ServiceProcess, client: Client, world: World
) -> None:
    films, dataset = await two(running, another, client, world)
    for number in range(4):
        await client.send("CreateAudienceModel", films.model(dataset), command_id=f"m{number}", key=f"k{number}")
    for number in range(4):
        await client.reply(f"m{number}", "accepted")

    def known(replica: ServiceProcess) -> set[str]:
        return {each["id"] for each in shown(replica, "/api/commands?state=all").get("commands", [])}

    def agrees(replica: ServiceProcess) -> bool:
        found = owners(replica)
        return {f"m{number}" for number in range(4)} <= known(replica) and "" not in found and len(found) == 2

    for replica in (running, another):
        await until(partial(agrees, replica), 40, replica.tail)
        overview = shown(replica, "/api/overview")
        assert (overview["complete"], overview["groupState"], len(overview["replicas"])) == (True, "Stable", 2)
        assert [each["here"] for each in overview["replicas"]].count(True) == 1
        lags = [each["lag"] for each in shown(replica, "/api/partitions")["partitions"]]
        assert all(lag is not None and lag < 10 for lag in lags)
    running.kill()
    await until(lambda: len(owners(another)) == 1 and shown(another, "/api/overview")["complete"], 60, another.tail)
    for number in range(4):
        await client.terminal(f"m{number}", 60)
    await until(lambda: shown(another, "/api/commands")["commands"] == [], 10, another.tail)
    timeline = shown(another, "/api/commands/test/m0")
    assert timeline["state"] == "succeeded", timeline
