"""Which right is missing, for whom, and how to grant it; and what Kafka hides."""

import shlex
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError, UnknownTopicOrPartitionError

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.missing_rights import MissingRight, description, hidden, partitions_seen, remedy

SETTINGS = KafkaSettings("b:9092", "g", principal="User:crml")


@pytest.mark.parametrize(
    ("lack", "flags"),
    [
        (MissingRight("Read", "topic", "jobs"), ["--topic", "jobs"]),
        (MissingRight("Read", "group", "g"), ["--group", "g"]),
        (
            MissingRight("Write", "transactional id", "app-*"),
            ["--transactional-id", "app-", "--resource-pattern-type", "prefixed"],
        ),
    ],
)
def test_a_right_is_granted_by_kafkas_own_tool(lack: MissingRight, flags: list[str]) -> None:
    words = shlex.split(remedy(SETTINGS, lack))
    assert words[:4] == ["kafka-acls.sh", "--bootstrap-server", "b:9092", "--add"]
    assert words[4:8] == ["--allow-principal", "User:crml", "--operation", lack.operation]
    assert words[8:] == flags


def test_a_principal_that_only_the_broker_knows_is_to_be_filled_in() -> None:
    lack = MissingRight("Read", "topic", "jobs")
    assert "<our principal>" in shlex.split(remedy(KafkaSettings("b", "g"), lack))
    assert description(KafkaSettings("b", "g"), lack).startswith("Read on topic jobs is missing; grant it with: ")
    assert description(SETTINGS, lack).startswith("Read on topic jobs is missing for User:crml; grant it with: ")


def test_with_iam_there_are_no_acls() -> None:
    told = remedy(KafkaSettings("b", "g", by_iam=True), MissingRight("Read", "topic", "jobs"))
    assert told == "a policy in IAM; python -m service acls --format msk-iam prints it"


class Admin:
    """Shows some topics, and answers for others with errors."""

    def __init__(self) -> None:
        self.topics: dict[str, int] = {"jobs": 2, "events": 1}
        self.errors = {"secret": TopicAuthorizationFailedError.errno, "absent": UnknownTopicOrPartitionError.errno}
        self.asked: list[Any] = []

    async def describe_topics(self) -> list[dict[str, Any]]:
        return [
            {"topic": name, "partitions": [{"partition": number} for number in range(count)]}
            for name, count in self.topics.items()
        ]

    async def _send_request(self, request: Any) -> Any:
        self.asked.append(request)
        topics = [{"topic": name, "error_code": self.errors.get(name, 0)} for name in request._topics]
        return SimpleNamespace(to_object=lambda: {"topics": topics})


async def test_a_topic_that_is_hidden_is_told_from_one_that_is_missing() -> None:
    admin = Admin()
    assert await hidden(admin, ["jobs", "secret", "absent"]) == {"secret"}
    [request] = admin.asked
    assert request._allow_auto_topic_creation is False


async def test_nothing_is_asked_about_nothing() -> None:
    admin = Admin()
    assert await hidden(admin, []) == frozenset()
    assert admin.asked == []


async def test_partitions_of_all_that_can_be_seen() -> None:
    admin = Admin()
    assert await partitions_seen(admin, ["jobs", "absent"]) == {"jobs": {0, 1}, "events": {0}}
    with pytest.raises(TopicAuthorizationFailedError) as raised:
        await partitions_seen(admin, ["jobs", "secret"])
    assert raised.value.args == ("secret",)
