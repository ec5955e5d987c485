"""The rights themselves: one row for each, by component.

Kafka derives some rights from others, and a derived one is not listed: Read and Write have Describe with them. A right
of the cluster is never needed: an idempotent or transactional producer may write where it has Write.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from service.adapters.kafka.missing_rights import MissingRight
from service.settings import Settings
from service.settings.tenants import DEFAULT_TENANT
from service.topology import changelogs as consumed
from service.topology import topic_specs

Resource = Literal["topic", "group", "transactionalId"]
Pattern = Literal["literal", "prefixed"]
Operation = Literal["Read", "Write", "Create", "Describe", "DescribeConfigs"]

SERVICE: Final = "service"
TOPICS: Final = "topics"
DLQ: Final = "dlq"
REPAIR: Final = "repair"
PUBLISHER: Final = "publisher"
SUBSCRIBER: Final = "subscriber"
CLIENT: Final = "client"

COMPONENTS: Final[Mapping[str, str]] = {
    SERVICE: "`run`, and `check`, which tries what `run` needs",
    TOPICS: "`topics`, which creates what is missing",
    DLQ: "`dlq list`, `show` and `replay`",
    REPAIR: "an operator: every command for repairs, and those of clients",
    PUBLISHER: "who sends commands; with tenants one each, `<tenant>-publisher`",
    SUBSCRIBER: "who reads replies and events; with tenants one each, `<tenant>-subscriber`",
    CLIENT: "`send`, `list`, `show`, `watch`, `events` and `cancel`; with tenants one each, `<tenant>-client`",
}
"""Description of each component. The first four belong to the service, the others to other teams."""


@dataclass(frozen=True, slots=True)
class Acl:
    """One right, as Kafka stores it: allowed from every host.

    Attributes:
        component: Who needs it: a name of `COMPONENTS`, behind a tenant's name where each tenant has its own.
        principal: As whom the component connects, such as ``User:cleanroomsml-service``.
        resource_type: What kind of thing it is about.
        pattern_type: Whether ``name`` is the whole name or its beginning.
        name: Of the topic or group, or of the transactional ids.
        operation: What may be done.
        purpose: Why it is needed.
    """

    component: str
    principal: str
    resource_type: Resource
    pattern_type: Pattern
    name: str
    operation: Operation
    purpose: str

    @property
    def right(self) -> MissingRight:
        """As it is reported when it is missing."""
        star = "*" if self.pattern_type == "prefixed" else ""
        kind = "transactional id" if self.resource_type == "transactionalId" else self.resource_type
        return MissingRight(self.operation, kind, f"{self.name}{star}")

    def __str__(self) -> str:
        return f"{self.right} for {self.principal}"


def acls(settings: Settings, principals: Mapping[str, str] | None = None) -> list[Acl]:
    """Every right that is needed, component by component.

    Args:
        settings: Name the topics, the group and the tenants.
        principals: By component, instead of `principal_of`.

    Raises:
        KeyError: A principal is given for a component that does not exist.
    """
    known = components(settings)
    if unknown := sorted(set(principals or {}) - set(known)):
        raise KeyError(f"no component is called {', '.join(unknown)}; there are: {', '.join(known)}")
    chosen = {name: principal_of(settings, name) for name in known} | dict(principals or {})
    rows: dict[tuple[str, ...], Acl] = {}
    for component, kind, pattern, name, operation, purpose in _rules(settings):
        acl = Acl(component, chosen[component], kind, pattern, name, operation, purpose)
        rows.setdefault((component, kind, name, operation), acl)
    return list(rows.values())


def components(settings: Settings) -> list[str]:
    """Names of all components, in order; publishers and subscribers one for each tenant."""
    own = [SERVICE, TOPICS, DLQ, REPAIR]
    return own + [_of(tenant, role) for tenant in settings.tenant_topics() for role in (PUBLISHER, SUBSCRIBER, CLIENT)]


def bearers(settings: Settings, role: str) -> list[str]:
    """The components of a role: itself, or one for each tenant that has it."""
    return [name for name in components(settings) if name == role or name.endswith(f"-{role}")]


def principal_of(settings: Settings, component: str) -> str:
    """The default principal of a component: the service's from its settings, the others' by their names."""
    own = settings.kafka.known_as() if component == SERVICE else ""
    return own or f"User:{name_of(settings, component)}"


def name_of(settings: Settings, component: str) -> str:
    """Name of a component within a cluster; a subscriber's groups begin with it."""
    return f"{settings.topics.prefix}-{component}"


def _of(tenant: str, role: str) -> str:
    return role if tenant == DEFAULT_TENANT else f"{tenant}-{role}"


_Rule = tuple[str, Resource, Pattern, str, Operation, str]


def _rules(settings: Settings) -> Iterator[_Rule]:
    yield from _of_service(settings)
    yield from _of_topics(settings)
    yield from _of_dlq(settings)
    yield from _of_repair(settings)
    yield from _of_tenants(settings)


def _of_service(settings: Settings) -> Iterator[_Rule]:
    for source, changelog in consumed(settings).items():
        yield _topic(SERVICE, source, "Read", "consume it")
        yield _topic(SERVICE, changelog, "Read", "restore from it")
        yield _topic(SERVICE, changelog, "Write", "keep state in it")
    yield _topic(SERVICE, settings.topics.changes, "Write", "pass changes on to be numbered")
    for output in settings.outputs():
        yield _topic(SERVICE, output, "Write", "publish to it")
    if settings.polling.shared:
        yield _topic(SERVICE, settings.topics.lists, "Read", "hear what another replica's Lists show")
        yield _topic(SERVICE, settings.topics.lists, "Write", "share what Lists show")
    for spec in topic_specs(settings):
        yield _topic(SERVICE, spec.name, "DescribeConfigs", "verify its settings before serving")
    yield SERVICE, "group", "literal", settings.kafka.group_id, "Read", "be a member, and commit offsets"
    yield _transactions(settings, SERVICE, "commit, and fence a predecessor")


def _of_topics(settings: Settings) -> Iterator[_Rule]:
    for spec in topic_specs(settings):
        yield _topic(TOPICS, spec.name, "Create", "create it when it is missing")
        yield _topic(TOPICS, spec.name, "Describe", "see whether it is there")
        yield _topic(TOPICS, spec.name, "DescribeConfigs", "verify its settings")


def _of_dlq(settings: Settings) -> Iterator[_Rule]:
    for topics in settings.tenant_topics().values():
        yield _topic(DLQ, topics.dead_letters, "Read", "list and show dead letters")
        yield _topic(DLQ, topics.commands, "Write", "replay originals")
    yield _topic(DLQ, settings.topics.dead_letters, "Read", "list and show dead letters")


def _of_repair(settings: Settings) -> Iterator[_Rule]:
    for commands, _ in settings.sources():
        yield _topic(REPAIR, commands, "Read", "backfill from it")
        yield _topic(REPAIR, commands, "Write", "send repairs as commands")
    for changelog in consumed(settings).values():
        yield _topic(REPAIR, changelog, "Read", "know the jobs and resources")
        yield _topic(REPAIR, changelog, "Write", "backfill it, skip what is corrupt")
        yield _topic(REPAIR, changelog, "Create", "create it again when it is lost")
    for inner in (settings.topics.changes, *([settings.topics.lists] if settings.polling.shared else ())):
        yield _topic(REPAIR, inner, "Describe", "know its partitions")
    for output in settings.outputs():
        yield _topic(REPAIR, output, "Read", "see answers and dead letters, backfill from it")
    for spec in topic_specs(settings):
        yield _topic(REPAIR, spec.name, "DescribeConfigs", "verify its settings before a backfill")
    yield (
        REPAIR,
        "group",
        "literal",
        settings.kafka.group_id,
        "Read",
        "see that the service is stopped, set its offsets",
    )
    yield _transactions(settings, REPAIR, "write a changelog under its shard's fence")


def _of_tenants(settings: Settings) -> Iterator[_Rule]:
    for tenant, topics in settings.tenant_topics().items():
        publisher, subscriber, client = (_of(tenant, role) for role in (PUBLISHER, SUBSCRIBER, CLIENT))
        yield _topic(publisher, topics.commands, "Write", "send commands")
        named = settings.tenants[tenant].reply_topics if tenant in settings.tenants else settings.replies.allowed_topics
        for replies in (topics.replies, *named):
            yield _topic(subscriber, replies, "Read", "read replies")
        yield _topic(subscriber, topics.events, "Read", "read status changes")
        group = name_of(settings, subscriber)
        yield subscriber, "group", "prefixed", group, "Read", "be a member of its own groups, and commit offsets"
        yield _topic(client, topics.commands, "Write", "send commands, and cancellations")
        for published in (topics.replies, topics.events, *named):
            yield _topic(client, published, "Read", "list, show and follow commands")


def _topic(component: str, name: str, operation: Operation, purpose: str) -> _Rule:
    return component, "topic", "literal", name, operation, purpose


def _transactions(settings: Settings, component: str, purpose: str) -> _Rule:
    return component, "transactionalId", "prefixed", f"{settings.kafka.group_id}-", "Write", purpose
