"""The publishers' client against a real Kafka and the real service."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from sandbox.kafka.broker import Broker
from schemas.client import Client, ClientSettings, ListAudienceModels, ReplyReceived
from tests.acceptance.harness import ServiceProcess

pytestmark = [pytest.mark.acceptance, pytest.mark.timeout(300)]


def settings(kafka: Broker, number: int, source: str = "/client") -> ClientSettings:
    return ClientSettings(bootstrap_servers=kafka.bootstrap, source=source, prefix=f"t{number}")


async def test_a_thousand_commands_in_flight(kafka: Broker, running: ServiceProcess, number: int) -> None:
    begun = time.time()
    async with Client(settings(kafka, number)) as client:
        job = await client.send(ListAudienceModels(), id="one")
        print(await job.result(20))
        async with asyncio.TaskGroup() as group:
            sent = [group.create_task(client.send(ListAudienceModels(), id=f"many-{each}")) for each in range(1000)]
        jobs = [each.result() for each in sent]
        print("sent", time.time() - begun)
    async with Client(settings(kafka, number)) as client:
        jobs = await client.jobs([f"many-{each}" for each in range(1000)], since=begun)
        await asyncio.gather(*(each.result(60) for each in jobs))
        print("ended", time.time() - begun)
        assert all([isinstance(each, ReplyReceived) and each.kind for each in job.changes] for job in jobs)
