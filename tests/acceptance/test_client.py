"""The publishers' client against a real Kafka and the real service: many commands, a restart in the middle, repeats."""

import asyncio
import time
from collections import Counter
from typing import Any

import pytest

from sandbox.kafka.broker import Broker
from schemas.client import (
    CancelCommand,
    Client,
    ClientSettings,
    CommandRequest,
    FailedError,
    GetAudienceModel,
    InvalidCommandError,
    ListAudienceModels,
    ReplyReceived,
)
from schemas.docs import examples
from tests.acceptance.harness import ServiceProcess

MANY = 1_000
pytestmark = pytest.mark.timeout(400)


def settings(kafka: Broker, number: int) -> ClientSettings:
    return ClientSettings(bootstrap_servers=kafka.bootstrap, source="/planner", prefix=f"t{number}")


def request(number: int) -> CommandRequest[Any]:
    """Most are answered without AWS: how fast that is matters to no client."""
    return CancelCommand(commandId="none", commandSource="/planner") if number % 50 else ListAudienceModels()


async def test_a_thousand_in_flight_a_restart_in_the_middle_and_repeats(
    kafka: Broker, service: ServiceProcess, number: int
) -> None:
    begun = time.time() - 1
    ids = [f"many-{each}" for each in range(MANY)]
    async with Client(settings(kafka, number)) as client, asyncio.TaskGroup() as group:  # the service is not there yet
        for each, name in enumerate(ids):
            group.create_task(client.send(request(each), id=name))
    left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    assert left == [], "a closed client leaves no task behind"
    service.start()
    async with Client(settings(kafka, number)) as client:
        jobs = await client.jobs(ids, since=begun)
        async with asyncio.TaskGroup() as group:  # repeats, while the service works
            for each in range(0, MANY, 10):
                group.create_task(client.send(request(each), id=ids[each]))
        ends = await asyncio.gather(*(job.outcome(timeout=200) for job in jobs))
        assert Counter(f"{end.operation} {end.kind} {end.code}" for end in ends) == {
            "CancelCommand failed UnknownCommand": MANY - MANY // 50,
            "ListAudienceModels succeeded ": MANY // 50,
        }
        with pytest.raises(FailedError, match="AccessDeniedException") as caught:
            await (await client.send(GetAudienceModel(audienceModelArn=examples.MODEL), id="absent")).result(timeout=60)
        assert caught.value.http_status == 403
        with pytest.raises(InvalidCommandError):
            await client.send(ListAudienceModels(maxResults=3), id=ids[0])
        ended = {
            (change.command_id, change.id)
            async for change in client.history(begun)
            if isinstance(change, ReplyReceived) and change.is_terminal
        }
        assert len(ended) == MANY + 1, "one end each; the answer to a repeat has the same id"
