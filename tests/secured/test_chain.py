"""The whole chain behind TLS, SCRAM and exactly the generated rights, each component as itself, over many sessions.

The sessions live 3 s. The service's log is at DEBUG and must hold neither a secret nor a payload.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from service.adapters.kafka.auth.security import security
from service.settings import load
from tests.acceptance.canaries import leaks
from tests.acceptance.films import Films
from tests.acceptance.harness import QUICK, Client, ServiceProcess
from tests.secured.clients import PASSWORD, Environment, privileged
from tests.secured.fortress import SCRAM, SESSION_MS, SHORT, Fortress
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]

PREFIX = "chain"
SQL = "canary-sql-parameters"
AWS_SECRET, AWS_SESSION = "canary-aws-secret-key", "canary-aws-session-token"
SECRETS = (PASSWORD, AWS_SECRET, AWS_SESSION, SQL)
WATCHED = 7 * SESSION_MS / 1000
"""Seconds of steady work: a connection outlives several sessions."""


class Team(Client):
    """Another team: a publisher and a subscriber, each with the rights of its own component only."""

    def __init__(self, publisher: Environment, subscriber: Environment) -> None:
        self.prefix = PREFIX
        self.heard = []
        self._producer = AIOKafkaProducer(**_options(publisher), enable_idempotence=True)
        self._consumer = AIOKafkaConsumer(
            f"{PREFIX}.replies",
            f"{PREFIX}.events",
            **_options(subscriber),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            group_id=f"{PREFIX}-subscriber-team",
        )
        self._reading = None


def _options(variables: Environment) -> dict[str, Any]:
    kafka = load(environ=variables).kafka
    return {"bootstrap_servers": list(kafka.bootstrap_servers), **security(kafka)}


@pytest.fixture
def service(fortress: Fortress, world: World, tmp_path: Path) -> ServiceProcess:
    """Not started; its topics are made by the component whose task that is."""
    shared = {
        "AWS_ENDPOINT_URL": world.url,
        "AWS_REGION": world.region,
        "AWS_ACCESS_KEY_ID": world.account,
        "AWS_SECRET_ACCESS_KEY": AWS_SECRET,
        "AWS_SESSION_TOKEN": AWS_SESSION,
        **{f"CRML_{name}": value for name, value in QUICK.items()},
        "CRML_LOG__LEVEL": "debug",
    }
    maker = ServiceProcess({**shared, **privileged(fortress, "topics", PREFIX)}, tmp_path / "topics.log")
    assert maker.command("topics").returncode == 0
    variables = {**shared, **privileged(fortress, "service", PREFIX)}
    checked = ServiceProcess(variables, tmp_path / "check.log").command("check")
    assert checked.returncode == 0, checked.stdout
    variables["CRML_KAFKA__BOOTSTRAP_SERVERS"] = fortress.address(SHORT)
    return ServiceProcess(variables, tmp_path / "service.log")


@pytest.fixture
async def running(service: ServiceProcess) -> AsyncIterator[ServiceProcess]:
    service.start()
    await service.ready(90)
    yield service
    if service.process is not None and service.process.poll() is None:
        service.kill()


@pytest.fixture
async def team(fortress: Fortress, running: ServiceProcess) -> AsyncIterator[Team]:
    clients = (privileged(fortress, component, PREFIX) for component in ("publisher", "subscriber"))
    async with Team(*clients) as team:
        yield team


async def test_a_service_behind_all_of_it(running: ServiceProcess, team: Team, world: World) -> None:
    films = Films.upload(world)
    dataset = await team.perform("CreateTrainingDataset", films.dataset(), command_id="1", seconds=90)
    model = await team.perform(
        "CreateAudienceModel", films.model(dataset["trainingDatasetArn"]), command_id="2", seconds=90
    )
    configured = await team.perform(
        "CreateConfiguredAudienceModel", films.configured(model["audienceModelArn"]), command_id="3", seconds=90
    )
    arn = configured["configuredAudienceModelArn"]
    await team.perform("StartAudienceGenerationJob", films.generation(arn), command_id="4", seconds=90)
    await _tell_a_secret(team, films, arn)

    longest = await _work_steadily(team)
    lines = running.lines()
    renewals = [line for line in lines if line["event"] == "Kafka session renewed"]
    loud = [line for line in lines if line["level"] in {"warning", "error", "critical"}]
    assert len(renewals) > WATCHED / (SESSION_MS / 1000), "sessions were renewed"
    assert sorted(line["event"] for line in loud) == ["job failed", "job failed", "record is a dead letter"]
    assert longest < SESSION_MS / 1000, "nothing waits for a session to time out"
    assert await running.terminate(60) == 0
    log = running.log.read_text()
    assert '"level":"debug"' in log.replace(" ", "")
    assert leaks(log, SECRETS) == []


async def _tell_a_secret(team: Team, films: Films, configured: str) -> None:
    """By SQL parameters in commands whose job fails, that AWS refuses, and that we do."""
    wanted = films.generation(configured, "with-sql")
    query = {"queryString": SQL}
    wanted["seedAudience"] = {"roleArn": films.world.role, "sqlParameters": query}
    wanted["collaborationId"] = "00000000-0000-4000-8000-000000000001"
    absent = configured.rpartition("/")[0] + "/00000000-0000-4000-8000-000000000000"
    for command_id, data in {
        "sql": wanted,
        "sql-absent": {**wanted, "configuredAudienceModelArn": absent},
        "sql-wrong": {**wanted, "seedAudience": {"roleArn": 7, "sqlParameters": query}},
    }.items():
        await team.send("StartAudienceGenerationJob", data, command_id=command_id)
        await team.terminal(command_id, 90)
    ends = [team.replies(command_id)[-1].kind for command_id in ("sql", "sql-absent", "sql-wrong")]
    assert ends == ["failed", "failed", "rejected"], "each way has its own log lines"


async def _work_steadily(team: Team) -> float:
    """Command after command; the longest that one took."""
    longest, until, number = 0.0, time.monotonic() + WATCHED, 0
    while time.monotonic() < until:
        begun, number = time.monotonic(), number + 1
        await team.perform("ListAudienceModels", {}, command_id=f"steady-{number}", seconds=60)
        longest = max(longest, time.monotonic() - begun)
        await asyncio.sleep(0.05)
    return longest


async def test_no_secret_when_nobody_lets_us_in(service: ServiceProcess, fortress: Fortress) -> None:
    wrong = "canary-wrong-password"
    service.environment = {
        **service.environment,
        "CRML_KAFKA__SASL_PASSWORD": wrong,
        "CRML_KAFKA__BOOTSTRAP_SERVERS": fortress.address(SCRAM),
    }
    done = await asyncio.to_thread(service.command, "run")
    assert done.returncode == 3
    last = json.loads(done.stdout.splitlines()[-1])
    assert "refuses user chain-service: check sasl_username and sasl_password" in last["reason"]
    assert leaks(done.stdout + done.stderr, [*SECRETS, wrong]) == []
