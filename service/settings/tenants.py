"""Settings of tenants: each has a commands topic, and a list of what its commands may use.

A Kafka record doesn't carry its authenticated sender, so every principal with the Write ACL of a commands topic acts as
its tenant.
"""

from fnmatch import fnmatchcase
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from schemas.operations import COMMANDS
from service.settings.aws import Params
from service.settings.base import Names, PerSecond, SettingsGroup, listed
from service.settings.kafka import TopicName

DEFAULT_TENANT: Final = "default"
"""The tenant whose topics are `<prefix>.commands` and `<prefix>.jobs`."""

_S3Prefix = Annotated[str, Field(pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/.*)?$")]
_S3Prefixes = Annotated[tuple[_S3Prefix, ...], BeforeValidator(listed)]


class TenantRate(SettingsGroup):
    """Call rate of one tenant's commands over all replicas; polls are the service's own and not counted.

    The target's own budget holds besides.
    """

    reads_per_second: PerSecond = 5.0
    """Get and List calls."""
    writes_per_second: PerSecond = 1.0
    """All other calls."""


class Tenant(SettingsGroup):
    """A commands topic, and what its commands may use; anything that is not listed is rejected."""

    commands: TopicName = ""
    """Its commands topic; the tenant needs a Write ACL on it. `<prefix>.<tenant>.commands` if not set."""
    jobs: TopicName = ""
    """The service's changelog of that topic; `<prefix>.<tenant>.jobs` if not set."""
    replies: TopicName = ""
    """Separate topic for its replies; shared with the other tenants if not set."""
    events: TopicName = ""
    """Separate topic for the changes caused by its commands; a resource's events are numbered over all topics."""
    dead_letters: TopicName = ""
    """Separate dead-letters topic; shared with the other tenants if not set."""
    targets: Names = ()
    """Targets it may name."""
    default_target: str = ""
    """Target of its commands that name none; if not set, its only target, or the service's default if allowed."""
    operations: Names = ()
    """Commands it may send, as globs such as `Get*`; a `CancelCommand` that deletes needs the deletion granted too."""
    role_arns: Names = ()
    """Roles it may pass to AWS, as globs; limit `iam:PassRole` in IAM accordingly."""
    s3_prefixes: _S3Prefixes = ()
    """Buckets or folders it may read and write; `s3://bucket/a` includes `s3://bucket/a/b`, but not `s3://bucket/ab`."""
    kms_keys: Names = ()
    """KMS keys it may use, as globs for their ARNs."""
    reply_topics: Names = ()
    """Topics it may name in `replyto`, in addition to its default one."""
    wildcard_principals: bool = False
    """Whether its resource policies may have a wildcard principal (`*`)."""
    params: Params = Params()
    """Members that are added to its creating requests; they take precedence over the target's."""
    rate: TenantRate | None = None
    """Call rate of its commands; if not set, only the target's budget applies."""

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
