"""Resources and their kinds, as a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

PENDING: Final = "CREATE_PENDING"
IN_PROGRESS: Final = "CREATE_IN_PROGRESS"
ACTIVE: Final = "ACTIVE"
FAILED: Final = "CREATE_FAILED"
DELETE_PENDING: Final = "DELETE_PENDING"
DELETE_IN_PROGRESS: Final = "DELETE_IN_PROGRESS"
DELETE_FAILED: Final = "DELETE_FAILED"
RUNNING: Final = frozenset({PENDING, IN_PROGRESS})
REMOVING: Final = frozenset({DELETE_PENDING, DELETE_IN_PROGRESS})
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
    history: list[tuple[str, datetime]] = field(default_factory=list)
    """Each status it had, and since when."""

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
        now, status = datetime.now(UTC), members.get("status")
        for view in self.views:
            if status is not None and status != view.attributes.get("status"):
                view.history.append((status, now))
            view.attributes.update(members, updateTime=now)

    @property
    def views(self) -> tuple["Resource", ...]:
        """The resource and, of a cross-account job, its other view."""
        return (self, self.twin) if self.twin else (self,)
