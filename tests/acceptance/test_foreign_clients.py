"""Others' client libraries: librdkafka reads what we publish, boto3 and its defaults talk to the sandbox."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from confluent_kafka import Consumer, Message

from tests.acceptance.films import Films
from tests.acceptance.harness import Client, ServiceProcess
from tests.support.sandbox_account import World


@contextmanager
def _consumer(bootstrap: str, *topics: str) -> Iterator[Consumer]:
    settings: dict[str, str | int | float | bool] = {
        "bootstrap.servers": bootstrap,
        "group.id": "librdkafka",
        "isolation.level": "read_committed",
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
    }
    consumer = Consumer(settings)
    with closing(consumer):
        consumer.subscribe(list(topics))
        yield consumer


def _read(consumer: Consumer, wanted: int) -> list[Message]:
    messages: list[Message] = []
    deadline = time.monotonic() + 20
    while len(messages) < wanted and time.monotonic() < deadline:
        message = consumer.poll(0.5)
        if message is not None:
            assert message.error() is None, message.error()
            messages.append(message)
    return messages


def _type(message: Message) -> str:
    value = dict(message.headers() or [])["ce_type"]
    return value.decode() if isinstance(value, bytes) else str(value)


async def test_librdkafka_reads_replies_and_events(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    arn = await films.dataset_made(client)
    with _consumer(client.bootstrap, f"{client.prefix}.replies", f"{client.prefix}.events") as consumer:
        messages = _read(consumer, 3)
    types = sorted(_type(message) for message in messages)
    assert types == [
        "cleanroomsml.reply.accepted",
        "cleanroomsml.reply.succeeded",
        "cleanroomsml.training-dataset.status-changed",
    ]
    event = next(message for message in messages if "status-changed" in _type(message))
    assert event.key() == arn.encode()


async def test_boto3_sees_what_the_service_made(running: ServiceProcess, client: Client, world: World) -> None:
    films = Films.upload(world)
    arn = await films.dataset_made(client)
    shown = world.ml.get_training_dataset(trainingDatasetArn=arn)
    assert shown["status"] == "ACTIVE"
    assert shown["description"].startswith("[crml:"), "the marker is at AWS, where a search finds it"
