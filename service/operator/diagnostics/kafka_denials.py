"""Turns Kafka's refusal into the rights that a component needs there."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from service.operator.access.formats import grant
from service.operator.access.kafka_acls import Acl, acls, principal_of
from service.settings import Settings

_KINDS: Final = {
    TopicAuthorizationFailedError: "topic",
    GroupAuthorizationFailedError: "group",
    TransactionalIdAuthorizationFailed: "transactionalId",
}


def explain(error: BaseException, settings: Settings, component: str) -> str:
    """What the component needs where it was refused, for whom, and how to grant it; empty if that was not the reason.

    Kafka names the thing that it refuses, not the right: what the component needs of that thing is told.
    """
    who = settings.kafka.known_as() or principal_of(settings, component)
    mine = [row for row in acls(settings, {component: who}) if row.component == component]
    for each in _chain(error):
        if isinstance(each, ClusterAuthorizationFailedError):
            # Said to an idempotent producer, which may write to no topic at all.
            return _told([row for row in mine if row.operation == "Write"], component)
        kind = next((kind for refusal, kind in _KINDS.items() if isinstance(each, refusal)), None)
        if kind is None:
            continue
        names = set(_names(each.args))
        alike = [row for row in mine if row.resource_type == kind]
        return _told([row for row in alike if row.name in names] or alike, component)
    return ""


def _told(rows: Iterable[Acl], component: str) -> str:
    needed = [row for row in rows if row.operation != "DescribeConfigs"]
    rights = ", ".join(map(str, needed))
    calls = "; ".join(f"kafka-acls.sh --add {grant(row)}" for row in needed)
    return f"Kafka refuses us: {component} needs {rights}; grant what is missing with: {calls}"


def _names(told: Any) -> Iterator[str]:
    """Names within an error's arguments, which may be in sets."""
    for each in told:
        if isinstance(each, str):
            yield each
        elif isinstance(each, Iterable):
            yield from _names(each)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
