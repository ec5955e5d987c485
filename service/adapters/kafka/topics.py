"""Creates topics that are missing, and says what is wrong with those that exist."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from schemas.kafka.client_shutdown import shut_down
from service.adapters.kafka.brokers import require_supported
from service.adapters.kafka.client_options import KafkaSettings, client_options
from service.adapters.kafka.deadlines import deadline
from service.adapters.kafka.missing_rights import MissingRight, description, hidden, remedy
from service.adapters.kafka.producer import clashes
from service.runtime.ports import LogError, Unfit

EXACT = ("cleanup.policy", "compression.type", "message.timestamp.type", "unclean.leader.election.enable")
AT_LEAST = ("max.message.bytes", "min.insync.replicas")
"""Verified settings; any other is only given to topics that are created, and may be tuned afterwards."""

SAFE_COPIES = 3
"""From 3 copies on, 2 of them must have a record before it counts."""

VISIBLE_POLL = 0.1


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """What a topic must be.

    Attributes:
        name: Of the topic.
        partitions: When it is created; an existing topic may have another number.
        config: Kafka's topic settings.
        partitions_of: Another topic, whose number of partitions it must have instead.
        at_most: Of settings in ``config``: the largest number that is still right.
    """

    name: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)
    partitions_of: str | None = None
    at_most: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TopicProblem:
    """A misconfigured topic, or a missing permission.

    Attributes:
        topic: The topic's name.
        setting: ``topic`` when it is missing, ``right`` when a permission is, ``partitions``, or a Kafka topic setting.
        is_: What is there; of a missing right, the operation.
        must_be: What is needed; of a missing right, on what and for whom.
        remedy: A command, or an advice.
    """

    topic: str
    setting: str
    is_: str
    must_be: str
    remedy: str

    def __str__(self) -> str:
        if self.setting == "right":
            return f"{self.must_be} is missing; {self.remedy}"
        return f"topic {self.topic}: {self.setting} is {self.is_}, must be {self.must_be}; {self.remedy}"


def output_topic(name: str, partitions: int, *, retention: float, record_bytes: int) -> TopicSpec:
    """A topic of records that are deleted after ``retention`` seconds."""
    config = {"cleanup.policy": "delete", "retention.ms": str(round(retention * 1000))}
    return TopicSpec(name, partitions, config | _limits(record_bytes))


def input_topic(name: str, partitions: int, *, retention: float, record_bytes: int, at_most: int) -> TopicSpec:
    """A stream that others write to, who may mean harm or have a wrong clock.

    The broker unpacks what it stores, so that it measures a batch as every reader will have it: a compressed bomb is
    refused to its sender.

    Args:
        name: Of the topic.
        partitions: When it is created.
        retention: Seconds for which records are kept.
        record_bytes: The largest record that others may need to send.
        at_most: The largest record that can still be wrapped into a dead letter.
    """
    plain = output_topic(name, partitions, retention=retention, record_bytes=record_bytes)
    config = {**plain.config, "compression.type": "uncompressed"}
    return replace(plain, config=config, at_most={"max.message.bytes": at_most})


def changelog(name: str, commands: TopicSpec, *, record_bytes: int) -> TopicSpec:
    """The compacted changelog of a commands topic.

    Small segments and an eager cleaner keep a restore short; tombstones stay long enough for a reader that is slow.
    """
    config = {
        "cleanup.policy": "compact",
        "segment.bytes": str(64 * 1024 * 1024),
        "segment.ms": str(6 * 3600 * 1000),
        "min.cleanable.dirty.ratio": "0.2",
        "max.compaction.lag.ms": str(24 * 3600 * 1000),
        "delete.retention.ms": str(24 * 3600 * 1000),
    }
    return TopicSpec(name, commands.partitions, config | _limits(record_bytes), partitions_of=commands.name)


def _limits(record_bytes: int) -> dict[str, str]:
    """What all topics have in common.

    The broker stamps the time: it deletes a record from 1970 at once, and refuses one that is an hour ahead of its own
    clock (``message.timestamp.after.max.ms``), which would stop every transaction of a process whose clock is ahead.
    """
    return {
        "max.message.bytes": str(record_bytes),
        "message.timestamp.type": "LogAppendTime",
        "unclean.leader.election.enable": "false",
    }


def config_at_creation(spec: TopicSpec, replication: int) -> dict[str, str]:
    """What a topic is created with: from 3 copies on, 2 of them must have a record before it counts."""
    return ({"min.insync.replicas": "2"} if replication >= SAFE_COPIES else {}) | dict(spec.config)


async def ensure(settings: KafkaSettings, specs: Sequence[TopicSpec], *, replication: int) -> list[str]:
    """Creates what is missing and waits until it can be used; returns the names of what was created.

    Args:
        settings: How to connect.
        specs: The topics.
        replication: Copies of each partition; 1 on a single broker. From 3 on, 2 of them must have a record.

    Raises:
        LogError: Kafka could not be reached in time, or refuses.
    """
    async with _admin(settings) as admin:
        counts = await _partition_counts(admin)
        missing = [spec for spec in specs if spec.name not in counts]
        if not missing:
            return []
        wanted = counts | {spec.name: spec.partitions for spec in missing}
        topics = [
            NewTopic(
                spec.name,
                wanted.get(spec.partitions_of or spec.name, spec.partitions),
                replication,
                topic_configs=config_at_creation(spec, replication),
            )
            for spec in missing
        ]
        _raise_refusals(settings, await admin.create_topics(topics))
        for name in sorted(await hidden(admin, [spec.name for spec in missing])):
            raise Unfit(description(settings, MissingRight("Describe", "topic", name)))
        await _wait_visible(admin, {spec.name for spec in missing})
        return [spec.name for spec in missing]


async def verify(settings: KafkaSettings, specs: Sequence[TopicSpec]) -> list[TopicProblem]:
    """Compares what exists with what must be; an empty list is good.

    Raises:
        LogError: Kafka could not be reached in time, or refuses.
    """
    async with _admin(settings) as admin:
        counts = await _partition_counts(admin)
        present = [spec for spec in specs if spec.name in counts]
        unseen = await hidden(admin, [spec.name for spec in specs if spec.name not in counts])
        configs = await _configs(admin, [spec.name for spec in present])
    findings = []
    for spec in specs:
        if spec.name in unseen:
            findings.append(_lacking(settings, MissingRight("Describe", "topic", spec.name)))
        elif spec.name not in counts:
            create = "create it with: python -m service topics"
            findings.append(TopicProblem(spec.name, "topic", "missing", "present", create))
    for spec in present:
        findings += _check_partitions(spec, counts)
        config = configs[spec.name]
        lack = MissingRight("DescribeConfigs", "topic", spec.name)
        findings += [_lacking(settings, lack)] if config is None else _check_config(spec, config)
    return findings


async def differences(settings: KafkaSettings, specs: Sequence[TopicSpec], *, replication: int) -> list[TopicProblem]:
    """What of the topics that exist is not as they would be created; the service runs all the same.

    Args:
        settings: How to connect.
        specs: The topics; those that are missing are left out.
        replication: Copies of each partition, as for `ensure`.

    Raises:
        LogError: Kafka could not be reached in time, or refuses.
    """
    async with _admin(settings) as admin:
        topics = {each["topic"]: each["partitions"] for each in await admin.describe_topics()}
        configs = await _configs(admin, [spec.name for spec in specs if spec.name in topics])
    return [
        found
        for spec in specs
        if spec.name in topics
        for found in _differences(spec, topics[spec.name], configs[spec.name] or {}, replication)
    ]


async def record_limit(settings: KafkaSettings, topic: str) -> int:
    """A topic's ``max.message.bytes``; 0 when it can't be read, for want of a right or of an answer."""
    try:
        async with _admin(settings) as admin:
            config = (await _configs(admin, [topic])).get(topic) or {}
    except LogError:
        return 0
    return int(config.get("max.message.bytes", "0"))


async def foreign_producers(settings: KafkaSettings, consumed: Collection[str]) -> list[str]:
    """Consumer groups, as far as we may see them, whose producers would be fenced by ours, and ours by theirs.

    Raises:
        LogError: Kafka could not be reached in time, or refuses.
    """
    async with _admin(settings) as admin:
        groups = {group_id for group_id, *_ in await admin.list_consumer_groups()}
        found = clashes(settings.application, consumed, groups, await _partition_counts(admin))
        return [
            f"{topic} of group {settings.application} and {theirs} of group {other} share their transactional ids: each"
            " service fences the other. Give one of the groups another name"
            for topic, other, theirs in found
        ]


def _lacking(settings: KafkaSettings, lack: MissingRight) -> TopicProblem:
    who = f" for {settings.principal}" if settings.principal else ""
    return TopicProblem(lack.name, "right", lack.operation, f"{lack}{who}", f"grant it with: {remedy(settings, lack)}")


def _check_partitions(spec: TopicSpec, counts: Mapping[str, int]) -> Iterator[TopicProblem]:
    if spec.partitions_of is None or spec.partitions_of not in counts:
        return
    count, needed = counts[spec.name], counts[spec.partitions_of]
    if count == needed:
        return
    remedy = (
        f"kafka-topics.sh --alter --topic {spec.name} --partitions {needed}, if no key has a record yet;"
        " else set another topics.prefix"
        if count < needed
        else f"give {spec.partitions_of} as many partitions, or name a new changelog"
    )
    yield TopicProblem(spec.name, "partitions", str(count), f"{needed}, as many as {spec.partitions_of} has", remedy)


def _check_config(spec: TopicSpec, config: Mapping[str, str]) -> Iterator[TopicProblem]:
    for setting, needed in spec.config.items():
        present = config.get(setting, "unknown")
        if setting in EXACT and present != needed:
            must_be = needed
        elif setting in AT_LEAST and not (present.isdecimal() and int(present) >= int(needed)):
            must_be = f"at least {needed}"
        elif setting in spec.at_most and int(present) > spec.at_most[setting]:
            must_be = f"at most {spec.at_most[setting]}: a larger record's content is lost in its dead letter"
        else:
            continue
        yield TopicProblem(spec.name, setting, present, must_be, _alter(spec.name, setting, needed))


def _differences(
    spec: TopicSpec, partitions: Sequence[Mapping[str, Any]], config: Mapping[str, str], replication: int
) -> Iterator[TopicProblem]:
    count, copies = len(partitions), min((len(part.get("replicas", ())) for part in partitions), default=0)
    if spec.partitions_of is None and count != spec.partitions:
        remedy = f"set topics.partitions to {count}; partitions must not be added, since keys would move"
        yield TopicProblem(spec.name, "partitions", str(count), str(spec.partitions), remedy)
    if 0 < copies < replication:
        remedy = "add copies with kafka-reassign-partitions.sh, or set kafka.replication_factor to what is wanted"
        yield TopicProblem(spec.name, "replication factor", str(copies), str(replication), remedy)
    for setting, needed in config_at_creation(spec, copies).items():
        present = config.get(setting, needed)
        if setting in EXACT or setting == "max.message.bytes" or present == needed:
            continue
        if setting in AT_LEAST and present.isdecimal() and int(present) >= int(needed):
            continue
        yield TopicProblem(spec.name, setting, present, needed, _alter(spec.name, setting, needed))


def _alter(topic: str, setting: str, value: str) -> str:
    return f"kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {setting}={value}"


@asynccontextmanager
async def _admin(settings: KafkaSettings) -> AsyncIterator[Any]:
    client = AIOKafkaAdminClient(**client_options(settings, "admin"))
    try:
        async with deadline(settings.admin_deadline, "creating or verifying topics"):
            await client.start()
            await require_supported(client._client)
            yield client
    finally:
        await shut_down(client, settings.stop_deadline)


async def _partition_counts(admin: Any) -> dict[str, int]:
    # All topics: asking for one by its name would create it, where the broker creates topics by itself.
    return {each["topic"]: len(each["partitions"]) for each in await admin.describe_topics()}


async def _configs(admin: Any, names: Iterable[str]) -> dict[str, dict[str, str] | None]:
    """Settings by topic; None if reading them is not allowed."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    configs: dict[str, dict[str, str] | None] = {}
    for response in await admin.describe_configs(resources) if resources else []:
        for code, message, _, name, entries, *_ in response.resources:
            if code and for_code(code) is TopicAuthorizationFailedError:
                configs[name] = None
                continue
            if code:
                raise LogError(f"topic {name}: its settings cannot be read: {_reason(code, message)}")
            configs[name] = {entry[0]: entry[1] for entry in entries}
    return configs


def _raise_refusals(settings: KafkaSettings, response: Any) -> None:
    for name, code, *message in response.topic_errors:
        if code and for_code(code) is TopicAuthorizationFailedError:
            raise Unfit(description(settings, MissingRight("Create", "topic", name)))
        if code and code != TopicAlreadyExistsError.errno:  # another client was faster: verify decides
            raise LogError(f"topic {name} cannot be created: {_reason(code, *message)}")


def _reason(code: int, message: str | None = None) -> str:
    return f"{for_code(code).__name__} {message or ''}".strip()


async def _wait_visible(admin: Any, names: set[str]) -> None:
    while True:
        topics = {each["topic"]: each["partitions"] for each in await admin.describe_topics()}
        if all(topics.get(name) and all(part["leader"] >= 0 for part in topics[name]) for name in names):
            return
        await asyncio.sleep(VISIBLE_POLL)
