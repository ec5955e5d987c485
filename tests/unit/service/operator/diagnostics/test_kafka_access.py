"""The probe of rights, on a real Kafka: without ACLs, and with a user who lacks one right after the other."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka.admin import (  # type: ignore[attr-defined] # it exports what it imports
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from sandbox.kafka.broker import Broker, free_port
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topics import TopicSpec, ensure
from service.operator.access.kafka_acls import Acl, Operation, Pattern, Resource
from service.operator.diagnostics.finding import Finding
from service.operator.diagnostics.kafka_access import probe_rights
from service.runtime.ports import LogError
from tests.acceptance.kafka_fixture import outside

pytestmark = pytest.mark.acceptance

TOPICS = ["commands", "jobs", "events"]
TRIED = [
    "group service: describe",
    "topic commands: read",
    "topic jobs: read",
    "transactional id app-*",
    "topic jobs: write",
    "topic events: write",
    "group service: offsets",
]


def rows(topics: list[str], group: str, application: str) -> list[Acl]:
    """What a service needs that consumes the first topic, keeps state in the second and writes to the third."""
    commands, jobs, events = topics

    def row(kind: Resource, name: str, operation: Operation, pattern: Pattern = "literal") -> Acl:
        return Acl("service", "User:service", kind, pattern, name, operation, "")

    return [
        row("topic", commands, "Read"),
        row("topic", jobs, "Read"),
        row("topic", jobs, "Write"),
        row("topic", events, "Write"),
        row("topic", events, "DescribeConfigs"),
        row("group", group, "Read"),
        row("transactionalId", f"{application}-", "Write", "prefixed"),
    ]


SERVICE = rows(TOPICS, "service", "app")


async def test_all_is_well_and_nothing_is_left(kafka: Broker) -> None:
    settings = KafkaSettings(kafka.bootstrap, group_id="rights-service", application="rights-app")
    names = [f"rights-{name}" for name in TOPICS]
    await ensure(settings, [TopicSpec(name, 2) for name in names], replication=1)
    rights = await probe_rights(settings, rows(names, "rights-service", "rights-app"))
    assert all(right.ok for right in rights), rights
    assert len(rights) == len(TRIED)
    consumer = AIOKafkaConsumer(
        *names,
        bootstrap_servers=kafka.bootstrap,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        group_id="rights-service",
    )
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap) as producer:
        for name in names:
            await producer.send_and_wait(name, b"after", partition=0)
    async with consumer:
        seen: list[Any] = []
        while len(seen) < len(names):
            seen += [record for batch in (await consumer.getmany(timeout_ms=500)).values() for record in batch]
        assert [record.value for record in seen] == [b"after"] * len(names)
        committed = [await consumer.committed(partition) for partition in consumer.assignment()]
        assert committed == [None] * len(committed)


async def test_a_running_service_is_not_fenced(kafka: Broker) -> None:
    settings = KafkaSettings(kafka.bootstrap, group_id="fence-service", application="fence-app")
    names = [f"fence-{name}" for name in TOPICS]
    await ensure(settings, [TopicSpec(name, 1) for name in names], replication=1)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id="fence-app-fence-commands-0")
    async with producer:
        await producer.begin_transaction()
        await producer.send_and_wait("fence-events", b"of the service")
        rights = await probe_rights(settings, rows(names, "fence-service", "fence-app"))
        await producer.commit_transaction()
    assert all(right.ok for right in rights), rights


async def test_kafka_is_away() -> None:
    settings = KafkaSettings(f"127.0.0.1:{free_port()}", group_id="g", admin_deadline=2, read_deadline=2)
    with pytest.raises(LogError):
        await probe_rights(settings, SERVICE)


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Kafka that asks who is there and permits nothing by itself."""
    port, controller = free_port(), free_port()
    module = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    users = " ".join(f'user_{name}="{name}"' for name in ("admin", "service"))
    config = {
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"SASL_PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"SASL_PLAINTEXT://127.0.0.1:{port}",
        "listener.security.protocol.map": "SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": (f'{module} username="admin" password="admin" {users};'),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:admin;User:ANONYMOUS",
    }
    broker = Broker(port, tmp_path_factory.mktemp("guarded"), config=config)
    outside(broker.start())
    try:
        admin = _admin(broker)
        for made in admin.create_topics([NewTopic(name, 1, 1) for name in TOPICS]).values():
            made.result(30)
        yield broker
    finally:
        outside(broker.stop())


def _admin(broker: Broker) -> AdminClient:
    return AdminClient(
        {
            "bootstrap.servers": broker.bootstrap,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "admin",
            "sasl.password": "admin",
        }
    )


TOPIC, GROUP, TRANSACTIONAL_ID = ResourceType.TOPIC, ResourceType.GROUP, ResourceType.TRANSACTIONAL_ID
READ, WRITE = AclOperation.READ, AclOperation.WRITE
ACLS = {
    "Read on topic commands": (TOPIC, "commands", READ),
    "Read on topic jobs": (TOPIC, "jobs", READ),
    "Write on topic jobs": (TOPIC, "jobs", WRITE),
    "Write on topic events": (TOPIC, "events", WRITE),
    "Read on group service": (GROUP, "service", READ),
    "Write on transactional id app-*": (TRANSACTIONAL_ID, "app-", WRITE),
}


def _acl(make: Callable[..., Any], kind: Any, name: str, operation: Any) -> Any:
    pattern = ResourcePatternType.PREFIXED if kind is TRANSACTIONAL_ID else ResourcePatternType.LITERAL
    return make(kind, name, pattern, "User:service", "*", operation, AclPermissionType.ALLOW)


async def _granted(broker: Broker, names: list[str]) -> list[Finding]:
    """Grants exactly these, and probes."""
    admin = _admin(broker)

    def grant() -> None:
        for done in admin.create_acls([_acl(AclBinding, *ACLS[name]) for name in names]).values():
            done.result(30)

    def revoke() -> None:
        for done in admin.delete_acls([_acl(AclBindingFilter, *ACLS[name]) for name in names]).values():
            done.result(30)

    if names:
        await asyncio.to_thread(grant)
    try:
        await asyncio.sleep(0.2)
        return await probe_rights(_settings(broker), SERVICE)
    finally:
        if names:
            await asyncio.to_thread(revoke)


def _settings(broker: Broker) -> KafkaSettings:
    security = {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "service",
        "sasl_plain_password": "service",
    }
    return KafkaSettings(
        broker.bootstrap,
        "service",
        "app",
        principal="User:service",
        security=security,
        open_deadline=8,
        read_deadline=8,
        commit_deadline=8,
    )


async def test_all_rights_granted(guarded: Broker) -> None:
    rights = await _granted(guarded, list(ACLS))
    assert [right.subject for right in rights] == TRIED
    assert all(right.ok for right in rights), rights


@pytest.mark.parametrize("missing", list(ACLS))
async def test_a_missing_right_is_named(guarded: Broker, missing: str) -> None:
    rights = await _granted(guarded, [name for name in ACLS if name != missing])
    wrong = [right for right in rights if not right.ok]
    assert wrong
    for right in wrong:
        assert right.message.startswith(f"{missing} is missing for User:service; grant it with: kafka-acls.sh"), right
        assert "--allow-principal User:service" in right.message


async def test_no_right_at_all(guarded: Broker) -> None:
    rights = await _granted(guarded, [])
    assert [right.subject for right in rights] == TRIED[:4]
    assert not any(right.ok for right in rights), rights
