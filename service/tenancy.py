"""What tenants may ask for, and how fast, as the settings say it; their topics are in :mod:`service.topology`."""

from collections.abc import Mapping
from typing import Any

from schemas.commands import TopicRules
from schemas.permissions import Grant, TargetFacts, open_grant
from service.adapters.aws.clients import partition_of
from service.runtime.limiter import Limiter
from service.runtime.ports import Clock, TopicPartition
from service.settings import Settings, Target, Tenant
from service.settings.tenants import recorded_name


def limits(settings: Settings) -> dict[str, TopicRules]:
    """What may be asked for, by commands topic."""
    known = facts(settings)
    return {
        topics.commands: TopicRules(
            grant=_grant(name, settings),
            default_target=_default_target(settings.tenants.get(name), settings),
            facts=known,
            tenant=recorded_name(name),
            max_bytes=settings.topics.max_message_bytes,
            assumed=settings.rules.assumed,
            params=_params(settings.tenants.get(name), settings),
        )
        for name, topics in settings.tenant_topics().items()
    }


def facts(settings: Settings) -> dict[str, TargetFacts]:
    """What is known of each target."""
    return {name: _facts(target) for name, target in settings.targets.items()}


def limiters(settings: Settings, clock: Clock) -> dict[str, Limiter]:
    """The call rates of the tenants that have one."""
    return {
        recorded_name(name): Limiter(
            clock,
            reads_per_second=tenant.rate.reads_per_second,
            writes_per_second=tenant.rate.writes_per_second,
        )
        for name, tenant in settings.tenants.items()
        if tenant.rate
    }


def share(settings: Settings, limiters: Mapping[str, Limiter], held: Mapping[TopicPartition, object]) -> None:
    """A tenant's rate is split over the replicas by the partitions of its topic that they hold."""
    for name, topics in settings.tenant_topics().items():
        if limiter := limiters.get(recorded_name(name)):
            own = sum(1 for partition in held if partition.topic == topics.commands)
            limiter.share(min(1.0, own / settings.topics.partitions) or 1.0)


def _grant(name: str, settings: Settings) -> Grant:
    topics, tenant = settings.tenant_topics()[name], settings.tenants.get(name)
    if tenant is None:
        return open_grant(settings.targets, {topics.replies, *settings.replies.allowed_topics})
    return Grant(
        tenant=name,
        targets=frozenset(tenant.targets),
        operations=tenant.operations,
        role_arns=tenant.role_arns,
        s3_prefixes=tenant.s3_prefixes,
        kms_keys=tenant.kms_keys,
        reply_topics=frozenset({topics.replies, *tenant.reply_topics}),
        wildcard_principals=tenant.wildcard_principals,
    )


def _params(tenant: Tenant | None, settings: Settings) -> dict[str, dict[str, Any]]:
    """What is bound to requests, by target; of tags both, and of the same tag the tenant's."""
    own = tenant.params.members() if tenant else {}
    found = {}
    for name, target in settings.targets.items():
        general = target.params.members()
        tags = {**general.get("tags", {}), **own.get("tags", {})}
        found[name] = {**general, **own, **({"tags": tags} if tags else {})}
    return found


def _default_target(tenant: Tenant | None, settings: Settings) -> str:
    """Of commands that name none; empty when they have to."""
    if tenant is None:
        return settings.default_target
    if tenant.default_target or len(tenant.targets) == 1:
        return tenant.default_target or tenant.targets[0]
    return settings.default_target if settings.default_target in tenant.targets else ""


def _facts(target: Target) -> TargetFacts:
    """The account is known if it is set, or else from the role."""
    account = target.account or (target.role_arn.split(":")[4] if target.role_arn else "")
    return TargetFacts(account, target.region, partition_of(target.region))
