"""Topics, their changelogs and the options of Kafka's clients, as they follow from the settings."""

import socket
from pathlib import Path

import pytest

from service import topology
from service.runtime.context import TenantTopics
from service.settings import SettingsError, load
from tests.unit.service.settings.test_tenants import LEAST, loaded

PREFIX = "cleanroomsml"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_each_topic_is_named_once_and_a_changelog_has_its_topics_partitions() -> None:
    settings = load(None, LEAST)
    specs = {spec.name: spec for spec in topology.topic_specs(settings)}
    assert len(specs) == len(topology.topic_specs(settings))
    assert topology.changelogs(settings) == {
        f"{PREFIX}.commands": f"{PREFIX}.jobs",
        f"{PREFIX}.changes": f"{PREFIX}.resources",
    }
    for topic, changelog in topology.changelogs(settings).items():
        assert specs[changelog].partitions_of == topic
        assert specs[changelog].config["cleanup.policy"] == "compact"
        assert specs[topic].config["cleanup.policy"] == "delete"


def test_shared_lists_have_a_topic_of_one_partition_for_an_hour() -> None:
    specs = {spec.name: spec for spec in topology.topic_specs(load(None, LEAST | {"CRML_POLLING__SHARED": "1"}))}
    added = set(specs) - {spec.name for spec in topology.topic_specs(load(None, LEAST))}
    assert added == {f"{PREFIX}.lists"}
    lists = specs[f"{PREFIX}.lists"]
    assert (lists.partitions, lists.config["retention.ms"]) == (1, "3600000")


def test_sizes_follow_from_the_largest_command() -> None:
    settings = load(None, LEAST | {"CRML_TOPICS__MAX_MESSAGE_BYTES": "100000"})
    specs = {spec.name: spec for spec in topology.topic_specs(settings)}
    largest = topology.record_bytes(settings)
    sizes = {name: int(spec.config["max.message.bytes"]) for name, spec in specs.items()}
    assert 100_000 < sizes.pop(f"{PREFIX}.commands") < largest
    assert set(sizes.values()) == {largest}
    assert specs[f"{PREFIX}.commands"].at_most == {"max.message.bytes": largest}
    assert topology.kafka_settings(settings).record_bytes == largest


def test_a_process_is_called_by_its_instance_id_or_its_host() -> None:
    assert topology.replica_name(load(None, LEAST | {"CRML_KAFKA__INSTANCE_ID": "crml-1"})) == "crml-1"
    assert topology.replica_name(load(None, LEAST)) == socket.gethostname()


def test_a_batch_is_no_larger_than_a_record() -> None:
    for most in ("1000", "1048576"):
        kafka = topology.kafka_settings(load(None, LEAST | {"CRML_TOPICS__MAX_MESSAGE_BYTES": most}))
        assert kafka.batch_bytes <= min(kafka.record_bytes, 512 * 1024)


def test_the_adapter_gets_the_settings_of_the_connection() -> None:
    environ = {"BOOTSTRAP_SERVERS": "a:1,b:2", "GROUP_ID": "g", "CLIENT_ID": "c", "INSTANCE_ID": "pod-1"}
    kafka = topology.kafka_settings(load(None, LEAST | {f"CRML_KAFKA__{name}": text for name, text in environ.items()}))
    assert (kafka.bootstrap_servers, kafka.group_id, kafka.application) == ("a:1,b:2", "g", "g")
    assert (kafka.client_id, kafka.group_instance_id) == ("c", "pod-1")
    assert (kafka.by_iam, kafka.security) == (False, {"security_protocol": "PLAINTEXT"})


def test_rights_of_msk_are_granted_in_iam() -> None:
    oauth = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER", "OAUTH__PROVIDER": "msk_iam"}
    assert topology.kafka_settings(
        load(None, LEAST | {f"CRML_KAFKA__{name}": text for name, text in oauth.items()})
    ).by_iam


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    environ = {"CRML_KAFKA__SECURITY_PROTOCOL": "SSL", "CRML_KAFKA__SSL_CA_FILE": str(tmp_path / "ca.pem")}
    with pytest.raises(SettingsError, match=r"^kafka: TLS can't be set up from ssl_ca_file .*/ca\.pem: "):
        topology.kafka_settings(load(None, LEAST | environ))


def test_what_a_shard_cannot_do_without() -> None:
    shared = {f"{PREFIX}.{name}" for name in ("changes", "replies", "events", "dead-letters")}
    assert topology.required_topics(load(None, LEAST)) == {f"{PREFIX}.commands": shared, f"{PREFIX}.changes": shared}


def test_each_tenant_has_its_topics(file: Path) -> None:
    settings = loaded(file)
    assert settings.sources() == (
        ("cleanroomsml.films.commands", "cleanroomsml.films.jobs"),
        ("cleanroomsml.music.commands", "cleanroomsml.music.jobs"),
        ("cleanroomsml.quiet.commands", "cleanroomsml.quiet.jobs"),
    )
    assert topology.output_topics(settings).own == {
        "films": TenantTopics("cleanroomsml.replies", "cleanroomsml.events", "cleanroomsml.dead-letters"),
        "music": TenantTopics("music.replies", "music.events", "music.dead"),
        "quiet": TenantTopics("cleanroomsml.replies", "cleanroomsml.events", "cleanroomsml.dead-letters"),
    }
    shared = {f"cleanroomsml.{name}" for name in ("changes", "replies", "events", "dead-letters")}
    assert topology.required_topics(settings) == {
        "cleanroomsml.films.commands": shared,
        "cleanroomsml.music.commands": shared | {"music.replies", "music.events", "music.dead"},
        "cleanroomsml.quiet.commands": shared,
        "cleanroomsml.changes": shared | {"music.events"},
    }, "a tenant's topic that is missing stops that tenant, and the events that go there"
    specs = {spec.name for spec in topology.topic_specs(settings)}
    assert {"cleanroomsml.films.jobs", "music.dead", "films.other", "cleanroomsml.replies"} <= specs
    assert "cleanroomsml.commands" not in specs, "the default tenant is one of the list, or none"
