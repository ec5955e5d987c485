"""Settings of tenants: each is a commands topic, and what may be asked for on it.

A Kafka record doesn't carry its authenticated sender, so whoever has the Write ACL of a commands topic is its tenant.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.operations import COMMANDS
from service.settings.aws import Params
from service.settings.base import Names, PerSecond, SettingsGroup, listed
from service.settings.kafka import TopicName

DEFAULT_TENANT: Final = "default"
"""Whose topics are the plain ones, `<prefix>.commands` and `<prefix>.jobs`."""

_Place = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")]
_Places = Annotated[tuple[_Place, ...], BeforeValidator(listed)]


class TenantRate(SettingsGroup):
    """How fast one tenant's commands may call AWS, all replicas together; polls are the service's own and not counted.

    The target's own budget holds besides.
    """

    reads_per_second: PerSecond = 5.0
    """Get and List calls."""
    writes_per_second: PerSecond = 1.0
    """All other calls."""


class Tenant(SettingsGroup):
    """A commands topic of its own, and what may be asked for on it; what isn't listed is rejected."""

    commands: TopicName = ""
    """Its commands topic, the one to give it the Write ACL of; `<prefix>.<tenant>.commands` if not set."""
    jobs: TopicName = ""
    """The service's own changelog of it; `<prefix>.<tenant>.jobs` if not set."""
    replies: TopicName = ""
    """Topic of its own for replies; shared with the others if not set."""
    events: TopicName = ""
    """Topic of its own for the changes that its commands cause; a resource's numbers count over all topics."""
    dead_letters: TopicName = ""
    """Topic of its own for records that can't be a command; shared with the others if not set."""
    targets: Names = ()
    """Targets it may name."""
    default_target: str = ""
    """Target of its commands that name none; its only one, or the service's default if it may use that."""
    operations: Names = ()
    """Commands it may send, as globs such as `Get*`; a `CancelCommand` that deletes needs the deletion granted too."""
    role_arns: Names = ()
    """Roles it may pass to AWS, as globs; in IAM, limit `iam:PassRole` likewise."""
    s3_prefixes: _Places = ()
    """Buckets or folders it may read and write; `s3://bucket/a` has `s3://bucket/a/b`, but not `s3://bucket/ab`."""
    kms_keys: Names = ()
    """Keys it may use, as globs for their ARNs."""
    reply_topics: Names = ()
    """Topics it may name in `replyto`, beside its default one."""
    wildcard_principals: bool = False
    """Whether its policies may let everybody in."""
    params: Params = Params()
    """What its requests get that make something, where they do not say it; before the target's."""
    rate: TenantRate | None = None
    """How fast its commands may call AWS; only the target's budget if not set."""

    @field_validator("operations")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        idle = [glob for glob in value if not any(fnmatchcase(name, glob) for name in COMMANDS)]
        if idle:
            raise ValueError(f"no command is called {', '.join(idle)}; known: {', '.join(COMMANDS)}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.default_target and self.default_target not in self.targets:
            raise ValueError(f"default_target is {self.default_target!r}, which is not among its targets")
        return self


def recorded_name(tenant: str) -> str:
    """A tenant's name in records, where the default tenant needs none."""
    return "" if tenant == DEFAULT_TENANT else tenant


class TenantTopicNames(NamedTuple):
    """The topics of one tenant, by name."""

    commands: str
    jobs: str
    replies: str
    events: str
    dead_letters: str
