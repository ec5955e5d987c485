"""Resources: their kinds, as a table, and the store that holds them per account and Region."""

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.errors import AccessDenied, NotFound

PENDING: Final = "CREATE_PENDING"
IN_PROGRESS: Final = "CREATE_IN_PROGRESS"
ACTIVE: Final = "ACTIVE"
FAILED: Final = "CREATE_FAILED"
DELETE_PENDING: Final = "DELETE_PENDING"
DELETE_IN_PROGRESS: Final = "DELETE_IN_PROGRESS"
DELETE_FAILED: Final = "DELETE_FAILED"
RUNNING: Final = frozenset({PENDING, IN_PROGRESS})
DELETABLE: Final = frozenset({ACTIVE, FAILED, DELETE_FAILED})


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of resource, with the facts that the API's model lacks."""

    name: str
    """The resource type in its ARN."""
    identity: str
    """The member that carries its ARN; export jobs have one too, but no shape of the API knows it."""
    parent: str | None = None
    """The member that names the resource it is made from."""
    roles: tuple[str, ...] = ()
    """Dotted paths of the IAM roles it is given."""
    lasting: bool = False
    """Created by a job and deleted asynchronously, rather than at once."""
    unique: bool = False
    """Its name is documented to be unique in an account and Region."""
    owned: bool = False
    """Goes when its parent goes, instead of forbidding that."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Values of members that a create leaves out."""


DATASET: Final = Kind("training-dataset", "trainingDatasetArn", roles=("roleArn",), unique=True)
MODEL: Final = Kind("audience-model", "audienceModelArn", parent="trainingDatasetArn", lasting=True)
CONFIGURED: Final = Kind(
    "configured-audience-model",
    "configuredAudienceModelArn",
    parent="audienceModelArn",
    roles=("outputConfig.roleArn",),
    defaults={
        "minMatchingSeedSize": 500,
        "audienceSizeConfig": {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [1, 2, 5, 10, 20]},
        "childResourceTagOnCreatePolicy": "NONE",
    },
)
GENERATION: Final = Kind(
    "audience-generation-job",
    "audienceGenerationJobArn",
    parent="configuredAudienceModelArn",
    roles=("seedAudience.roleArn",),
    lasting=True,
    unique=True,
    defaults={"includeSeedInOutput": False},
)
EXPORT: Final = Kind(
    "audience-export-job", "audienceExportJobArn", parent="audienceGenerationJobArn", lasting=True, owned=True
)
KINDS: Final = {kind.name: kind for kind in (DATASET, MODEL, CONFIGURED, GENERATION, EXPORT)}


@dataclass(slots=True, eq=False)
class Resource:
    """One resource: `attributes` are API members, the rest is the sandbox's own."""

    kind: Kind
    account: str
    region: str
    identity: str
    sequence: int
    attributes: dict[str, Any]
    origin: Mapping[str, Any] = field(default_factory=dict)
    """What its parent said when this was made; later updates of the parent do not touch running jobs."""
    twin: "Resource | None" = None
    """The other account's view of the same cross-account job."""
    lead: bool = True
    """False for the view in the configured model's account, which owns no work of its own."""
    policy: str | None = None
    """A configured model's resource policy."""

    @property
    def arn(self) -> str:
        """Its ARN."""
        return f"arn:aws:cleanrooms-ml:{self.region}:{self.account}:{self.kind.name}/{self.identity}"

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.attributes["name"])

    @property
    def status(self) -> str:
        """Its status."""
        return str(self.attributes["status"])

    @property
    def parent_arn(self) -> str | None:
        """The ARN of what it is made from."""
        return self.attributes.get(self.kind.parent) if self.kind.parent else None

    @property
    def created(self) -> datetime:
        """When it was created."""
        at: datetime = self.attributes["createTime"]
        return at

    def change(self, **members: Any) -> None:
        """Set members here and in the other account's view, and touch updateTime."""
        for view in filter(None, (self, self.twin)):
            view.attributes.update(members, updateTime=datetime.now(UTC))


class Store:
    """All resources of all accounts, in order of creation."""

    def __init__(self) -> None:
        self._by_arn: dict[str, Resource] = {}
        self._sequence = itertools.count(1)

    def add(self, kind: Kind, account: str, region: str, attributes: Mapping[str, Any], **own: Any) -> Resource:
        """Create a resource with its times and identity; `own` sets the sandbox's own fields."""
        now = datetime.now(UTC)
        identity = own.pop("identity", None) or str(uuid.uuid4())
        resource = Resource(kind, account, region, identity, next(self._sequence), dict(attributes), **own)
        resource.attributes |= {"createTime": now, "updateTime": now, kind.identity: resource.arn}
        self._by_arn[resource.arn] = resource
        return resource

    def remove(self, resource: Resource) -> None:
        """Forget a resource, its other view, and what it owns."""
        for view in filter(None, (resource, resource.twin)):
            self._by_arn.pop(view.arn, None)
            for owned in [each for each in self.children(view) if each.kind.owned]:
                self._by_arn.pop(owned.arn, None)

    def holds(self, resource: Resource) -> bool:
        """Whether the resource still exists."""
        return self._by_arn.get(resource.arn) is resource

    def get(self, arn: str, account: str, region: str, kinds: Mapping[str, Kind] = KINDS) -> Resource:
        """Return a resource of the caller's account.

        Raises:
            AccessDenied: The ARN is another account's.
            NotFound: There is none, or it is in another Region.
        """
        if arn.split(":")[4] != account:
            raise AccessDenied(f"Account {account} is not authorized to access {arn}")
        resource = self._by_arn.get(arn)
        if resource is None or resource.region != region or resource.kind.name not in kinds:
            raise NotFound(f"Resource {arn} does not exist")
        return resource

    def find(self, arn: str) -> Resource | None:
        """Return a resource of whatever account."""
        return self._by_arn.get(arn)

    def of(self, kind: Kind, account: str, region: str) -> Iterator[Resource]:
        """Yield the resources of a kind in one account and Region, oldest first."""
        for each in self._by_arn.values():
            if each.kind is kind and (each.account, each.region) == (account, region):
                yield each

    def children(self, resource: Resource) -> Iterator[Resource]:
        """Yield the resources made from this one."""
        return (each for each in self._by_arn.values() if each.parent_arn == resource.arn)

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._by_arn.values())
