"""Topics as they must be: created once, verified, and nothing is said of what may be tuned."""

from collections.abc import Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidConfigurationError,
    KafkaConnectionError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
)

from service.adapters.kafka import topics as module
from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.topics import (
    TopicProblem,
    TopicSpec,
    changelog,
    config_at_creation,
    differences,
    ensure,
    foreign_producers,
    input_topic,
    output_topic,
    record_limit,
    verify,
)
from service.runtime.ports import LogError, Unfit

SETTINGS = KafkaSettings("b:9092", "svc", application="svc", principal="User:crml")
COMMANDS = input_topic("commands", 4, retention=60.0, record_bytes=1000, at_most=5000)
JOBS = changelog("jobs", COMMANDS, record_bytes=2000)
EVENTS = output_topic("events", 4, retention=60.0, record_bytes=2000)
SPECS = [COMMANDS, JOBS, EVENTS]
DENIED = TopicAuthorizationFailedError.errno


class Admin:
    """A cluster's administration: topics with their settings; ``denied`` are hidden, ``unread`` show no settings."""

    def __init__(self) -> None:
        self.topics: dict[str, tuple[int, dict[str, str]]] = {}
        self.denied: set[str] = set()
        self.unread: set[str] = set()
        self.groups: list[str] = []
        self.created: list[Any] = []
        self.answers: dict[str, tuple[int, str]] = {}
        self.leaderless = 0
        self.copies = 3
        self.error: Exception | None = None
        self.started = self.closed = 0
        self._client = SimpleNamespace(send=self._versions, get_random_node=lambda: 0)

    def has(self, *specs: TopicSpec, partitions: int = 4, config: Mapping[str, str] | None = None) -> None:
        for spec in specs:
            self.topics[spec.name] = (partitions, {**spec.config, **(config or {})})

    async def start(self) -> None:
        self.started += 1
        if self.error:
            raise self.error

    async def close(self) -> None:
        self.closed += 1

    async def _versions(self, *_: Any) -> Any:
        return SimpleNamespace(api_versions=[(26, 0, 5)])

    async def describe_topics(self) -> list[dict[str, Any]]:
        leader = -1 if self.leaderless > 0 else 0
        self.leaderless -= 1
        return [
            {
                "topic": name,
                "partitions": [
                    {"partition": number, "leader": leader, "replicas": list(range(self.copies))}
                    for number in range(count)
                ],
            }
            for name, (count, _) in self.topics.items()
            if name not in self.denied
        ]

    async def describe_configs(self, resources: Iterable[Any]) -> list[Any]:
        found = []
        for each in resources:
            code = DENIED if each.name in self.unread else 0
            found.append((code, "", 2, each.name, [list(item) for item in self.topics[each.name][1].items()]))
        return [SimpleNamespace(resources=found)]

    async def create_topics(self, topics: list[Any]) -> Any:
        self.created += topics
        for each in topics:
            if self.answers.get(each.name, (0, ""))[0] in (0, TopicAlreadyExistsError.errno):
                self.topics[each.name] = (each.num_partitions, dict(each.topic_configs))
        return SimpleNamespace(topic_errors=[(each.name, *self.answers.get(each.name, (0, ""))) for each in topics])

    async def list_consumer_groups(self) -> list[tuple[str, str]]:
        return [(name, "consumer") for name in self.groups]

    async def _send_request(self, request: Any) -> Any:
        topics = [{"topic": name, "error_code": DENIED if name in self.denied else 3} for name in request._topics]
        return SimpleNamespace(to_object=lambda: {"topics": topics})


@pytest.fixture
def admin(monkeypatch: pytest.MonkeyPatch) -> Admin:
    admin = Admin()
    monkeypatch.setattr(module, "AIOKafkaAdminClient", lambda **_: admin)
    monkeypatch.setattr(module, "VISIBLE_POLL", 0.0)
    return admin


def test_what_topics_are_for_decides_their_settings() -> None:
    assert (EVENTS.config["cleanup.policy"], EVENTS.config["retention.ms"]) == ("delete", "60000")
    assert "compression.type" not in EVENTS.config
    assert COMMANDS.config["compression.type"] == "uncompressed"  # or a small batch could be a bomb
    assert COMMANDS.at_most == {"max.message.bytes": 5000}
    assert (JOBS.config["cleanup.policy"], JOBS.partitions_of) == ("compact", "commands")
    for spec in SPECS:
        assert spec.config["message.timestamp.type"] == "LogAppendTime"
        assert spec.config["unclean.leader.election.enable"] == "false"


def test_from_three_copies_on_two_must_have_a_record() -> None:
    assert config_at_creation(EVENTS, 3)["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in config_at_creation(EVENTS, 2)
    own = TopicSpec("x", 1, {"min.insync.replicas": "3"})
    assert config_at_creation(own, 3)["min.insync.replicas"] == "3"


async def test_what_is_missing_is_created_and_waited_for(admin: Admin) -> None:
    admin.has(EVENTS)
    admin.leaderless = 3
    assert await ensure(SETTINGS, SPECS, replication=3) == ["commands", "jobs"]
    assert [(each.name, each.num_partitions, each.replication_factor) for each in admin.created] == [
        ("commands", 4, 3),
        ("jobs", 4, 3),
    ]
    assert admin.leaderless <= 0
    assert await ensure(SETTINGS, SPECS, replication=3) == []
    assert await verify(SETTINGS, SPECS) == []
    assert admin.started == admin.closed == 3


async def test_a_changelog_gets_as_many_partitions_as_its_topic_has(admin: Admin) -> None:
    admin.has(COMMANDS, EVENTS, partitions=7)
    await ensure(SETTINGS, SPECS, replication=1)
    assert [(each.name, each.num_partitions) for each in admin.created] == [("jobs", 7)]


async def test_somebody_who_was_faster_is_no_error(admin: Admin) -> None:
    admin.has(COMMANDS, EVENTS)
    admin.answers["jobs"] = (TopicAlreadyExistsError.errno, "exists")
    assert await ensure(SETTINGS, SPECS, replication=1) == ["jobs"]


async def test_what_was_created_must_be_seen(admin: Admin) -> None:
    admin.denied = {"jobs"}
    with pytest.raises(Unfit, match=r"^Describe on topic jobs is missing for User:crml"):
        await ensure(SETTINGS, SPECS, replication=1)


async def test_a_right_that_is_missing_for_creating_is_named(admin: Admin) -> None:
    admin.answers["commands"] = (DENIED, "no")
    with pytest.raises(Unfit, match=r"^Create on topic commands is missing for User:crml; grant it with: kafka-acls"):
        await ensure(SETTINGS, SPECS, replication=1)


async def test_another_refusal_says_kafkas_words(admin: Admin) -> None:
    admin.answers["commands"] = (InvalidConfigurationError.errno, "bad value")
    with pytest.raises(LogError, match=r"^topic commands cannot be created: InvalidConfigurationError bad value"):
        await ensure(SETTINGS, SPECS, replication=1)


async def test_what_is_missing_or_hidden_is_a_finding(admin: Admin) -> None:
    admin.has(COMMANDS)
    admin.topics["jobs"] = (4, {})
    admin.denied = {"jobs"}
    found = await verify(SETTINGS, SPECS)
    assert [(each.topic, each.setting, each.is_) for each in found] == [
        ("jobs", "right", "Describe"),
        ("events", "topic", "missing"),
    ]
    assert str(found[1]).startswith("topic events: topic is missing, must be present; create it with: ")
    assert str(found[0]).startswith("Describe on topic jobs for User:crml is missing; grant it with: ")


@pytest.mark.parametrize(
    ("spec", "setting", "value", "must_be"),
    [
        (JOBS, "cleanup.policy", "delete", "compact"),
        (COMMANDS, "compression.type", "producer", "uncompressed"),
        (EVENTS, "message.timestamp.type", "CreateTime", "LogAppendTime"),
        (EVENTS, "max.message.bytes", "1999", "at least 2000"),
        (COMMANDS, "max.message.bytes", "5001", "at most 5000: a larger record's content is lost in its dead letter"),
    ],
)
async def test_a_setting_that_is_wrong_is_told_with_the_command_that_mends_it(
    admin: Admin, spec: TopicSpec, setting: str, value: str, must_be: str
) -> None:
    admin.has(*SPECS)
    admin.has(spec, config={setting: value})
    [found] = await verify(SETTINGS, SPECS)
    assert (found.topic, found.setting, found.is_, found.must_be) == (spec.name, setting, value, must_be)
    assert found.remedy.endswith(f"--entity-name {spec.name} --add-config {setting}={spec.config[setting]}")


@pytest.mark.parametrize(("setting", "value"), [("retention.ms", "1"), ("max.message.bytes", "9999999")])
async def test_what_may_be_tuned_is_not_judged(admin: Admin, setting: str, value: str) -> None:
    admin.has(*SPECS)
    admin.has(EVENTS, config={setting: value})
    assert await verify(SETTINGS, SPECS) == []


@pytest.mark.parametrize(("count", "words"), [(3, "kafka-topics.sh --alter --topic jobs"), (5, "give commands")])
async def test_a_changelog_has_a_partition_for_each_of_its_topics(admin: Admin, count: int, words: str) -> None:
    admin.has(COMMANDS, EVENTS)
    admin.has(JOBS, partitions=count)
    [found] = await verify(SETTINGS, SPECS)
    assert (found.setting, found.is_, found.must_be) == ("partitions", str(count), "4, as many as commands has")
    assert found.remedy.startswith(words)


async def test_settings_that_may_not_be_read_are_a_missing_right(admin: Admin) -> None:
    admin.has(*SPECS)
    admin.unread = {"events"}
    [found] = await verify(SETTINGS, SPECS)
    assert (found.setting, found.is_) == ("right", "DescribeConfigs")


async def test_the_limit_of_a_topic_as_far_as_it_can_be_read(admin: Admin) -> None:
    admin.has(EVENTS)
    assert await record_limit(SETTINGS, "events") == 2000
    admin.unread = {"events"}
    assert await record_limit(SETTINGS, "events") == 0
    admin.error = KafkaConnectionError("gone")
    assert await record_limit(SETTINGS, "events") == 0


async def test_groups_whose_producers_would_fence_ours(admin: Admin) -> None:
    admin.has(*SPECS)
    admin.topics["a-commands"] = (1, {})
    admin.groups = ["svc", "other"]
    assert await foreign_producers(SETTINGS, ["commands"]) == []
    admin.groups.append("svc-a")
    [line] = await foreign_producers(KafkaSettings("b", "svc", application="svc"), ["a-commands"])
    assert line.startswith("a-commands of group svc and commands of group svc-a share their transactional ids")


async def test_a_kafka_that_cannot_be_reached_is_an_error_of_the_port(admin: Admin) -> None:
    admin.error = KafkaConnectionError("gone")
    with pytest.raises(LogError, match=r"^creating or verifying topics: "):
        await verify(SETTINGS, SPECS)
    assert admin.closed == 1


def test_a_problem_is_a_sentence() -> None:
    problem = TopicProblem("t", "cleanup.policy", "delete", "compact", "do it")
    assert str(problem) == "topic t: cleanup.policy is delete, must be compact; do it"


async def test_topics_as_they_are_created_differ_in_nothing(admin: Admin) -> None:
    admin.has(*SPECS, config={"min.insync.replicas": "2"})
    assert await differences(SETTINGS, SPECS, replication=3) == []
    admin.has(EVENTS, config={"min.insync.replicas": "3", "max.message.bytes": "9000000"})
    assert await differences(SETTINGS, SPECS, replication=3) == []


async def test_what_of_a_topic_differs_from_the_settings(admin: Admin) -> None:
    admin.has(COMMANDS, JOBS, partitions=6, config={"min.insync.replicas": "1"})
    admin.has(EVENTS, config={"min.insync.replicas": "2", "retention.ms": "1000"})
    found = await differences(
        SETTINGS, [*SPECS, output_topic("gone", 4, retention=60.0, record_bytes=1)], replication=3
    )
    assert [(each.topic, each.setting, each.is_, each.must_be) for each in found] == [
        ("commands", "partitions", "6", "4"),
        ("commands", "min.insync.replicas", "1", "2"),
        ("jobs", "min.insync.replicas", "1", "2"),
        ("events", "retention.ms", "1000", "60000"),
    ]
    assert found[-1].remedy == (
        "kafka-configs.sh --alter --entity-type topics --entity-name events --add-config retention.ms=60000"
    )
    assert "topics.partitions to 6" in found[0].remedy


async def test_fewer_copies_than_wanted_need_no_second_one_in_sync(admin: Admin) -> None:
    """A single broker: it must not be asked for what would stop every write."""
    admin.copies = 1
    admin.has(EVENTS, config={"min.insync.replicas": "1"})
    [found] = await differences(SETTINGS, [EVENTS], replication=3)
    assert (found.setting, found.is_, found.must_be) == ("replication factor", "1", "3")
    assert await differences(SETTINGS, [EVENTS], replication=1) == []
