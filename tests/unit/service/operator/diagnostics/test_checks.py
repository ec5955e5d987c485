"""The check: every finding has a subject and says what to mend, whatever breaks while it looks."""

import io
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, TopicAuthorizationFailedError
from rich.console import Console

from schemas.operations import OPERATIONS
from schemas.records import CorruptRecord, Phase, Position
from service.adapters.kafka.topics import TopicProblem
from service.core.position import PartitionOffsets
from service.operator.diagnostics import checks
from service.operator.diagnostics.checks import (
    check,
    check_kafka,
    explained,
    former_tenants,
    halted_partitions,
    show,
    unusable,
)
from service.operator.diagnostics.finding import Finding
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, OwnedJob
from service.operator.repair.partition_standing import Standing
from service.runtime.ports import LogError, TopicPartition
from service.settings import Settings, SettingsError, load
from tests.support import builders

BASE = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:9092", "AWS_REGION": "eu-west-1"}
MISSING = TopicProblem("jobs", "topic", "missing", "present", "create it")
SMALL = TopicProblem("jobs", "max.message.bytes", "1", "at least 2", "raise it")
UNSEEN = TopicProblem("jobs", "right", "Describe", "Describe on topic jobs", "grant it")


class Kafka:
    """What the cluster shows to those who look."""

    def __init__(self) -> None:
        self.problems: list[TopicProblem] = []
        self.clashes: list[str] = []
        self.differences: list[TopicProblem] = []
        self.halted: dict[TopicPartition, Standing] = {}
        self.rights = [Finding("topic jobs: write", True, "may write")]
        self.topics: dict[str, frozenset[int]] = {}
        self.snapshot = ChangelogSnapshot()
        self.error: Exception | None = None

    def use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def shown(what: Any) -> Any:
            if self.error:
                raise self.error
            return what

        monkeypatch.setattr(checks, "verify", lambda *_: shown(self.problems))
        monkeypatch.setattr(checks, "differences", lambda *_, **__: shown(self.differences))
        monkeypatch.setattr(checks, "halted", lambda *_: shown((16, self.halted)))
        monkeypatch.setattr(checks, "foreign_producers", lambda *_: shown(self.clashes))
        monkeypatch.setattr(checks, "probe_rights", lambda *_: shown(self.rights))
        monkeypatch.setattr(checks, "partitions", lambda *_: shown(self.topics))
        monkeypatch.setattr(checks, "read_snapshot", self.read)

    async def read(self, _settings: Any, consumed: Mapping[str, str]) -> ChangelogSnapshot:
        self.consumed = consumed
        return self.snapshot


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    kafka.use(monkeypatch)
    return kafka


@pytest.fixture
def settings() -> Settings:
    return load(environ=BASE)


async def test_all_is_well(kafka: Kafka, settings: Settings) -> None:
    findings = await check_kafka(settings)
    assert all(finding.ok for finding in findings)
    assert [finding.subject for finding in findings] == ["kafka", "topics", "topic jobs: write"]


async def test_a_topic_that_is_wrong_keeps_the_rights_from_being_tried(kafka: Kafka, settings: Settings) -> None:
    kafka.problems = [SMALL, MISSING]
    findings = await check_kafka(settings)
    assert [(finding.subject, finding.ok) for finding in findings] == [
        ("kafka", True),
        ("topic jobs", False),
        ("topic jobs", False),
    ]


async def test_a_right_that_was_tried_is_told_once(kafka: Kafka, settings: Settings) -> None:
    kafka.problems, kafka.rights = [UNSEEN], [Finding("topic jobs: write", False, "Write is missing")]
    assert [finding.message for finding in await check_kafka(settings) if not finding.ok] == ["Write is missing"]
    kafka.rights = [Finding("topic other: write", True, "may write")]
    assert [finding.subject for finding in await check_kafka(settings) if not finding.ok] == ["topic jobs"]


async def test_a_topic_that_is_not_as_the_settings_say_can_be_used(kafka: Kafka, settings: Settings) -> None:
    kafka.differences = [
        TopicProblem("events", "partitions", "6", "8", "set topics.partitions to 6"),
        TopicProblem("jobs", "min.insync.replicas", "1", "2", "raise it"),
    ]
    found = {line.subject: line for line in await check_kafka(settings)}
    assert found["topic events"] == Finding(
        "topic events",
        True,
        "partitions is 6, and would be 8 by the settings; leave it, or set topics.partitions to 6",
        differs=True,
    )
    assert (found["topic jobs"].ok, found["topic jobs"].differs) == (False, True)
    assert found["topic jobs"].message.startswith(
        "min.insync.replicas is 1, must be at least 2: a record that only one"
    )
    assert found["topic jobs"].message.endswith("; raise it")


def standing(committed: int | None = 12, *, replayed: int = 3, unreadable: str = "") -> Standing:
    return Standing(PartitionOffsets("g", committed, 5, 20), None, replayed, unreadable)


async def test_halted_partitions_are_named_with_the_reason_and_the_next_step(kafka: Kafka, settings: Settings) -> None:
    commands = "cleanroomsml.commands"
    [fine] = await halted_partitions(settings)
    assert fine == Finding("partitions", True, "16 partitions: none is halted, as far as Kafka shows")
    kafka.halted = {
        TopicPartition(commands, 3): standing(unreadable="a record at offset 7 can't be read"),
        TopicPartition(commands, 2): standing(None),
        TopicPartition("cleanroomsml.changes", 1): standing(12, replayed=0),
    }
    lost, undecided, unreadable = await halted_partitions(settings)
    assert [line.ok for line in (lost, undecided, unreadable)] == [False] * 3
    assert unreadable.subject == f"partition {commands}-3"
    assert unreadable.message.startswith(
        "is halted, or will be when it is opened next: a record at offset 7 can't be read. Nothing is skipped"
    )
    assert unreadable.message.endswith("python -m service skip-corrupt --topic cleanroomsml.jobs --partition 3")
    assert "the group has no offset" in undecided.message
    assert f"python -m service offsets set --topic {commands} --partition 2 --to OFFSET" in undecided.message
    assert "backfill" not in undecided.message
    assert "backfill" in lost.message


@pytest.mark.parametrize("error", [LogError("no answer"), CorruptRecord("no answer")])
async def test_halted_partitions_that_cannot_be_looked_for(kafka: Kafka, settings: Settings, error: Exception) -> None:
    kafka.error = error
    [finding] = await halted_partitions(settings)
    assert (finding.subject, finding.ok) == ("partitions", False)
    assert finding.message.startswith("which are halted can't be seen: no answer")


async def test_partitions_are_looked_at_where_the_topics_can_be_used(
    kafka: Kafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def none(*_: Any) -> list[Finding]:
        return []

    monkeypatch.setattr(checks, "_check_targets", none)
    kafka.halted = {TopicPartition("cleanroomsml.commands", 3): standing(unreadable="?")}
    kafka.differences = [TopicProblem("jobs", "min.insync.replicas", "1", "2", "raise it")]
    assert "partition cleanroomsml.commands-3" in {line.subject for line in await check(settings)}
    kafka.problems = [MISSING]
    assert "partition cleanroomsml.commands-3" not in {line.subject for line in await check(settings)}


async def test_services_that_would_fence_each_other(kafka: Kafka, settings: Settings) -> None:
    kafka.clashes = ["topic of group a and topic of group b share their transactional ids"]
    [wrong] = [finding for finding in await check_kafka(settings) if not finding.ok]
    assert wrong.subject == "group cleanroomsml-service"


async def test_a_kafka_that_cannot_be_used_is_one_finding(kafka: Kafka, settings: Settings) -> None:
    kafka.error = LogError("no answer")
    assert await check_kafka(settings) == [Finding("kafka", False, "no answer")]


async def test_whatever_breaks_is_a_finding(kafka: Kafka, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    words = "can't be checked: KeyError: 'x'"

    async def breaks(*_: Any) -> list[Finding]:
        raise KeyError("x")

    monkeypatch.setattr(checks, "check_kafka", breaks)
    monkeypatch.setattr(checks, "_check_targets", breaks)
    assert [(each.subject, each.ok, each.message) for each in await check(settings)] == [
        ("kafka", False, words),
        ("targets", False, words),
    ]


async def test_settings_that_cannot_be_used_end_the_check(
    kafka: Kafka, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they end every other command: with exit code 2, and no line about Kafka before it."""
    monkeypatch.setenv("AWS_PROFILE", "nope")
    with pytest.raises(SettingsError, match=r"^AWS_PROFILE: "):
        await check(settings)
    monkeypatch.delenv("AWS_PROFILE")

    async def breaks(*_: Any) -> list[Finding]:
        raise SettingsError("kafka: wrong file")

    monkeypatch.setattr(checks, "check_kafka", breaks)
    with pytest.raises(SettingsError, match="wrong file"):
        await check(settings)


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        (MISSING, "is missing; create it"),
        (SMALL, "max.message.bytes is 1, must be at least 2; raise it"),
        (UNSEEN, "Describe on topic jobs is missing; grant it"),
    ],
)
def test_a_topic_is_explained(problem: TopicProblem, words: str) -> None:
    assert explained(problem) == words


async def test_a_refusal_is_told_with_the_rights_that_are_needed(settings: Settings) -> None:
    error = LogError("opening failed")
    error.__cause__ = TopicAuthorizationFailedError("cleanroomsml.jobs")
    assert "on topic cleanroomsml.jobs" in await unusable(error, settings)


async def test_where_nobody_lets_us_in_each_broker_is_asked(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def why(_kafka: Any) -> dict[str, str]:
        return {"a:1": "does not listen", "b:2": "has no such host name"}

    monkeypatch.setattr(checks, "why_unreachable", why)
    error = LogError("connecting: gone")
    assert await unusable(error, settings) == "connecting: gone"
    error.__cause__ = KafkaConnectionError("gone")
    told = await unusable(error, settings)
    assert told == "no broker accepts the connection: a:1 does not listen; b:2 has no such host name"


def held(phase: Phase, topic: str = "cleanroomsml.gone.commands", number: int = 0) -> OwnedJob:
    return OwnedJob(TopicPartition(topic, number), builders.job(OPERATIONS["CreateAudienceModel"], phase))


async def test_open_commands_of_former_tenants_are_counted(kafka: Kafka, settings: Settings) -> None:
    kafka.topics = {name: frozenset({0}) for name in ("cleanroomsml.gone.commands", "cleanroomsml.gone.jobs")}
    kafka.snapshot.jobs = [
        held(Phase.RUNNING),
        held(Phase.PARKED),
        held(Phase.SUCCEEDED),
        held(Phase.RUNNING, number=1),
    ]
    other = Position(5, group="another")
    kafka.snapshot.positions = {TopicPartition("cleanroomsml.gone.commands", 1): other}
    [finding] = await former_tenants(settings)
    assert kafka.consumed == {"cleanroomsml.gone.commands": "cleanroomsml.gone.jobs"}
    assert (finding.subject, finding.ok) == ("topic cleanroomsml.gone.commands", False)
    assert finding.message.startswith("1 commands are open in cleanroomsml.gone.jobs, but no tenant")


async def test_without_former_tenants_no_changelog_is_read(kafka: Kafka, settings: Settings) -> None:
    assert await former_tenants(settings) == []
    assert not hasattr(kafka, "consumed")


async def test_former_tenants_that_cannot_be_looked_for(kafka: Kafka, settings: Settings) -> None:
    kafka.error = LogError("no answer")
    [finding] = await former_tenants(settings)
    assert (finding.ok, finding.message) == (False, "what tenants of before have left open can't be read: no answer")


def shown(*findings: Finding) -> tuple[bool, list[str]]:
    screen = io.StringIO()
    verdict = show(list(findings), Console(file=screen, width=40))
    return verdict, screen.getvalue().splitlines()


def test_a_line_for_each_finding_and_one_for_all() -> None:
    assert shown(Finding("kafka", True, "answers"), Finding("topic x", True, "is\n well")) == (
        True,
        ["ok     kafka    answers", "ok     topic x  is well", "all 2 ok: ready to run"],
    )
    verdict, lines = shown(Finding("kafka", False, "[red]no[/] " + "long " * 30), Finding("x", True, ""))
    assert not verdict
    assert lines[0].startswith("wrong  kafka  [red]no[/] long")
    assert lines[-1] == "1 of 2 wrong"
    assert len(lines) == 3


def test_what_differs_is_no_error() -> None:
    verdict, lines = shown(Finding("kafka", True, "answers"), Finding("topic x", True, "partitions", differs=True))
    assert (verdict, lines[1]) == (True, "note   topic x  partitions")
    assert lines[-1] == "all 2 ok: ready to run; 1 not as the settings say"
    verdict, lines = shown(Finding("topic x", False, "min.insync.replicas", differs=True))
    assert (verdict, lines) == (False, ["wrong  topic x  min.insync.replicas", "1 of 1 wrong"])
