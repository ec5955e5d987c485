"""The root of the settings: all groups, and the rules between them."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, model_validator

from service.settings.aws import Target
from service.settings.base import SettingsGroup
from service.settings.kafka import Kafka, Replies, Topics
from service.settings.polling import Polling
from service.settings.server import Http, Logging, Rules, Runtime, Tracing
from service.settings.tenants import DEFAULT_TENANT, Tenant, TenantTopicNames
from service.settings.timing import Timing

TargetName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
TenantName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Settings(SettingsGroup):
    """All settings of the service."""

    kafka: Kafka
    """Connection to Kafka, and identity of the service there."""
    topics: Topics = Topics()
    """Names and configuration of the topics."""
    targets: Annotated[dict[TargetName, Target], Field(min_length=1)]
    """Accounts and Regions that commands may name, by name."""
    default_target: str = "default"
    """Target of commands that name none; not needed when there is only one."""
    tenants: dict[TenantName, Tenant] = Field(default_factory=dict)
    """Tenants, each with a commands topic. Without any, `<prefix>.commands` may use everything that is configured."""
    timing: Timing = Timing()
    """Durations: those that correctness depends on, and a few others."""
    polling: Polling = Polling()
    """How often AWS is polled."""
    replies: Replies = Replies()
    """Topics that replies may go to."""
    rules: Rules = Rules()
    """Validation of a command's payload beyond AWS's own constraints."""
    runtime: Runtime = Runtime()
    """Limits of one partition, and the life cycle of the process."""
    http: Http = Http()
    """The server of probes, metrics and the fleet page."""
    log: Logging = Logging()
    """Logging."""
    tracing: Tracing = Tracing()
    """Traces for OpenTelemetry; where they go, the standard `OTEL_` variables say: howto/traces.md."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [*self._target_problems(), *self._tenant_problems(), *self._topic_problems()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _target_problems(self) -> Iterator[str]:
        known = ", ".join(self.targets)
        if self.default_target not in self.targets:
            yield f"default_target is {self.default_target!r}, which is not among the targets: {known}"
        for name, target in self.targets.items():
            base, cap = target.retry_base or self.timing.retry_base, target.retry_cap or self.timing.retry_cap
            if cap < base:
                yield f"targets.{name}: retry_cap ({cap:g} s) must not be below retry_base ({base:g} s)"
        for name, tenant in self.tenants.items():
            if unknown := sorted(set(tenant.targets) - self.targets.keys()):
                yield f"tenants.{name}.targets has {', '.join(unknown)}, not among the targets: {known}"

    def _tenant_problems(self) -> Iterator[str]:
        if self.tenants and self.replies.allowed_topics:
            yield "replies.allowed_topics is for a service without tenants: set reply_topics of each tenant instead"
        inner = {topic for pair in self.sources() for topic in pair}
        inner |= {self.topics.changes, self.topics.resources, *self._shared_lists()}
        given = {f"tenants.{name}.reply_topics": tenant.reply_topics for name, tenant in self.tenants.items()}
        for name, topics in {**given, "replies.allowed_topics": self.replies.allowed_topics}.items():
            if wrong := sorted(inner & set(topics)):
                yield f"{name} has {', '.join(wrong)}: not a topic for replies, it holds commands or state"

    def _topic_problems(self) -> Iterator[str]:
        topics = self.topics
        if self.polling.shared and not self.runtime.standby:
            yield "polling.shared needs runtime.standby: who lists for all must know what the others watch"
        names = [topic for pair in self.sources() for topic in pair]
        names += [topics.replies, topics.events, topics.dead_letters, topics.changes, topics.resources]
        names += self._shared_lists()
        names += [topic for one in self.tenants.values() for topic in (one.replies, one.events, one.dead_letters)]
        if twice := sorted({name for name in names if name and names.count(name) > 1}):
            yield f"each topic needs a name of its own; used twice: {', '.join(twice)}"
        alike = sorted({name for name in names for other in names if name != other and _metric(name) == _metric(other)})
        if alike:
            yield f"Kafka refuses topics that differ in '.' and '_' only, as its metrics do not: {', '.join(alike)}"

    def _shared_lists(self) -> tuple[str, ...]:
        """The topic of shared Lists; without `polling.shared` its name is free."""
        return (self.topics.lists,) if self.polling.shared else ()

    def tenant_topics(self) -> dict[str, TenantTopicNames]:
        """The topics of each tenant, as set or derived; of the default one alone when no tenants are configured."""
        return {
            name: self._topics_of(name, tenant) for name, tenant in (self.tenants or {DEFAULT_TENANT: Tenant()}).items()
        }

    def _topics_of(self, name: str, tenant: Tenant) -> TenantTopicNames:
        topics, plain = self.topics, name == DEFAULT_TENANT
        return TenantTopicNames(
            tenant.commands or (topics.commands if plain else f"{topics.prefix}.{name}.commands"),
            tenant.jobs or (topics.jobs if plain else f"{topics.prefix}.{name}.jobs"),
            tenant.replies or topics.replies,
            tenant.events or topics.events,
            tenant.dead_letters or topics.dead_letters,
        )

    def sources(self) -> tuple[tuple[str, str], ...]:
        """Pairs of a commands topic and its changelog, one per tenant."""
        return tuple((topics.commands, topics.jobs) for topics in self.tenant_topics().values())

    def outputs(self) -> tuple[str, ...]:
        """Every output topic."""
        own = {topic for topics in self.tenant_topics().values() for topic in topics[2:]}
        named = {topic for tenant in self.tenants.values() for topic in tenant.reply_topics}
        shared = {self.topics.replies, self.topics.events, self.topics.dead_letters}
        return tuple(sorted(own | named | shared | set(self.replies.allowed_topics)))


def _metric(topic: str) -> str:
    """A topic in the names of Kafka's metrics."""
    return topic.replace(".", "_")
