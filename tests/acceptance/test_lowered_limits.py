"""A topic's limit is lowered under a running service: what fits is written, and what doesn't is named with its size."""

import asyncio
import re
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from service import topology
from service.settings import load
from tests.acceptance.harness import Client, ServiceProcess
from tests.support.sandbox_account import World

LIMIT = 64 * 1024
READ, START = "ListTrainingDatasets", "StartAudienceGenerationJob"


async def _lower(service: ServiceProcess, name: str) -> None:
    settings = load(environ=dict(service.environment))
    (spec,) = (spec for spec in topology.topic_specs(settings) if spec.name == name)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka.bootstrap_servers)
    await admin.start()
    try:
        config = {**spec.config, "max.message.bytes": str(LIMIT)}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, config)])
    finally:
        await admin.close()


def _large(world: World) -> dict[str, Any]:
    """A job of a model that is not there, with a long query."""
    arn = f"arn:aws:cleanrooms-ml:{world.region}:{world.account}:configured-audience-model/none"
    audience = {"roleArn": world.role, "sqlParameters": {"queryString": "x" * 100_000}}
    return {
        "name": "large",
        "configuredAudienceModelArn": arn,
        "seedAudience": audience,
        "collaborationId": "00000000-0000-0000-0000-000000000000",
    }


async def test_what_fits_is_written_and_the_record_that_does_not_is_named(
    running: ServiceProcess, client: Client, world: World
) -> None:
    await client.perform(READ, {}, command_id="before")
    await _lower(running, f"{client.prefix}.jobs")
    fitting = {"nextToken": "x" * 8_000}
    await asyncio.gather(*(client.send(READ, fitting, command_id=f"c-{number}") for number in range(20)))
    ended = [await client.terminal(f"c-{number}", 60) for number in range(20)]
    assert {each.kind for each in ended} == {"failed"}
    assert {each.data["error"]["code"] for each in ended} == {"ValidationException"}
    refusals = [line["error"] for line in running.lines() if "closed dirty" in line["event"]]
    assert len(refusals) == 1
    assert re.search(rf"topic {client.prefix}.jobs refuses a batch of \d+ records, the largest of 8\d\d\d", refusals[0])

    await client.send(START, _large(world), command_id="large")
    large = await client.terminal("large", 60)
    assert (large.kind, large.data["error"]["code"]) == ("rejected", "TooLarge")
    await client.perform(READ, {}, command_id="after")
    refusals = [line["error"] for line in running.lines() if "closed dirty" in line["event"]]
    assert len(refusals) == 2
    assert re.search(rf"topic {client.prefix}.jobs refuses a record of 10\d{{4}} bytes, it takes {LIMIT}:", refusals[1])
