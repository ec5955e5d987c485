"""A laboratory: replicas of the service behind a proxy of their own, with topics, a group and accounts of their own."""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from sandbox.processes import ROOT
from service import topology
from service.adapters.kafka.topics import ensure
from service.settings import load as load_settings
from tests.faults import chains, segments
from tests.faults.ground import Ground
from tests.faults.history import Batch, History
from tests.faults.load import Load
from tests.faults.proxy import Proxy
from tests.faults.station import QUOTA, Station
from tests.faults.sts import Sts
from tests.faults.subscriber import Subscriber
from tests.faults.workers import SERVICE, TEST_ENTRY, Worker, haste, until
from tests.support.sandbox_account import World

PARTITIONS = 2
TENANTS = {"default": "main", "blue": "other"}
SESSION = 6.0
SETTLE = 4.0
REQUEST_TIMEOUT = 4.0
CALL_TIMEOUT = 4.0
_QUICK = {
    "TIMING__CALL_WINDOW": "1",
    "TIMING__SETTLE": f"{SETTLE:g}",
    "TIMING__SEARCH_DELAYS": "0,0.5",
    "TIMING__RETRY_BASE": "0.2",
    "TIMING__RETRY_CAP": "2",
    "TIMING__CALL_TIMEOUT": f"{CALL_TIMEOUT:g}",
    "TIMING__READ_TIMEOUT": "3",
    "POLLING__TICK": "0.2",
    "POLLING__KINDS__AUDIENCE_MODEL__FIRST": "0.3",
    "POLLING__KINDS__AUDIENCE_GENERATION_JOB__FIRST": "0.3",
    "POLLING__KINDS__AUDIENCE_EXPORT_JOB__FIRST": "0.3",
    "POLLING__REMOVAL__FIRST": "0.3",
    "KAFKA__SESSION_TIMEOUT": f"{SESSION:g}",
    "KAFKA__REQUEST_TIMEOUT": f"{REQUEST_TIMEOUT:g}",
    "KAFKA__TRANSACTION_TIMEOUT": "16",
    "KAFKA__REBALANCE_TIMEOUT": "16",
    "KAFKA__REPLICATION_FACTOR": "1",
    "TOPICS__PARTITIONS": str(PARTITIONS),
}
_RATE = {"RATE__READS_PER_SECOND": "500", "RATE__WRITES_PER_SECOND": "200", "QUOTAS__AUDIENCE_MODELS": str(QUOTA)}


_NOWHERE = "http://127.0.0.1:9"
"""Port 9 is reserved for a protocol that no one serves: connections are refused."""


class Lab:
    """One laboratory.

    Attributes:
        workers: Two replicas, not started; the second one has points. A run may add a third.
        usual_workers: The two.
        point: Where a run says at which point.
        proxy: Between them and Kafka.
        load: Publishes; goes to Kafka directly, as the subscriber does.
        chance: Every choice of a run.
        sts: Gives the second account's credentials.
    """

    def __init__(
        self, station: Station, number: int, accounts: list[str], sts: Sts, settings: Mapping[str, str]
    ) -> None:
        self.station, self.number, self.accounts, self.sts = station, number, accounts, sts
        self.name = f"lab{next(station.numbers)}"
        self.chance = random.Random(number)
        proxy_port, listener = station.lines[number]
        self.proxy = Proxy(proxy_port, listener, seed=number)
        self.directory = station.directory / self.name
        self.environment = self._environment(proxy_port, settings)
        self.point = self.directory / "point"
        self.workers = [self.worker("w1"), self.worker("w2", points=True)]
        self.usual_workers = tuple(self.workers)
        self.worlds: list[World] = []
        self.subscriber: Subscriber
        self.load: Load

    def worker(self, name: str, *, points: bool = False, code: Path = ROOT, **more: str) -> Worker:
        """Another replica, not started; ``code`` is where another release lies."""
        self.directory.mkdir(parents=True, exist_ok=True)
        own = {"CRML_KAFKA__CLIENT_ID": name, "FAULTS_POINT": str(self.point), **more}
        return Worker(name, {**self.environment, **own}, self.directory, TEST_ENTRY if points else SERVICE, code)

    def _environment(self, port: int, settings: Mapping[str, str]) -> dict[str, str]:
        variables = dict(_QUICK)
        for (tenant, target), account in zip(TENANTS.items(), self.accounts, strict=True):
            bucket = f"s3://audiences-{account}"
            own = {
                "TARGETS": target,
                "OPERATIONS": "*",
                "ROLE_ARNS": f"arn:aws:iam::{account}:*",
                "S3_PREFIXES": bucket,
            }
            variables |= {f"TENANTS__{tenant.upper()}__{name}": value for name, value in own.items()}
            access = {"REGION": "eu-west-1", "ENDPOINT_URL": self.station.url, "ACCOUNT": account, **_RATE}
            variables |= {f"TARGETS__{target.upper()}__{name}": value for name, value in access.items()}
        dark = {"REGION": "eu-west-1", "ENDPOINT_URL": _NOWHERE, "ACCOUNT": self.accounts[0]}
        variables |= {f"TARGETS__{chains.OUT.upper()}__{name}": value for name, value in dark.items()}
        variables["TENANTS__DEFAULT__TARGETS"] += f",{chains.OUT}"
        variables["TARGETS__OTHER__ROLE_ARN"] = f"arn:aws:iam::{self.accounts[1]}:role/service"
        variables["TARGETS__OTHER__STS_ENDPOINT_URL"] = self.sts.url
        variables["TARGETS__OTHER__SESSION_PER_COMMAND"] = "false"  # row 38: else changes wait as soon as STS is down
        variables |= {
            "DEFAULT_TARGET": "main",
            "KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{port}",
            "KAFKA__GROUP_ID": self.name,
            "TOPICS__PREFIX": self.name,
            **settings,
        }
        keys = {"AWS_ACCESS_KEY_ID": self.accounts[0], "AWS_SECRET_ACCESS_KEY": "sandbox"}
        return {**keys, **{f"CRML_{name}": value for name, value in variables.items()}}

    # Topics

    @property
    def commands(self) -> dict[str, str]:
        """Commands topic by tenant, as records name it: the default one has no name."""
        return {"": f"{self.name}.commands", "blue": f"{self.name}.blue.commands"}

    @property
    def changelogs(self) -> list[str]:
        """Topics of jobs."""
        return [f"{self.name}.jobs", f"{self.name}.blue.jobs"]

    def topic(self, suffix: str) -> str:
        """One of the topics that tenants share."""
        return f"{self.name}.{suffix}"

    # Replicas

    async def start(self) -> None:
        """Starts the replicas that do not live, and waits until they serve and share the partitions."""
        for worker in self.workers:
            if not worker.alive:
                worker.start()
        await self.balanced()

    async def balanced(self, seconds: float = 60.0) -> None:
        """Waits until every partition is held by exactly one of the living replicas, and each of them is ready."""
        wanted = {f"{topic}-{n}" for topic in self.consumed() for n in range(PARTITIONS)}

        async def shared() -> bool:
            living = [worker for worker in self.workers if worker.alive]
            found = [await worker.status() for worker in living]
            shards = [name for status in found if status for name in status["shards"]]
            return all(status and status["ready"] for status in found) and sorted(shards) == sorted(wanted)

        with suppress(AssertionError):
            await until(shared, seconds * haste(), "not balanced")
            return
        raise AssertionError("\n".join([f"{each.name}: {await each.describe()}" for each in self.workers]))

    def consumed(self) -> list[str]:
        """Topics that shards consume."""
        return [*self.commands.values(), self.topic("changes")]

    async def owner(self, partition: str) -> Worker:
        """The replica that holds a partition."""
        for worker in self.workers:
            if worker.alive and partition in await worker.shards():
                return worker
        raise AssertionError(f"nobody holds {partition}")

    def victim(self) -> Worker:
        """A replica, by lot."""
        return self.chance.choice([worker for worker in self.workers if worker.alive])

    def usual(self) -> None:
        """Ends replicas that a run has put in the place of the usual ones."""
        for worker in self.workers:
            if worker not in self.usual_workers:
                worker.close()
        self.workers = list(self.usual_workers)

    def stop(self) -> None:
        """Ends all replicas at once."""
        for worker in {*self.workers, *self.usual_workers}:
            if worker.alive:
                worker.send(signal.SIGCONT)
            worker.close()

    # The sandbox

    def fault(self, fault: str, operation: str, tenant: int = 0, **more: Any) -> None:
        """Arms a switch of the sandbox in a tenant's account."""
        self.worlds[tenant].fault(fault, operation, **more)

    def clear_faults(self) -> None:
        """Disarms this laboratory's switches."""
        disarm(self.worlds)

    def stuck(self) -> set[str]:
        """What a switch keeps from ending."""
        return stuck(self.worlds)

    def release(self) -> set[str]:
        """Ends what switches do here; what was stuck."""
        return release(self.worlds)

    # The history

    async def history(self) -> History:
        """Everything that has happened here, once the world has come to rest."""
        await self.subscriber.caught_up()
        told = self.subscriber.told
        state = await self.listed("state")
        requests = await self.listed("requests")
        return History(
            sent=tuple(self.load.sent),
            replies=tuple(told[self.topic("replies")]),
            events=tuple(told[self.topic("events")]),
            changelog=tuple(record for topic in self.changelogs for record in told[topic]),
            numbers=tuple(told[self.topic("resources")]),
            dead_letters=tuple(told[self.topic("dead-letters")]),
            requests=tuple(requests),
            resources={each["arn"]: each for each in state},
            batches={topic: await self._batches(topic) for topic in [*self.changelogs, self.topic("resources")]},
            lag=await self._lag(),
        )

    async def listed(self, path: str) -> list[dict[str, Any]]:
        """The sandbox's `requests`, in their order, or its `state`, for these accounts only.

        Those of a whole campaign would take it longer at each run.
        """
        name = {"requests": "requests", "state": "resources"}[path]
        found: list[dict[str, Any]] = []
        for world in self.worlds:
            answer = await asyncio.to_thread(world.admin, "GET", f"{path}?account={world.account}")
            found.extend(answer[name])
        return sorted(found, key=lambda each: str(each.get("time", "")))

    async def _batches(self, topic: str) -> tuple[Batch, ...]:
        return await asyncio.to_thread(segments.read, self.station.broker.data_dir / "data", topic, PARTITIONS)

    async def _lag(self) -> dict[str, int]:
        """Committed records that the group has not consumed; markers at the end of a partition are no records."""
        admin = AIOKafkaAdminClient(bootstrap_servers=self.station.broker.bootstrap, request_timeout_ms=5000)
        await admin.start()
        try:
            committed = await admin.list_consumer_group_offsets(self.name)
        finally:
            await admin.close()
        positions = {(each.topic, each.partition): found.offset for each, found in committed.items()}
        lag = {f"{topic}-{n}": 0 for topic in self.commands.values() for n in range(PARTITIONS)}
        for sent in self.load.offsets:
            if sent.offset >= positions.get((sent.topic, sent.partition), 0):
                lag[f"{sent.topic}-{sent.partition}"] += 1
        return lag


def stuck(worlds: Sequence[World]) -> set[str]:
    """What a switch keeps from ending in these accounts: as the sandbox's log says, and not by how long it takes."""
    return {arn for world in worlds for arn in _stuck(world)}


def _stuck(world: World) -> set[str]:
    requests = world.admin("GET", f"requests?account={world.account}")["requests"]
    struck = {each["arn"] for each in requests if each["fault"] == "stuck"}
    state = world.admin("GET", f"state?account={world.account}")["resources"]
    return {each["arn"] for each in state if each["arn"] in struck and each["status"] in _ON_ITS_WAY}


def disarm(worlds: Sequence[World]) -> None:
    """Disarms the switches of these accounts."""
    for world in worlds:
        world.admin("DELETE", f"faults?account={world.account}")


def release(worlds: Sequence[World]) -> set[str]:
    """Disarms the switches, then removes what one of them keeps from ending, as somebody else would; what that was.

    A switch that stays armed strikes a later command of the load, which then never ends.
    """
    disarm(worlds)
    held = stuck(worlds)
    for arn in held:
        worlds[0].admin("POST", "remove", {"arn": arn})
    return held


_ON_ITS_WAY = frozenset({"CREATE_PENDING", "CREATE_IN_PROGRESS", "DELETE_PENDING", "DELETE_IN_PROGRESS"})


@asynccontextmanager
async def laboratory(station: Station, number: int, settings: Mapping[str, str] | None = None) -> AsyncIterator[Lab]:
    """A laboratory with its topics and resources; its replicas are not started, and ended with the block."""
    accounts = [str(next(station.accounts)) for _ in TENANTS]
    async with AsyncExitStack() as stack:
        sts = await stack.enter_async_context(Sts(accounts[1]))
        lab = Lab(station, number, accounts, sts, {**station.access, **(settings or {})})
        plain = {
            name: value for name, value in lab.environment.items() if "__SECURITY" not in name and "SASL" not in name
        }
        loaded = load_settings(environ={**plain, "CRML_KAFKA__BOOTSTRAP_SERVERS": station.broker.bootstrap})
        await ensure(topology.kafka_settings(loaded), topology.topic_specs(loaded), replication=1)
        lab.worlds = [World(station.url, account) for account in lab.accounts]
        for world in lab.worlds:
            stack.callback(world.close)
        laying = [
            asyncio.to_thread(Ground.lay, "" if tenant == "default" else tenant, target, world)
            for (tenant, target), world in zip(TENANTS.items(), lab.worlds, strict=True)
        ]
        grounds = await asyncio.gather(*laying)
        await stack.enter_async_context(lab.proxy)
        stack.callback(lab.stop)
        topics = [lab.topic(name) for name in ("replies", "events", "dead-letters", "resources")] + lab.changelogs
        bootstrap_servers = station.broker.bootstrap
        lab.subscriber = await stack.enter_async_context(Subscriber(bootstrap_servers, topics, PARTITIONS))
        lab.load = await stack.enter_async_context(
            Load(bootstrap_servers, lab.commands, grounds, PARTITIONS, lab.subscriber, lab.topic("replies"))
        )
        yield lab
