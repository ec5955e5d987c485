"""Kafka names what it refuses; an operator is told the rights that are needed there."""

import pytest
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from service.operator.access.kafka_acls import DLQ
from service.operator.diagnostics.kafka_denials import explain
from service.runtime.ports import LogError
from service.settings import Settings, load

BASE = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:9092", "AWS_REGION": "eu-west-1"}
SASL = {
    "CRML_KAFKA__SECURITY_PROTOCOL": "SASL_SSL",
    "CRML_KAFKA__SASL_USERNAME": "crml",
    "CRML_KAFKA__SASL_PASSWORD": "x",
}


@pytest.fixture
def settings() -> Settings:
    return load(environ=BASE)


def test_a_topic_is_told_with_what_is_needed_there_and_how_to_grant_it(settings: Settings) -> None:
    told = explain(TopicAuthorizationFailedError("cleanroomsml.commands"), settings, "service")
    assert told.startswith("Kafka refuses us: service needs Read on topic cleanroomsml.commands for ")
    assert "kafka-acls.sh --bootstrap-server k:9092 --add --allow-principal" in told
    assert "--operation Read --topic cleanroomsml.commands" in told
    assert "cleanroomsml.jobs" not in told


@pytest.mark.parametrize(
    "arguments", [({"cleanroomsml.jobs"},), (["a", {"cleanroomsml.jobs"}],), ("cleanroomsml.jobs",)]
)
def test_names_are_found_wherever_the_client_puts_them(settings: Settings, arguments: tuple[object, ...]) -> None:
    told = explain(TopicAuthorizationFailedError(*arguments), settings, "service")
    assert "on topic cleanroomsml.jobs" in told
    assert "cleanroomsml.commands" not in told


def test_without_a_name_every_right_of_the_kind_is_told(settings: Settings) -> None:
    told = explain(TopicAuthorizationFailedError(), settings, "service")
    assert "on topic cleanroomsml.commands" in told
    assert "on topic cleanroomsml.jobs" in told


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (GroupAuthorizationFailedError("cleanroomsml-service"), "Read on group cleanroomsml-service"),
        (TransactionalIdAuthorizationFailed(), "Write on transactional id cleanroomsml-service-*"),
    ],
)
def test_groups_and_transactions(settings: Settings, error: Exception, words: str) -> None:
    assert words in explain(error, settings, "service")


def test_an_idempotent_producer_that_may_write_nowhere(settings: Settings) -> None:
    told = explain(ClusterAuthorizationFailedError(), settings, DLQ)
    assert "Write on topic cleanroomsml.commands" in told
    assert "Read" not in told


def test_the_reason_may_lie_behind_other_errors(settings: Settings) -> None:
    try:
        try:
            raise TopicAuthorizationFailedError("cleanroomsml.jobs")
        except TopicAuthorizationFailedError as refusal:
            raise LogError("opening failed") from refusal
    except LogError as error:
        found = error
    assert "cleanroomsml.jobs" in explain(found, settings, "service")


@pytest.mark.parametrize("error", [KafkaConnectionError("gone"), LogError("x"), ValueError()])
def test_what_is_no_refusal_is_not_explained(settings: Settings, error: Exception) -> None:
    assert explain(error, settings, "service") == ""


def test_who_we_are_is_what_the_settings_say() -> None:
    told = explain(TopicAuthorizationFailedError("cleanroomsml.jobs"), load(environ=BASE | SASL), "service")
    assert "for User:crml" in told
