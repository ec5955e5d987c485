"""What a tenant that was removed has left open is found on a real Kafka, and nothing else is taken for it."""

import pytest
from aiokafka import AIOKafkaProducer
from structlog.testing import capture_logs

from sandbox.kafka.broker import Broker
from schemas import records
from schemas.records import POSITION_KEY, Command, Job, Phase, Position, job_key
from service import topology
from service.adapters.kafka.topics import ensure
from service.cli import app as command_line
from service.operator.diagnostics import checks
from service.operator.diagnostics.checks import former_tenants
from service.operator.diagnostics.finding import Finding
from service.settings import Settings, load
from service.topology import kafka_settings, topic_specs


def settings(kafka: Broker, *tenants: str, prefix: str = "former") -> Settings:
    variables = {
        "CRML_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap,
        "CRML_KAFKA__GROUP_ID": "ours",
        "CRML_TOPICS__PREFIX": prefix,
        "CRML_TOPICS__PARTITIONS": "2",
        "CRML_TARGETS__EU__REGION": "eu-west-1",
        **{f"CRML_TENANTS__{name.upper()}__TARGETS": "eu" for name in tenants},
        **{f"CRML_TENANTS__{name.upper()}__OPERATIONS": "*" for name in tenants},
    }
    return load(environ=variables)


async def write(kafka: Broker, topic: str, partition: int, *jobs: Job, group: str = "ours") -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    try:
        for job in jobs:
            key = job_key(job.command.source, job.command.id)
            await producer.send_and_wait(topic, records.encode(job), key=key, partition=partition)
        position = records.encode(Position(len(jobs), group))
        await producer.send_and_wait(topic, position, key=POSITION_KEY, partition=partition)
    finally:
        await producer.stop()


def job(command_id: str, phase: Phase = Phase.RUNNING) -> Job:
    return Job(Command(command_id, "/s", "CreateAudienceModel", "eu", {}, "d"), phase, accepted_at=1.0)


async def test_what_a_removed_tenant_has_left_open_is_reported_and_nothing_else_is(kafka: Broker) -> None:
    before, after = settings(kafka, "films", "music", "news"), settings(kafka, "music")
    await ensure(kafka_settings(before), topic_specs(before), replication=1)
    assert await former_tenants(after) == []
    await write(kafka, "former.films.jobs", 0, job("a"), job("b", Phase.SUCCEEDED))
    await write(kafka, "former.films.jobs", 1, job("c", Phase.INTENDED))
    await write(kafka, "former.music.jobs", 0, job("d"))
    await write(kafka, "former.news.jobs", 0, job("e"), group="another service")
    assert await former_tenants(before) == []
    (line,) = await former_tenants(after)
    assert (line.subject, line.ok) == ("topic former.films.commands", False)
    assert line.message.startswith("2 commands are open in former.films.jobs")


def test_topics_of_the_default_tenant_are_known_by_their_names(kafka: Broker) -> None:
    topics = [
        "former.commands",
        "former.jobs",
        "former.music.commands",
        "former.music.jobs",
        "former.x.jobs",
        "former.",
    ]
    found = topology.former_changelogs(settings(kafka, "music"), topics)
    assert found == {"former.commands": "former.jobs"}
    assert topology.former_changelogs(settings(kafka), topics) == {"former.music.commands": "former.music.jobs"}


@pytest.mark.parametrize("broken", [False, True])
async def test_the_service_says_so_when_it_starts(kafka: Broker, monkeypatch: pytest.MonkeyPatch, broken: bool) -> None:
    async def found(_settings: Settings) -> list[Finding]:
        if broken:
            raise RuntimeError("Kafka has gone")
        return [Finding("topic former.films.commands", False, "2 commands are open")]

    monkeypatch.setattr(checks, "former_tenants", found)
    with capture_logs() as logs:
        await command_line._report_former_tenants(settings(kafka))
    (entry,) = logs
    assert entry["log_level"] == "error"
    assert ("Kafka has gone" if broken else "2 commands are open") in entry["reason"]
