"""What others would write in the service's place, each as a process: ``python -m benchmarks.peers NAME``.

Commands: ``transactions``, a loop of aiokafka, exactly once: it takes a batch, calls AWS for all of it side by side,
and commits replies and offsets in one transaction. ``handler``, FastStream's decorator with a publisher.
``batch``, the same in batches. FastStream acknowledges first, so these two lose what fails. Following: ``tasks`` and
``threads``, one for each job, which ask for it at an interval. No peer has state, retries, validation, budgets or
events. Their libraries are those of ``requirements/peers.lock``. Settings come as JSON in ``PEER``.
"""

import asyncio
import json
import logging
import os
import random
import resource
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final

SETTINGS: Final[Mapping[str, Any]] = json.loads(os.environ.get("PEER", "{}"))
_OUTSTANDING: Final = 400
_BATCH: Final = 1 << 20
"""Of FastStream's producer; with the default (16 KiB) a batch of replies is too large, and all of them are lost."""
_AWS: Final[Mapping[str, Any]] = {
    "aws_access_key_id": "123456789012",
    "aws_secret_access_key": "x",
    "region_name": "eu-west-1",
    "endpoint_url": SETTINGS.get("api"),
}
_RETRIES: Final[Any] = {"total_max_attempts": 1, "mode": "standard"}


def _used() -> None:
    """Prints the CPU seconds so far, and bytes of memory, whenever the parent asks with a line."""
    sys.stdin.readline()
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm", encoding="ascii") as file:
        print(used.ru_utime + used.ru_stime, int(file.read().split()[1]) * 4096, flush=True)


async def _answer_parent() -> None:
    asyncio.get_running_loop().add_reader(sys.stdin, _used)
    await asyncio.Event().wait()


def _client() -> Any:
    from aiobotocore.config import AioConfig
    from aiobotocore.session import AioSession

    config = AioConfig(max_pool_connections=50, retries=_RETRIES)
    return AioSession().create_client("cleanroomsml", config=config, **_AWS)


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
        group_id=SETTINGS["commands"],
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    producer = AIOKafkaProducer(
        bootstrap_servers=SETTINGS["bootstrap"], transactional_id=SETTINGS["commands"], linger_ms=5
    )
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
                await producer.send_offsets_to_transaction(offsets, SETTINGS["commands"])


async def handler(*, batch: bool = False) -> None:
    from faststream.kafka import KafkaBroker, KafkaMessage

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    log = logging.getLogger("peer")
    broker: Any = KafkaBroker(SETTINGS["bootstrap"], logger=log, max_batch_size=_BATCH)
    topic = SETTINGS["commands"]
    options: dict[str, Any] = {"group_id": topic, "auto_offset_reset": "earliest"}
    publisher: Any = broker.publisher(SETTINGS["replies"], batch=batch)
    async with _client() as client:
        if batch:

            @publisher  # type: ignore[untyped-decorator]
            @broker.subscriber(topic, batch=True, max_records=_OUTSTANDING, **options)  # type: ignore[untyped-decorator]
            async def each_batch(values: list[dict[str, Any]], message: KafkaMessage) -> tuple[bytes, ...]:
                records: Any = message.raw_message
                calls = (_call(client, dict(record.headers), record.value) for record in records)
                return tuple(await asyncio.gather(*calls))

        else:

            @publisher  # type: ignore[untyped-decorator]
            @broker.subscriber(topic, **options)  # type: ignore[untyped-decorator]
            async def each(value: dict[str, Any], message: KafkaMessage) -> bytes:
                record: Any = message.raw_message
                return await _call(client, dict(record.headers), record.value)

        async with broker:
            await broker.start()
            await asyncio.Event().wait()


async def tasks() -> None:
    every, count = float(SETTINGS["every"]), int(SETTINGS["jobs"])
    async with _client() as client, asyncio.TaskGroup() as group:

        async def follow(arn: str, delay: float) -> None:
            await asyncio.sleep(delay)
            while (await client.get_audience_model(audienceModelArn=arn))["status"] != "ACTIVE":  # noqa: ASYNC110
                await asyncio.sleep(every)

        for number in range(count):
            group.create_task(follow(SETTINGS["arn"].format(number), random.uniform(0, every)))


async def threads() -> None:
    from botocore.config import Config
    from botocore.session import Session

    every, count = float(SETTINGS["every"]), int(SETTINGS["jobs"])
    client: Any = Session().create_client(
        "cleanroomsml", config=Config(max_pool_connections=50, retries=_RETRIES), **_AWS
    )

    def follow(arn: str, delay: float) -> None:
        time.sleep(delay)
        while client.get_audience_model(audienceModelArn=arn)["status"] != "ACTIVE":
            time.sleep(every)

    for number in range(count):
        delay = random.uniform(0, every)
        threading.Thread(target=follow, args=(SETTINGS["arn"].format(number), delay), daemon=True).start()


async def main(name: str) -> None:
    peers: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
        "transactions": transactions,
        "handler": handler,
        "batch": lambda: handler(batch=True),
        "tasks": tasks,
        "threads": threads,
    }
    async with asyncio.TaskGroup() as group:
        group.create_task(_answer_parent())
        group.create_task(peers[name]())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
