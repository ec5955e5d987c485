"""A right that we lack in Kafka: which one, on what, for whom, and how to grant it."""

import shlex
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, NamedTuple

from aiokafka.errors import (
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    for_code,
)
from aiokafka.protocol.metadata import MetadataRequest

from service.adapters.kafka.client_options import KafkaSettings

Kind = Literal["topic", "group", "transactional id"]

_FLAGS: Final[Mapping[Kind, str]] = {
    "topic": "--topic",
    "group": "--group",
    "transactional id": "--transactional-id",
}
_REFUSALS: Final[Mapping[type[BaseException], Kind]] = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactional id",
}


class MissingRight(NamedTuple):
    """A right that we lack.

    Attributes:
        operation: As Kafka calls it, such as ``Read``.
        kind: Of what.
        name: Of the thing; with ``*`` behind it, all names that begin so.
    """

    operation: str
    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.kind} {self.name}"


def refused(error: BaseException) -> Kind | None:
    """What kind of thing Kafka refuses with this exception; it names the thing at most, not the right."""
    return next((kind for refusal, kind in _REFUSALS.items() if isinstance(error, refusal)), None)


def description(settings: KafkaSettings, lack: MissingRight) -> str:
    """Which right is missing, for whom, and how to grant it."""
    who = f" for {settings.principal}" if settings.principal else ""
    return f"{lack} is missing{who}; grant it with: {remedy(settings, lack)}"


def remedy(settings: KafkaSettings, lack: MissingRight, principal: str = "") -> str:
    """How to grant a right; to whom, where the settings do not say it."""
    if settings.by_iam:
        return "a policy in IAM; python -m service acls --format msk-iam prints it"
    words = ["kafka-acls.sh", "--bootstrap-server", settings.bootstrap_servers, "--add"]
    words += ["--allow-principal", principal or settings.principal or "<our principal>", "--operation", lack.operation]
    words += [_FLAGS[lack.kind], lack.name.removesuffix("*")]
    return shlex.join([*words, *(["--resource-pattern-type", "prefixed"] if lack.name.endswith("*") else [])])


async def hidden(admin: Any, topics: Iterable[str]) -> frozenset[str]:
    """Those of the topics that Kafka does not let us see, whether they exist or not. None is created by asking."""
    names = list(topics)
    if not names:
        return frozenset()
    answer = await admin._send_request(MetadataRequest(names, allow_auto_topic_creation=False))
    found = answer.to_object()["topics"]
    return frozenset(each["topic"] for each in found if for_code(each["error_code"]) is TopicAuthorizationFailedError)


async def partitions_seen(admin: Any, needed: Iterable[str] = ()) -> dict[str, frozenset[int]]:
    """Partitions of every topic that Kafka lets us see.

    Args:
        admin: Client.
        needed: Topics that we must be allowed to see; if there is one of them is another question.

    Raises:
        TopicAuthorizationFailedError: Kafka hides some of those.
    """
    # All topics: asking for one by its name would create it, where the broker creates topics by itself.
    topics = await admin.describe_topics()
    seen = {each["topic"]: frozenset(part["partition"] for part in each["partitions"]) for each in topics}
    if unseen := await hidden(admin, [topic for topic in needed if topic not in seen]):
        raise TopicAuthorizationFailedError(*sorted(unseen))
    return seen
