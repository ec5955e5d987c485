"""The publishers' client against a real Kafka and the real service: many commands, a restart, repeats, a chain's order."""

import asyncio
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.kafka.broker import Broker
from schemas.client import (
    Client,
    ClientSettings,
    FailedError,
    GetAudienceModel,
    InvalidCommandError,
    ListAudienceModels,
    ReplyReceived,
)
from schemas.docs import examples
from tests.acceptance.conftest import prepared
from tests.acceptance.harness import ServiceProcess
from tests.support.sandbox_account import World

MANY = 1_000
pytestmark = pytest.mark.timeout(600)


@pytest.fixture
async def swift(kafka: Broker, world: World, number: int, tmp_path: Path) -> ServiceProcess:
    """A service that may call AWS as often as it likes."""
    process = await prepared(kafka, world, f"t{number}", tmp_path / "service.log")
    more = {"CRML_TARGETS__DEFAULT__RATE__READS_PER_SECOND": "1000", "CRML_TARGETS__DEFAULT__REGION": world.region}
    return replace(process, environment={**process.environment, **more})


def settings(kafka: Broker, number: int) -> ClientSettings:
    return ClientSettings(bootstrap_servers=kafka.bootstrap, source="/planner", prefix=f"t{number}")


async def test_a_thousand_in_flight_a_restart_in_the_middle_and_repeats(
    kafka: Broker, swift: ServiceProcess, number: int
) -> None:
    begun = time.time() - 1
    ids = [f"many-{each}" for each in range(MANY)]
    async with Client(settings(kafka, number)) as client:  # the service is not there yet
        async with asyncio.TaskGroup() as group:
            for each in ids:
                group.create_task(client.send(ListAudienceModels(), id=each))
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == [], "a closed client leaves no task behind"
    swift.start()
    try:
        async with Client(settings(kafka, number)) as client:
            jobs = await client.jobs(ids, since=begun)
            async with asyncio.TaskGroup() as group:  # repeats, while the service works
                for each in ids[::10]:
                    group.create_task(client.send(ListAudienceModels(), id=each))
            results = await asyncio.gather(*(job.result(timeout=300) for job in jobs))
            assert results == [{"audienceModels": []}] * MANY
            with pytest.raises(FailedError, match="ResourceNotFoundException") as caught:
                absent = GetAudienceModel(audienceModelArn=examples.MODEL)
                await (await client.send(absent, id="absent")).result(timeout=60)
            assert caught.value.http_status == 404
            with pytest.raises(InvalidCommandError):
                await client.send(ListAudienceModels(maxResults=3), id=ids[0])
            ends = Counter(
                (change.command_id, change.id)
                async for change in client.history(begun)
                if isinstance(change, ReplyReceived) and change.is_terminal
            )
            assert len(ends) == MANY + 1, "one end each; the answer to a repeat has the same id"
    finally:
        await swift.terminate()
