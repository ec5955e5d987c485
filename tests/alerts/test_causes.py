"""Each alert is raised by its cause: a real service, a real fault, a real Prometheus with the rules as shipped.

Only times are scaled down. Before its cause, no alert fires.
"""

import asyncio
import base64
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer

from sandbox.kafka.broker import Broker, free_port
from schemas import records
from schemas.records import Command, Job, Phase, Position
from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess, until
from tests.alerts.conftest import Line
from tests.alerts.prometheus import Prometheus, rules
from tests.faults.proxy import Action, Api, Proxy
from tests.support.certificates import self_signed
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.chart, pytest.mark.timeout(180)]

ROOT: Final = Path(__file__).parents[2]
CREATE, GET, LIST = "CreateAudienceModel", "GetAudienceModel", "ListAudienceModels"


class Stage:
    """A service that Prometheus looks at, and what a cause needs."""

    def __init__(
        self, prometheus: Prometheus, service: ServiceProcess, client: Client, world: World, kafka: Broker, line: Line
    ) -> None:
        self.prometheus, self.service, self.client, self.world = prometheus, service, client, world
        self.kafka, self.line = kafka, line
        self.films = Films.upload(world)
        self.job = client.prefix

    def give(self, **settings: str) -> None:
        """Before the start."""
        own = {f"CRML_{name}": value for name, value in settings.items()}
        # A target that is set has its address from the settings, not from AWS_ENDPOINT_URL.
        own["CRML_TARGETS__DEFAULT__ENDPOINT_URL"] = self.world.url
        self.service = replace(self.service, environment={**self.service.environment, **own})

    async def start(self, *, ready: bool = True) -> None:
        """Starts, and lets Prometheus see that all is well."""
        self.service.start()
        if ready:
            await self.service.ready()
        self.prometheus.scrape(self.job, self.service.port)
        await self.until(lambda: len(self.prometheus.query(f'crml_ready{{job="{self.job}"}}')), 30)
        if ready:
            await asyncio.sleep(3)
            assert self.firing() == set()

    def firing(self) -> set[str]:
        return self.prometheus.firing(self.job)

    async def until(self, holds: Callable[[], object], seconds: float) -> None:
        await until(holds, seconds, lambda: f"firing: {self.firing()}\n{self.service.tail()}")

    async def ask_for_datasets(self, number: int, *, key: str = "", pause: float = 0.0) -> None:
        """Sends as many commands, d0 and on; each has a key of its own if none is given."""
        for each in range(number):
            data = self.films.dataset(f"d{each}")
            await self.client.send("CreateTrainingDataset", data, command_id=f"d{each}", key=key or f"k{each}")
            await asyncio.sleep(pause)

    async def dataset(self) -> str:
        return await self.films.dataset_made(self.client)


async def parked(stage: Stage) -> None:
    """The answer of a create is lost, and somebody copies its description: two resources carry the marker."""
    await stage.start()
    dataset = await stage.dataset()
    stage.world.fault("close_after_effect", CREATE)
    stage.world.fault("error", LIST, count=None)  # no search succeeds before the copy is there
    await stage.client.send(CREATE, stage.films.model(dataset), command_id="parked")
    await stage.until(lambda: stage.world.requests(LIST), 20)
    resources = stage.world.admin("GET", "state")["resources"]
    ours = [each for each in resources if each["account"] == stage.world.account]
    [made] = [each for each in ours if ":audience-model/" in each["arn"]]
    stage.world.model(dataset, name="copy", description=made["description"])
    stage.world.clear_faults()
    assert (await stage.client.terminal("parked")).kind == "parked"


async def held(stage: Stage) -> None:
    """A newer release has written a job of an operation that this one does not have."""
    command = Command("held", "/tests", "StartTrainedModelInferenceJob", "default", {}, "")
    job = records.encode(Job(command, Phase.RUNNING, accepted_at=0.0))
    async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap) as producer:
        await producer.send_and_wait(f"{stage.job}.jobs", job, records.job_key("/tests", "held"), 0)
        position = records.encode(Position(0, group=f"service-{stage.job}"))
        await producer.send_and_wait(f"{stage.job}.jobs", position, records.POSITION_KEY, 0)
    await stage.start()
    assert (await stage.client.reply("held", "waiting")).data["reason"] == "UnknownOperation"


async def restore_stuck(stage: Stage) -> None:
    """The transaction coordinator does not answer: no shard can be opened."""
    async with Proxy(stage.line.proxy, stage.line.listener) as proxy:
        proxy.arm(Action.HOLD, Api.INIT_PRODUCER_ID, count=None)
        stage.give(KAFKA__BOOTSTRAP_SERVERS=f"127.0.0.1:{stage.line.proxy}")
        await stage.start(ready=False)
        await fires(stage, "CleanRoomsMLRestoreStuck")


async def halted(stage: Stage) -> None:
    """Somebody else has written to the changelog."""
    async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap) as producer:
        await producer.send_and_wait(f"{stage.job}.jobs", b"?", b"no job", 0)
    await stage.start(ready=False)


async def budget_exhausted(stage: Stage) -> None:
    """More is asked for than the budget grants."""
    stage.give(TARGETS__DEFAULT__RATE__WRITES_PER_SECOND="0.05")
    await stage.start()
    await stage.ask_for_datasets(5)


async def waiting_queue_old(stage: Stage) -> None:
    """A training does not end, and AWS lets no other one begin."""
    stage.give(TARGETS__DEFAULT__QUOTAS__AUDIENCE_MODELS="1")
    await stage.start()
    dataset = await stage.dataset()
    stage.world.fault("stuck", CREATE)
    for number in range(2):
        data = stage.films.model(dataset, f"m{number}")
        await stage.client.send(CREATE, data, command_id=f"m{number}", key="k")
    await stage.client.reply("m1", "waiting")


async def fenced_loop(stage: Stage) -> None:
    """Something else uses the service's transactional id, again and again."""
    await stage.start()
    group = stage.service.environment["CRML_KAFKA__GROUP_ID"]

    async def fence() -> None:
        name = f"{group}-{stage.job}.commands-0"
        async with AIOKafkaProducer(bootstrap_servers=stage.kafka.bootstrap, transactional_id=name):
            pass

    for number in range(60):
        if "CleanRoomsMLFencedLoop" in stage.firing():
            break
        await fence()
        await stage.client.send("ListTrainingDatasets", {}, command_id=f"l{number}", key=f"k{number}")
        await asyncio.sleep(0.7)


async def dead_letters(stage: Stage) -> None:
    """A record that is no command."""
    await stage.start()
    await stage.client.send_raw(b"hello", {})


async def poll_lag(stage: Stage) -> None:
    """AWS answers no Get and no List while a training is under way."""
    await stage.start()
    dataset = await stage.dataset()
    stage.world.fault("stuck", CREATE)
    await stage.client.send(CREATE, stage.films.model(dataset), command_id="model")
    await stage.client.reply("model", "started")
    for operation in (GET, LIST):
        stage.world.fault("error", operation, count=None)


async def credentials_failing(stage: Stage) -> None:
    """Nothing in the environment, on disk or at the instance gives credentials."""
    kept = {name: value for name, value in stage.service.environment.items() if not name.startswith("AWS_")}
    kept |= {"AWS_ENDPOINT_URL": stage.world.url, "AWS_REGION": stage.world.region}
    kept |= {"AWS_EC2_METADATA_DISABLED": "true", "HOME": "/nonexistent", "AWS_CONFIG_FILE": os.devnull}
    kept |= {"AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    stage.service = replace(stage.service, environment=kept)
    await stage.start()
    await stage.client.send("ListTrainingDatasets", {}, command_id="list")


async def target_unreachable(stage: Stage) -> None:
    """Every call ends with a server error."""
    await stage.start()
    stage.world.fault("error", "ListTrainingDatasets", count=None)
    await stage.client.send("ListTrainingDatasets", {}, command_id="list")


async def job_overdue(stage: Stage) -> None:
    """A training does not end."""
    stage.give(TIMING__RUNNING_LIMIT__AUDIENCE_MODEL="3")
    await stage.start()
    dataset = await stage.dataset()
    stage.world.fault("stuck", CREATE)
    await stage.client.send(CREATE, stage.films.model(dataset), command_id="model")
    assert (await stage.client.reply("model", "waiting")).data["reason"] == "Overdue"


async def down(stage: Stage) -> None:
    """The only replica is gone."""
    await stage.start()
    stage.service.kill()


async def replica_down(stage: Stage) -> None:
    """One of two is gone."""
    await stage.start()
    second = replace(stage.service, port=free_port(), process=None, log=stage.service.log.with_suffix(".second"))
    second.start()
    try:
        await second.ready()
        stage.prometheus.scrape(stage.job, second.port)
        await stage.until(lambda: len(stage.prometheus.query(f'crml_ready{{job="{stage.job}"}}')) == 2, 20)
    finally:
        second.kill()


async def crash_loop(stage: Stage) -> None:
    """The process ends soon after each start."""
    await stage.start()
    for _ in range(3):
        started = stage.prometheus.query(f'process_start_time_seconds{{job="{stage.job}"}}')[0]["value"][1]
        stage.service.kill()
        stage.service.start()
        now = f'process_start_time_seconds{{job="{stage.job}"}} > {started}'
        await stage.until(lambda query=now: stage.prometheus.query(query), 40)  # type: ignore[misc]


async def internal_errors(stage: Stage) -> None:
    """A function of the service raises what no code expects."""
    folder = stage.service.log.parent / "defect"
    folder.mkdir()
    defect = "import service.runtime.dispatch as it\ndef broken(*_):\n    raise KeyError('defect')\nit.stamp = broken\n"
    (folder / "sitecustomize.py").write_text(defect)
    own = {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
    stage.service = replace(stage.service, environment={**stage.service.environment, **own})
    await stage.start()
    await stage.client.send("CreateTrainingDataset", stage.films.dataset("d"), command_id="d")
    assert (await stage.client.terminal("d")).data["error"]["code"] == "ServiceError"


async def commands_failing(stage: Stage) -> None:
    """Six commands are about a resource that is not there."""
    await stage.start()
    arn = f"arn:aws:cleanrooms-ml:{stage.world.region}:{stage.world.account}:audience-model/{uuid4()}"
    for number in range(6):
        await stage.client.send("DeleteAudienceModel", {"audienceModelArn": arn}, command_id=f"f{number}")
    assert (await stage.client.terminal("f5")).kind == "failed"


async def commands_lag(stage: Stage) -> None:
    """More commands than the budget lets through: the partition pauses until some have been called."""
    stage.give(TARGETS__DEFAULT__RATE__WRITES_PER_SECOND="0.05", RUNTIME__OPEN_JOBS_LIMIT="10")
    await stage.start()
    # With a pause: otherwise one fetch brings them all, and all are accepted.
    await stage.ask_for_datasets(60, key="k", pause=0.1)


async def command_waiting(stage: Stage) -> None:
    """The budget lets no second call through for long."""
    stage.give(TARGETS__DEFAULT__RATE__WRITES_PER_SECOND="0.01")
    await stage.start()
    await stage.ask_for_datasets(3)
    assert (await stage.client.reply("d2", "waiting")).data["reason"] == "RateBudget"


async def access_denied(stage: Stage) -> None:
    """One publisher names a role of another account, once."""
    await stage.start()
    data = stage.films.dataset("d") | {"roleArn": "arn:aws:iam::999999999999:role/theirs"}
    await stage.client.send("CreateTrainingDataset", data, command_id="d")
    assert (await stage.client.terminal("d")).data["error"]["code"] == "AccessDeniedException"


async def certificate_expires(stage: Stage) -> None:
    """The client certificate has three days left."""
    own = self_signed(stage.service.log.parent, datetime.now(UTC) + timedelta(days=3))
    stage.give(KAFKA__SSL_CERT_FILE=str(own.certificate), KAFKA__SSL_KEY_FILE=str(own.key))
    await stage.start(ready=False)
    await stage.service.ready()


async def credentials_expire(stage: Stage) -> None:
    """Nothing renews the pod's token."""
    token = stage.service.log.parent / "token"
    claims = base64.urlsafe_b64encode(json.dumps({"exp": time.time() + 60}).encode()).decode().rstrip("=")
    token.write_text(f"e30.{claims}.c2ln")
    own = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(token)}
    stage.service = replace(stage.service, environment={**stage.service.environment, **own})
    await stage.start(ready=False)
    await stage.service.ready()


async def memory_high(stage: Stage) -> None:
    """The limit of its cgroup is a little above what it uses."""
    group = Path("/sys/fs/cgroup/memory") / f"crml-{stage.job}"  # v1: v2 gives no group to a process among others
    try:
        group.mkdir()
    except OSError:
        pytest.skip("needs the right to make a cgroup (v1)")
    own = f'mount --bind {group} {group.parent}; exec "$0" "$@"'
    enter = f'echo $$ > {group}/cgroup.procs; exec unshare -m sh -c \'{own}\' "$0" "$@"'
    stage.service = replace(stage.service, within=("sh", "-c", enter))
    try:
        await stage.start()
        used = stage.prometheus.query(f'process_resident_memory_bytes{{job="{stage.job}"}}')[0]["value"][1]
        (group / "memory.limit_in_bytes").write_text(str(int(float(used) * 1.3)))
        await fires(stage, "CleanRoomsMLMemoryHigh")
        assert stage.firing() == {"CleanRoomsMLMemoryHigh"}
        stage.service.kill()
    finally:
        (group / "memory.limit_in_bytes").write_text("-1")
        await until(lambda: not (group / "cgroup.procs").read_text(), 10, lambda: "still there")
        group.rmdir()


CAUSES: Final[dict[str, Callable[[Stage], Awaitable[None]]]] = {
    "CleanRoomsMLParkedJobs": parked,
    "CleanRoomsMLJobsHeld": held,
    "CleanRoomsMLRestoreStuck": restore_stuck,
    "CleanRoomsMLPartitionHalted": halted,
    "CleanRoomsMLBudgetExhausted": budget_exhausted,
    "CleanRoomsMLWaitingQueueOld": waiting_queue_old,
    "CleanRoomsMLFencedLoop": fenced_loop,
    "CleanRoomsMLDeadLetters": dead_letters,
    "CleanRoomsMLPollLag": poll_lag,
    "CleanRoomsMLCredentialsFailing": credentials_failing,
    "CleanRoomsMLTargetUnreachable": target_unreachable,
    "CleanRoomsMLJobOverdue": job_overdue,
    "CleanRoomsMLDown": down,
    "CleanRoomsMLReplicaDown": replica_down,
    "CleanRoomsMLCrashLoop": crash_loop,
    "CleanRoomsMLInternalErrors": internal_errors,
    "CleanRoomsMLCommandsFailing": commands_failing,
    "CleanRoomsMLCommandsLag": commands_lag,
    "CleanRoomsMLCommandWaiting": command_waiting,
    "CleanRoomsMLAccessDenied": access_denied,
    "CleanRoomsMLCertificateExpires": certificate_expires,
    "CleanRoomsMLCredentialsExpire": credentials_expire,
    "CleanRoomsMLMemoryHigh": memory_high,
}

_SEEN_BY_THEMSELVES: Final = {"CleanRoomsMLRestoreStuck", "CleanRoomsMLMemoryHigh"}
"""Alerts whose causes wait for them, since they end with what has raised them."""


_FOLLOWS: Final = {
    "CleanRoomsMLPollLag": {"CleanRoomsMLTargetUnreachable"},
    "CleanRoomsMLCrashLoop": {"CleanRoomsMLDown"},
    "CleanRoomsMLCommandsLag": {"CleanRoomsMLBudgetExhausted", "CleanRoomsMLCommandWaiting"},
    "CleanRoomsMLCommandWaiting": {"CleanRoomsMLBudgetExhausted"},
    "CleanRoomsMLBudgetExhausted": {"CleanRoomsMLCommandWaiting"},
}
"""When no poll is answered, and there are no other calls, the target does not answer. Between two starts there is no
replica. What waits for the budget also waits as a command, and is the reason that others are not consumed."""


async def fires(stage: Stage, alert: str) -> None:
    await stage.until(lambda: alert in stage.firing(), 60)


@pytest.fixture
async def stage(
    prometheus: Prometheus, service: ServiceProcess, client: Client, world: World, kafka: Broker, line: Line
) -> AsyncIterator[Stage]:
    made = Stage(prometheus, service, client, world, kafka, line)
    yield made
    process = made.service.process
    if process is not None and process.poll() is None:
        made.service.kill()


@pytest.mark.parametrize("alert", CAUSES)
async def test_the_cause_raises_the_alert(stage: Stage, alert: str) -> None:
    await CAUSES[alert](stage)
    if alert not in _SEEN_BY_THEMSELVES:
        await fires(stage, alert)
    assert stage.firing() <= {alert, *_FOLLOWS.get(alert, ()), "CleanRoomsMLPollLag"}


def test_every_alert_has_a_cause_here() -> None:
    assert {rule["alert"] for rule in rules()} == CAUSES.keys()
