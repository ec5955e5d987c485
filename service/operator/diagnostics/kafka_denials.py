"""Turns Kafka's refusal into the rights that a component needs there."""

from collections.abc import Iterable, Iterator
from typing import Any

from aiokafka.errors import ClusterAuthorizationFailedError

from service.adapters.kafka.missing_rights import refused, remedy
from service.operator.access.kafka_acls import Acl, acls, bearers, principal_of
from service.runtime.errors import causes
from service.settings import Settings
from service.topology import kafka_settings


def explain(error: BaseException, settings: Settings, component: str) -> str:
    """What the component needs where it was refused, for whom, and how to grant it; empty if that was not the reason.

    Kafka names the resource, not the permission: the answer is what the component needs of that resource.
    """
    who = settings.kafka.known_as() or principal_of(settings, component)
    names = bearers(settings, component)
    mine = [row for row in acls(settings, dict.fromkeys(names, who)) if row.component in names]
    for each in causes(error):
        if isinstance(each, ClusterAuthorizationFailedError):
            # Said to an idempotent producer, which may write to no topic at all.
            return _missing_rights(settings, [row for row in mine if row.operation == "Write"], component)
        kind = refused(each)
        if kind is None:
            continue
        refused_names = set(_names(each.args))
        alike = [row for row in mine if row.right.kind == kind]
        return _missing_rights(settings, [row for row in alike if row.name in refused_names] or alike, component)
    return ""


def _missing_rights(settings: Settings, rows: Iterable[Acl], component: str) -> str:
    kafka = kafka_settings(settings)
    needed = [row for row in rows if row.operation != "DescribeConfigs"]
    rights = ", ".join(map(str, needed))
    remedies = "; ".join(dict.fromkeys(remedy(kafka, row.right, row.principal) for row in needed))
    return f"Kafka refuses us: {component} needs {rights}; grant what is missing with: {remedies}"


def _names(arguments: Any) -> Iterator[str]:
    """Names within an error's arguments, which may be in sets."""
    for each in arguments:
        if isinstance(each, str):
            yield each
        elif isinstance(each, Iterable):
            yield from _names(each)
