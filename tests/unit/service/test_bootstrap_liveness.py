"""What the composition root joins."""

import asyncio
from typing import Any, cast

from sandbox.kafka.broker import free_port
from service import bootstrap
from service.runtime.ports import Assignee
from service.settings import load


async def test_liveness_hears_of_the_kafka_client_and_says_after_which_silence_it_fails() -> None:
    variables = {"CRML_KAFKA__BOOTSTRAP_SERVERS": f"127.0.0.1:{free_port()}", "AWS_REGION": "eu-west-1"}
    service = bootstrap.build(load(environ=variables))
    assert service.liveness.ages() == {}
    consuming = asyncio.create_task(service.log.membership.consume(cast(Assignee, cast(Any, None))))
    await asyncio.sleep(0)
    assert list(service.liveness.ages()) == ["kafka"]
    consuming.cancel()
    await asyncio.wait([consuming])
    assert service.liveness._limits == {"loop": 30.0, "kafka": 325.0}
    assert b'crml_kafka_incidents_total{incident="session_lost"} 0.0' in service.telemetry.render()
    await service.sessions.close()
