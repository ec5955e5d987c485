"""The list of rights: who is in it, how it is written down. tests/acceptance/test_acls.py proves that it is right."""

import pytest

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.missing_rights import remedy
from service.operator.access.kafka_acls import acls, bearers, components
from service.settings import Settings, SettingsError, load

BASE = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:9092", "AWS_REGION": "eu-west-1"}
TENANTS = {
    "CRML_TENANTS__BLUE__TARGETS": "default",
    "CRML_TENANTS__BLUE__REPLY_TOPICS": "blue-answers",
    "CRML_TENANTS__RED__TARGETS": "default",
    "CRML_TENANTS__RED__EVENTS": "red-events",
    "CRML_TENANTS__RED__DEAD_LETTERS": "red-letters",
}


def _settings(**more: str) -> Settings:
    return load(environ={**BASE, **more})


def test_a_service_without_tenants() -> None:
    rows = [row for row in acls(_settings()) if row.component == "service"]
    told = {str(row) for row in rows}
    assert "Read on topic cleanroomsml.commands for User:cleanroomsml-service" in told
    assert "Write on transactional id cleanroomsml-service-* for User:cleanroomsml-service" in told
    assert "Read on group cleanroomsml-service for User:cleanroomsml-service" in told
    assert not any("Write on topic cleanroomsml.commands" in each for each in told)
    assert len(told) == len(rows)


def test_every_tenant_has_clients_of_its_own_and_reaches_no_other() -> None:
    settings = _settings(**TENANTS)
    roles = ("publisher", "subscriber", "client")
    assert components(settings)[4:] == [f"{tenant}-{role}" for tenant in ("blue", "red") for role in roles]
    assert bearers(settings, "client") == ["blue-client", "red-client"]
    assert bearers(settings, "service") == ["service"]
    rows = acls(settings)
    mine = {str(row) for row in rows if row.component.startswith("red-")}
    assert mine == {
        "Write on topic cleanroomsml.red.commands for User:cleanroomsml-red-publisher",
        "Read on topic cleanroomsml.replies for User:cleanroomsml-red-subscriber",
        "Read on topic red-events for User:cleanroomsml-red-subscriber",
        "Read on group cleanroomsml-red-subscriber* for User:cleanroomsml-red-subscriber",
        "Write on topic cleanroomsml.red.commands for User:cleanroomsml-red-client",
        "Read on topic cleanroomsml.replies for User:cleanroomsml-red-client",
        "Read on topic red-events for User:cleanroomsml-red-client",
    }
    told = [str(row) for row in rows]
    assert "Read on topic blue-answers for User:cleanroomsml-blue-subscriber" in told
    assert "Read on topic red-letters for User:cleanroomsml-dlq" in told
    assert "Write on topic blue-answers for User:cleanroomsml-service" in told


def test_an_operator_repairs_and_does_not_serve() -> None:
    """All that `dlq` and clients need, and nothing that publishes as the service does."""
    settings = _settings(**TENANTS)
    rows = acls(settings)

    def of(*components: str) -> set[tuple[str, str, str]]:
        return {(row.resource_type, row.name, row.operation) for row in rows if row.component in components}

    assert of("dlq", "blue-client", "red-client") <= of("repair")
    outputs = set(settings.outputs())
    assert not {(kind, name) for kind, name, operation in of("repair") if operation == "Write"} & {
        ("topic", name) for name in outputs
    }
    created = {name for _, name, operation in of("repair") if operation == "Create"}
    assert created == {"cleanroomsml.blue.jobs", "cleanroomsml.red.jobs", "cleanroomsml.resources"}


def test_shared_lists_need_a_topic_and_rights_to_read_and_write_it() -> None:
    def told(**more: str) -> set[str]:
        return {str(row) for row in acls(_settings(**more)) if "cleanroomsml.lists" in str(row)}

    assert told() == set()
    assert told(CRML_POLLING__SHARED="true") == {
        "Read on topic cleanroomsml.lists for User:cleanroomsml-service",
        "Write on topic cleanroomsml.lists for User:cleanroomsml-service",
        "DescribeConfigs on topic cleanroomsml.lists for User:cleanroomsml-service",
        "Create on topic cleanroomsml.lists for User:cleanroomsml-topics",
        "Describe on topic cleanroomsml.lists for User:cleanroomsml-topics",
        "DescribeConfigs on topic cleanroomsml.lists for User:cleanroomsml-topics",
        "Describe on topic cleanroomsml.lists for User:cleanroomsml-repair",
        "DescribeConfigs on topic cleanroomsml.lists for User:cleanroomsml-repair",
    }
    with pytest.raises(SettingsError, match=r"polling.shared needs runtime.standby"):
        _settings(CRML_POLLING__SHARED="true", CRML_RUNTIME__STANDBY="false")


def test_who_the_service_is_comes_from_its_settings_unless_told_otherwise() -> None:
    settings = _settings(
        CRML_KAFKA__SECURITY_PROTOCOL="SASL_SSL", CRML_KAFKA__SASL_USERNAME="crml", CRML_KAFKA__SASL_PASSWORD="x"
    )
    assert {row.principal for row in acls(settings) if row.component == "service"} == {"User:crml"}
    given = acls(settings, {"service": "User:CN=svc,O=We"})
    assert {row.principal for row in given if row.component == "service"} == {"User:CN=svc,O=We"}
    with pytest.raises(KeyError, match="no component is called servce; there are: service, topics"):
        acls(settings, {"servce": "User:x"})


def test_one_right_as_a_command() -> None:
    row = next(row for row in acls(_settings()) if row.resource_type == "transactionalId")
    assert remedy(KafkaSettings("broker:9092", "group"), row.right, row.principal) == (
        "kafka-acls.sh --bootstrap-server broker:9092 --add --allow-principal User:cleanroomsml-service"
        " --operation Write --transactional-id cleanroomsml-service- --resource-pattern-type prefixed"
    )
