"""What others would write in the service's place, each as a process: ``python -m benchmarks.peers NAME``.

``transactions``: a loop of aiokafka, exactly once: it takes a batch, calls AWS for all of it side by side, and commits
replies and offsets in one transaction. It has no state, retries, validation, budgets or events. Settings come as JSON
in ``PEER``.
"""

import asyncio
import json
import os
import resource
import sys
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

SETTINGS: Final[Mapping[str, Any]] = json.loads(os.environ.get("PEER", "{}"))
_OUTSTANDING: Final = 400


def _cpu() -> None:
    """Prints the CPU seconds so far whenever the parent asks with a line."""
    sys.stdin.readline()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, flush=True)


async def _told() -> None:
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin, _cpu)
    await asyncio.Event().wait()


def _client() -> Any:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession

    keys = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "x", "region_name": "eu-west-1"}
    config = AioConfig(max_pool_connections=50, retries={"total_max_attempts": 1, "mode": "standard"})
    return AioSession().create_client("cleanroomsml", endpoint_url=SETTINGS["api"], config=config, **keys)


async def _call(client: Any, headers: Mapping[str, bytes], value: bytes) -> bytes:
    data = json.loads(value)
    operation = headers["ce_type"].decode().rpartition(".")[2]
    if operation == "GetAudienceModel":
        result = await client.get_audience_model(**data)
    elif operation == "TagResource":
        result = await client.tag_resource(**data)
    else:
        result = await client.create_audience_model(**data)
    result.pop("ResponseMetadata", None)
    return json.dumps({"id": headers["ce_id"].decode(), "result": result}, default=str).encode()


async def transactions() -> None:
    from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

    consumer = AIOKafkaConsumer(
        SETTINGS["commands"],
        bootstrap_servers=SETTINGS["bootstrap"],
        group_id="peer",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(bootstrap_servers=SETTINGS["bootstrap"], transactional_id="peer", linger_ms=5)
    async with consumer, producer, _client() as client:
        while True:
            taken = await consumer.getmany(timeout_ms=1000, max_records=_OUTSTANDING)
            records = [record for found in taken.values() for record in found]
            if not records:
                continue
            calls = (_call(client, dict(record.headers), record.value) for record in records)
            replies = await asyncio.gather(*calls)
            async with producer.transaction():
                for record, reply in zip(records, replies, strict=True):
                    await producer.send(SETTINGS["replies"], reply, record.key)
                offsets = {TopicPartition(*each): found[-1].offset + 1 for each, found in taken.items()}
                await producer.send_offsets_to_transaction(offsets, "peer")


async def main(name: str) -> None:
    peers: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {"transactions": transactions}
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_told())
        tasks.create_task(peers[name]())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
