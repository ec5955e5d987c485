"""Each command of the runbooks, run on a Kafka with ACLs, with the rights that are shipped, where it has work to do."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from schemas.records import POSITION_KEY, Command, Job, Phase, Position, encode, key_of
from service.core.job import marker
from service.core.marker import stamp
from tests.acceptance.films import Films
from tests.acceptance.harness import QUICK, ServiceProcess
from tests.acceptance.test_repair import parked_job
from tests.secured.clients import Environment, made, privileged
from tests.secured.fortress import Fortress
from tests.secured.runbook_commands import CORRUPT, DISPLACED, KNOWN, LOST, SERVING, Known, words_of
from tests.support.sandbox_account import World

pytestmark = [pytest.mark.acceptance, pytest.mark.rights, pytest.mark.timeout(1500)]

SECONDS = 40.0
"""How long a command that changes nothing is repeated until it shows what is to come."""


class Operator:
    """Runs the commands of a state, each with the rights of its component."""

    def __init__(self, fortress: Fortress, world: World, prefix: str, folder: Path) -> None:
        self.prefix = made(fortress, prefix)
        self.context = {"prefix": prefix, "jobs": f"{prefix}.jobs"}
        self._fortress, self._folder = fortress, folder
        self._aws = {
            "AWS_ENDPOINT_URL": world.url,
            "AWS_REGION": world.region,
            "AWS_ACCESS_KEY_ID": world.account,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            **{f"CRML_{name}": value for name, value in QUICK.items()},
        }
        self.components = {name: self._component(name) for name in ("service", "repair")}

    def _component(self, name: str, **more: str) -> ServiceProcess:
        variables: Environment = {**self._aws, **privileged(self._fortress, name, self.prefix), **more}
        return ServiceProcess(variables, self._folder / f"{name}.log")

    def put(
        self, topic: str, key: bytes, value: bytes, partition: int = 0, headers: Mapping[str, str] | None = None
    ) -> None:
        self._fortress.produce(f"{self.prefix}.{topic}", partition, key, value, headers)

    def job(self, job: Job) -> None:
        self.put("jobs", key_of(job), encode(job))

    async def run_all(self, state: str) -> None:
        """The commands of a state, in order; those that go wrong are reported together."""
        wrong = [
            said
            for command, known in KNOWN.items()
            if known.state == state and (said := await self._run(command, known))
        ]
        assert not wrong, "\n\n".join(wrong)

    async def _run(self, command: str, known: Known) -> str:
        """What went wrong with a command; empty if nothing did."""
        words = words_of(command, known.values, self.context)
        shows = known.shows.format_map(self.context).replace("cleanroomsml-", f"{self.prefix}-")
        again = not {"--apply", "--i-understand", "resolve", "cancel"} & set(words)
        deadline = time.monotonic() + (SECONDS if again else 0)
        while True:
            done = await asyncio.to_thread(self.components[known.component].command, *words)
            said = " ".join((done.stdout + done.stderr).split())
            if done.returncode == known.code and shows in said:
                return ""
            if time.monotonic() > deadline:
                return f"{words}: code {done.returncode}, expected {known.code} and {shows!r}: {said}"


@pytest.fixture
async def serving(fortress: Fortress, world: World, tmp_path: Path) -> AsyncIterator[Operator]:
    """A service with four parked commands, one that waits, one of a newer release, and a dead letter."""
    operator = Operator(fortress, world, "onduty", tmp_path)
    films = Films.upload(world)
    dataset = world.ml.create_training_dataset(**films.dataset())["trainingDatasetArn"]
    parked = {
        name: parked_job(name, {**films.model(dataset), "name": name})
        for name in ("adopted", "retried", "given-up", "lonely")
    }
    operator.put("jobs", POSITION_KEY, encode(Position(0)))
    for job in parked.values():
        operator.job(job)
    newer = Command("held", "test", "CreateMiracle", "default", {}, "0" * 64)
    operator.job(Job(newer, Phase.INTENDED, accepted_at=time.time()))
    for name in ("adopted", "lonely"):
        command = parked[name].command
        operator.context[name] = world.active_model(dataset=dataset, name=name, **stamp({}, marker(command)))
    headers = {"dlq_topic": f"{operator.prefix}.commands", "dlq_partition": "0", "dlq_reason": "ServiceError"}
    operator.put("dead-letters", b"k", b"lost", headers=headers)
    service = operator.components["service"]
    world.fault("stuck", "CreateAudienceModel")  # what is created from here on is under way until the test ends
    service.start()
    try:
        await service.ready(180)
        words = ("send", "ListTrainingDatasets", "--id", "waiting", "--source", "/op", "--not-before", "+1h")
        done = await asyncio.to_thread(operator.components["repair"].command, *words)
        assert done.returncode == 0, done.stdout + done.stderr
        yield operator
    finally:
        service.kill()


async def test_while_the_service_runs(serving: Operator) -> None:
    await serving.run_all(SERVING)


async def test_with_a_changelog_that_cannot_be_read(fortress: Fortress, world: World, tmp_path: Path) -> None:
    operator = Operator(fortress, world, "corrupt", tmp_path)
    for partition in (0, 1):
        operator.put("jobs", POSITION_KEY, encode(Position(0)), partition)
        operator.put("jobs", b"bad", b'{"record":"job","v":99}', partition)
    operator.context |= {"corrupt": "1", "worse": "1"}
    await operator.run_all(CORRUPT)


async def test_with_a_topic_that_was_recreated(fortress: Fortress, world: World, tmp_path: Path) -> None:
    operator = Operator(fortress, world, "displaced", tmp_path)
    for partition in (0, 1):
        former = Position(7, f"group-{operator.prefix}", "AAAAAAAAAAAAAAAAAAAAAA")
        operator.put("jobs", POSITION_KEY, encode(former), partition)
    await operator.run_all(DISPLACED)


async def test_with_a_changelog_that_was_lost(fortress: Fortress, world: World, tmp_path: Path) -> None:
    operator = Operator(fortress, world, "vanished", tmp_path)
    operator.put("commands", b"k", b"{}")
    fortress.commit(f"group-{operator.prefix}", f"{operator.prefix}.commands", 0)
    fortress.remove(operator.context["jobs"])
    await operator.run_all(LOST)


def test_every_state_has_commands() -> None:
    assert {known.state for known in KNOWN.values()} == {SERVING, CORRUPT, DISPLACED, LOST}
