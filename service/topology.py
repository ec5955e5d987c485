"""Topics, their changelogs and tenants, and the options of Kafka's clients: derived from the settings, only here."""

import socket
from collections.abc import Collection
from typing import Final

from schemas import sizes
from service.adapters.kafka.auth.security import security
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topics import TopicSpec, changelog, input_topic, output_topic
from service.runtime.context import OutputTopics, TenantTopics
from service.settings import Settings, SettingsError
from service.settings.tenants import recorded_name

SOURCE: Final = "cleanroomsml-service"
"""CloudEvents ``source`` of what we publish."""

_BATCH_BYTES: Final = 512 * 1024
_COMMANDS_KEPT: Final = 7 * 86_400.0
_OUTPUT_KEPT: Final = 7 * 86_400.0
_LISTS_KEPT: Final = 3_600.0


def replica_name(settings: Settings) -> str:
    """What this process is called among those of the service: its instance id, or its host's name."""
    return settings.kafka.instance_id or socket.gethostname()


def record_bytes(settings: Settings) -> int:
    """Largest record of the service: a command is wrapped into job records and dead letters, which must always fit."""
    return sizes.largest_record(settings.topics.max_message_bytes)


def kafka_settings(settings: Settings) -> KafkaSettings:
    """What the Kafka adapter needs; it reads the TLS files.

    Raises:
        SettingsError: They can't be used.
    """
    kafka = settings.kafka
    try:
        options = security(kafka, fips=any(target.fips for target in settings.targets.values()))
    except OSError as error:
        files = {name: getattr(kafka, name) for name in ("ssl_ca_file", "ssl_cert_file", "ssl_key_file")}
        files["oauth.ca_file"] = kafka.oauth.ca_file if kafka.oauth else None
        given = [f"{name} {file}" for name, file in files.items() if file]
        raise SettingsError(f"kafka: TLS can't be set up from {', '.join(given)}: {error}") from error
    return KafkaSettings(
        bootstrap_servers=",".join(kafka.bootstrap_servers),
        group_id=kafka.group_id,
        client_id=kafka.client_id,
        application=kafka.group_id,
        group_instance_id=kafka.instance_id,
        principal=kafka.known_as(),
        by_iam=kafka.oauth is not None and kafka.oauth.provider == "msk_iam",
        security=options,
        heartbeat_interval=kafka.heartbeat_interval,
        session_timeout=kafka.session_timeout,
        rebalance_timeout=kafka.rebalance_timeout,
        transaction_timeout=kafka.transaction_timeout,
        request_timeout=kafka.request_timeout,
        batch_bytes=min(_BATCH_BYTES, record_bytes(settings)),
        record_bytes=record_bytes(settings),
    )


def topic_specs(settings: Settings) -> list[TopicSpec]:
    """Every topic that the service needs, with its required configuration."""
    topics, largest = settings.topics, record_bytes(settings)
    specs: list[TopicSpec] = []
    for commands, jobs in settings.sources():
        # What a tenant sends is bounded as sent; compression is the broker's affair, or a small batch could be a bomb.
        source = input_topic(
            commands,
            topics.partitions,
            retention=_COMMANDS_KEPT,
            record_bytes=sizes.largest_command(topics.max_message_bytes),
            at_most=largest,
        )
        specs += [source, changelog(jobs, source, record_bytes=largest)]
    changes = output_topic(topics.changes, topics.partitions, retention=_OUTPUT_KEPT, record_bytes=largest)
    specs += [changes, changelog(topics.resources, changes, record_bytes=largest)]
    if settings.polling.shared:
        specs.append(output_topic(topics.lists, 1, retention=_LISTS_KEPT, record_bytes=largest))
    for name in settings.outputs():
        specs.append(output_topic(name, topics.partitions, retention=_OUTPUT_KEPT, record_bytes=largest))
    return specs


def changelogs(settings: Settings) -> dict[str, str]:
    """Topics that shards consume, each with its changelog: commands, and changes to be numbered."""
    return {**dict(settings.sources()), settings.topics.changes: settings.topics.resources}


def required_topics(settings: Settings) -> dict[str, frozenset[str]]:
    """Topics without which a shard is not served, by the topic it consumes; a command's `replyto` is not among them."""
    topics, tenants = settings.topics, settings.tenant_topics().values()
    shared = {topics.changes, topics.replies, topics.events, topics.dead_letters}
    needed = {own.commands: frozenset({*shared, *own[2:]}) for own in tenants}
    return {**needed, topics.changes: frozenset({*shared, *(own.events for own in tenants)})}


def output_topics(settings: Settings) -> OutputTopics:
    """Topics that shards write to, for each tenant."""
    topics = settings.topics
    return OutputTopics(
        changelogs=changelogs(settings),
        changes=topics.changes,
        shared=TenantTopics(topics.replies, topics.events, topics.dead_letters),
        source=SOURCE,
        own={recorded_name(name): TenantTopics(*own[2:]) for name, own in settings.tenant_topics().items()},
    )


def former_changelogs(settings: Settings, topics: Collection[str]) -> dict[str, str]:
    """Commands topics that no tenant has although their names are those of one, each with its changelog.

    A tenant whose topics had names of its own can't be recognised.

    Args:
        settings: With the tenants that there are.
        topics: The topics that there are.
    """
    prefix, served = settings.topics.prefix, dict(settings.sources())
    names = [topic.removeprefix(f"{prefix}.").removesuffix(".jobs") for topic in topics]
    pairs = {f"{prefix}.{name}.commands": f"{prefix}.{name}.jobs" for name in names if name and "." not in name}
    pairs[settings.topics.commands] = settings.topics.jobs
    taken = {*served, *served.values()}
    return {
        commands: jobs
        for commands, jobs in sorted(pairs.items())
        if {commands, jobs} <= set(topics) and taken.isdisjoint({commands, jobs})
    }
