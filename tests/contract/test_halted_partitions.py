"""Halted partitions, and topics that differ from the settings, are found on a real Kafka."""

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from sandbox.kafka.broker import Broker
from service.adapters.kafka.topics import ensure
from service.operator.diagnostics.checks import check_kafka, halted_partitions
from service.operator.diagnostics.finding import Finding
from service.settings import Settings, load
from service.topology import kafka_settings, topic_specs

PREFIX = "standing"


def settings(kafka: Broker, partitions: int = 2) -> Settings:
    variables = {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CRML_KAFKA__REPLICATION_FACTOR": "1",
        "CRML_TOPICS__PREFIX": PREFIX,
        "CRML_TOPICS__PARTITIONS": str(partitions),
        "CRML_TARGETS__EU__REGION": "eu-west-1",
    }
    return load(environ=variables)


async def produce(kafka: Broker, topic: str, value: bytes | None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        await producer.send_and_wait(topic, value, b"?", 1)


async def test_what_is_halted_and_what_differs(kafka: Broker) -> None:
    wanted = settings(kafka)
    await ensure(kafka_settings(wanted), topic_specs(wanted), replication=1)
    assert await halted_partitions(wanted) == [
        Finding("partitions", True, "4 partitions: none is halted, as far as Kafka shows")
    ]
    assert not any(line.differs for line in await check_kafka(wanted))

    await produce(kafka, f"{PREFIX}.jobs", b"no job")
    await produce(kafka, f"{PREFIX}.commands", b"a command that waits")
    [unreadable] = await halted_partitions(wanted)
    assert (unreadable.subject, unreadable.ok) == (f"partition {PREFIX}.commands-1", False)
    assert f"skip-corrupt --topic {PREFIX}.jobs --partition 1" in unreadable.message

    await produce(kafka, f"{PREFIX}.jobs", None)  # another reason: it is not empty, and records nothing
    [undecided] = await halted_partitions(wanted)
    assert f"offsets set --topic {PREFIX}.commands --partition 1 --to OFFSET" in undecided.message

    [events] = [spec for spec in topic_specs(wanted) if spec.name == f"{PREFIX}.events"]
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        resource = ConfigResource(
            ConfigResourceType.TOPIC, f"{PREFIX}.events", {**events.config, "retention.ms": "3600000"}
        )
        await admin.alter_configs([resource])
    finally:
        await admin.close()
    differing = [line for line in await check_kafka(settings(kafka, 3)) if line.differs]
    names = ("changes", "commands", "dead-letters", "events", "replies")
    assert sorted({line.subject for line in differing}) == [f"topic {PREFIX}.{name}" for name in names]
    assert any("retention.ms is 3600000, and would be 604800000" in line.message for line in differing)
    assert any("partitions is 2, and would be 3" in line.message for line in differing)
