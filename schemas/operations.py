"""The table: one row per API operation, one row per resource kind.

A row holds only the facts that botocore's ``cleanroomsml`` model lacks. Payload models, constraints, errors, HTTP
routes, IAM actions, event types, metric labels, documents and test parameters are derived from the row and the model.
An operation's name anywhere else in the service is a defect; if a row cannot say it, widen the row type.

Sources of facts: the API reference, botocore 1.43 model ``cleanroomsml/2023-09-06`` and the AWS user guide; what is
assumed and not documented is marked *assumed*.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

MARKER_MEMBER: Final = "description"
"""The one free-text member that all creating operations accept and all List summaries return (at most 255)."""


class Kind(StrEnum):
    """What an operation is to the service."""

    READ = "read"
    """Changes nothing; may be repeated at will."""
    WRITE = "write"
    """Changes something at once; done when the call returns."""
    JOB = "job"
    """Starts long-running, billed work; done when the resource reaches an end."""
    REMOVAL = "removal"
    """Starts an asynchronous delete; done when the resource is gone."""
    TRACK = "track"
    """Ours: watches a resource that something else made."""
    CANCEL = "cancel"
    """Ours: stops another command, or deletes what it made."""
    RESOLVE = "resolve"
    """Ours: an operator's decision about a command that is parked."""


class Repeat(StrEnum):
    """What makes a second call safe after the first one's outcome was lost."""

    SAFE = "safe"
    """Nothing is needed: the same call twice has the effect of one."""
    GONE_IS_DONE = "gone-is-done"
    """A delete: a repeat that finds nothing has succeeded."""
    MARKED = "marked"
    """A creating call: list, search for the marker, adopt; repeat only when settled and empty."""
    GUARDED = "guarded"
    """A conditional write: read what is there and compare before any repeat."""


class Change(StrEnum):
    """Status of an event for a change without a lifecycle (the contract's words)."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"


class Resolution(StrEnum):
    """What a person can decide about a parked command."""

    ADOPT = "adopt"
    """It was done; the given resource, if it makes one, is what it has made."""
    RETRY = "retry"
    """It was not done: it is called once more."""
    FAIL = "fail"
    """It is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A resource kind.

    Attributes:
        kind: Name in event types, for example ``audience-model``.
        arn_type: Type segment of its ARN; empty when it has no ARN of its own.
        list_operation: Operation that lists it; empty when there is none.
        summaries: Member of the List response with the summaries.
        identity: Member that carries the ARN in requests, responses and summaries; empty when AWS gives none.
        list_filters: Members of the creating request which the List operation accepts as filters.
        get_operation: Operation that describes one; empty when List is the only window.
        arriving: Statuses of a creation under way, in order.
        done: Statuses which end its creation well.
        failed: Statuses which end its creation badly.
        leaving: Statuses of a removal under way, in order.
        undeleted: Statuses which end its removal badly.
        slot: Name of the concurrency quota that a job of this kind occupies; empty when none.
        foreign: Members of its requests that may name a resource of another account: what a partner shares.
    """

    kind: str
    arn_type: str = ""
    list_operation: str = ""
    summaries: str = ""
    identity: str = ""
    list_filters: tuple[str, ...] = ()
    get_operation: str = ""
    arriving: tuple[str, ...] = ()
    done: frozenset[str] = frozenset()
    failed: frozenset[str] = frozenset()
    leaving: tuple[str, ...] = ()
    undeleted: frozenset[str] = frozenset()
    slot: str = ""
    foreign: tuple[str, ...] = ()

    @property
    def ends(self) -> frozenset[str]:
        """Statuses which end its creation, or end its removal badly."""
        return self.done | self.failed | self.undeleted

    @property
    def paths(self) -> tuple[tuple[str, ...], ...]:
        """Statuses that follow one another on the way to a good end: who shows a later one has passed the earlier."""
        return (*((*self.arriving, end) for end in sorted(self.done)), self.leaving)

    @property
    def returns(self) -> bool:
        """True for what is named after another resource, as a policy and tags are: deleted, it may come back."""
        return bool(self.identity) and not self.arn_type

    def behind(self, status: str, other: str) -> bool:
        """Whether a status lies before another one in a life; a failed removal may be followed by another removal."""
        known, new = self.rank(other), self.rank(status)
        if known is None or new is None or (other in self.undeleted and status in self.leaving):
            return False
        return new < known

    def rank(self, status: str) -> int | None:
        """How far along a life a status is; None for one that this table does not know."""
        if status in self.arriving:
            return self.arriving.index(status)
        ended = len(self.arriving)
        if status in self.done or status in self.failed:
            return ended
        if status in self.leaving:
            return ended + 1 + self.leaving.index(status)
        return ended + 1 + len(self.leaving) if status in self.undeleted else None


@dataclass(frozen=True, slots=True)
class Operation:
    """An API operation.

    Attributes:
        name: The API's name.
        resource: The resource kind it is about.
        kind: See :class:`Kind`.
        repeat: See :class:`Repeat`.
        change: Status of the event that a WRITE row publishes; ``None`` when it publishes none.
        creates: True when success makes a new resource whose identity the response or the List carries.
        restamps: True for an update that may overwrite the marker: it is read first and put back.
        guards: Members whose presence turns a SAFE write into a GUARDED one.
        compare: Member that the witness must show for a guarded write to count as done: a JSON document, or, with
            ``erases``, a map.
        erases: Member of the request that names entries of ``compare`` which it takes away; empty when none.
        previous: Member of the request with the state that the guard expects, as the witness names it.
    """

    name: str
    resource: Resource
    kind: Kind
    repeat: Repeat = Repeat.SAFE
    change: Change | None = None
    creates: bool = False
    restamps: bool = False
    guards: tuple[str, ...] = ()
    compare: str = ""
    erases: str = ""
    previous: str = ""

    @property
    def action(self) -> str:
        """The IAM action (the service authorization reference spells one differently)."""
        return f"cleanrooms-ml:{_IAM_SPELLING.get(self.name, self.name)}"

    @property
    def command_type(self) -> str:
        """CloudEvents type of its command."""
        return f"{COMMAND_PREFIX}{self.name}"


COMMAND_PREFIX: Final = "cleanroomsml.command."

_IAM_SPELLING: Final = {"UntagResource": "UnTagResource"}

_CREATING: Final = ("CREATE_PENDING", "CREATE_IN_PROGRESS")
_DELETING: Final = ("DELETE_PENDING", "DELETE_IN_PROGRESS")
_CREATE_FAILED: Final = frozenset({"CREATE_FAILED"})
_DELETE_FAILED: Final = frozenset({"DELETE_FAILED"})

TRAINING_DATASET: Final = Resource(
    kind="training-dataset",
    arn_type="training-dataset",
    list_operation="ListTrainingDatasets",
    summaries="trainingDatasets",
    identity="trainingDatasetArn",
    get_operation="GetTrainingDataset",
    done=frozenset({"ACTIVE"}),
)
AUDIENCE_MODEL: Final = Resource(
    kind="audience-model",
    arn_type="audience-model",
    list_operation="ListAudienceModels",
    summaries="audienceModels",
    identity="audienceModelArn",
    get_operation="GetAudienceModel",
    arriving=_CREATING,
    done=frozenset({"ACTIVE"}),
    failed=_CREATE_FAILED,
    leaving=_DELETING,
    undeleted=_DELETE_FAILED,
    slot="audience-models",
)
CONFIGURED_AUDIENCE_MODEL: Final = Resource(
    kind="configured-audience-model",
    arn_type="configured-audience-model",
    list_operation="ListConfiguredAudienceModels",
    summaries="configuredAudienceModels",
    identity="configuredAudienceModelArn",
    get_operation="GetConfiguredAudienceModel",
    done=frozenset({"ACTIVE"}),
)
CONFIGURED_AUDIENCE_MODEL_POLICY: Final = Resource(
    kind="configured-audience-model-policy",
    identity="configuredAudienceModelArn",
    get_operation="GetConfiguredAudienceModelPolicy",
)
GENERATION_JOB: Final = Resource(
    kind="audience-generation-job",
    arn_type="audience-generation-job",
    list_operation="ListAudienceGenerationJobs",
    summaries="audienceGenerationJobs",
    identity="audienceGenerationJobArn",
    list_filters=("configuredAudienceModelArn",),
    get_operation="GetAudienceGenerationJob",
    arriving=_CREATING,
    done=frozenset({"ACTIVE"}),
    failed=_CREATE_FAILED,
    leaving=_DELETING,
    undeleted=_DELETE_FAILED,
    slot="audience-generation-jobs",
    foreign=("configuredAudienceModelArn", "analysisTemplateArn"),
)
EXPORT_JOB: Final = Resource(
    kind="audience-export-job",
    list_operation="ListAudienceExportJobs",
    summaries="audienceExportJobs",
    list_filters=("audienceGenerationJobArn",),
    arriving=_CREATING,
    done=frozenset({"ACTIVE"}),
    failed=_CREATE_FAILED,
    slot="audience-export-jobs",
)
TAGS: Final = Resource(kind="tags", identity="resourceArn", get_operation="ListTagsForResource")

_RESOURCES: Final = (
    TRAINING_DATASET,
    AUDIENCE_MODEL,
    CONFIGURED_AUDIENCE_MODEL,
    CONFIGURED_AUDIENCE_MODEL_POLICY,
    GENERATION_JOB,
    EXPORT_JOB,
    TAGS,
)

_POLICY: Final = CONFIGURED_AUDIENCE_MODEL_POLICY
_CREATED, _UPDATED, _DELETED = Change.CREATED, Change.UPDATED, Change.DELETED

_OPERATIONS: Final = (
    Operation("CreateTrainingDataset", TRAINING_DATASET, Kind.WRITE, Repeat.MARKED, _CREATED, creates=True),
    Operation("GetTrainingDataset", TRAINING_DATASET, Kind.READ),
    Operation("ListTrainingDatasets", TRAINING_DATASET, Kind.READ),
    Operation("DeleteTrainingDataset", TRAINING_DATASET, Kind.WRITE, Repeat.GONE_IS_DONE, _DELETED),
    Operation("CreateAudienceModel", AUDIENCE_MODEL, Kind.JOB, Repeat.MARKED, creates=True),
    Operation("GetAudienceModel", AUDIENCE_MODEL, Kind.READ),
    Operation("ListAudienceModels", AUDIENCE_MODEL, Kind.READ),
    Operation("DeleteAudienceModel", AUDIENCE_MODEL, Kind.REMOVAL, Repeat.GONE_IS_DONE),
    Operation(
        "CreateConfiguredAudienceModel", CONFIGURED_AUDIENCE_MODEL, Kind.WRITE, Repeat.MARKED, _CREATED, creates=True
    ),
    Operation("GetConfiguredAudienceModel", CONFIGURED_AUDIENCE_MODEL, Kind.READ),
    Operation("ListConfiguredAudienceModels", CONFIGURED_AUDIENCE_MODEL, Kind.READ),
    Operation(
        "UpdateConfiguredAudienceModel",
        CONFIGURED_AUDIENCE_MODEL,
        Kind.WRITE,
        Repeat.SAFE,
        _UPDATED,
        restamps=True,
    ),
    Operation("DeleteConfiguredAudienceModel", CONFIGURED_AUDIENCE_MODEL, Kind.WRITE, Repeat.GONE_IS_DONE, _DELETED),
    Operation(
        "PutConfiguredAudienceModelPolicy",
        _POLICY,
        Kind.WRITE,
        Repeat.SAFE,
        _UPDATED,
        guards=("previousPolicyHash", "policyExistenceCondition"),
        compare="configuredAudienceModelPolicy",
        previous="policyHash",
    ),
    Operation("GetConfiguredAudienceModelPolicy", _POLICY, Kind.READ),
    Operation("DeleteConfiguredAudienceModelPolicy", _POLICY, Kind.WRITE, Repeat.GONE_IS_DONE, _DELETED),
    Operation("StartAudienceGenerationJob", GENERATION_JOB, Kind.JOB, Repeat.MARKED, creates=True),
    Operation("GetAudienceGenerationJob", GENERATION_JOB, Kind.READ),
    Operation("ListAudienceGenerationJobs", GENERATION_JOB, Kind.READ),
    Operation("DeleteAudienceGenerationJob", GENERATION_JOB, Kind.REMOVAL, Repeat.GONE_IS_DONE),
    Operation("StartAudienceExportJob", EXPORT_JOB, Kind.JOB, Repeat.MARKED, creates=True),
    Operation("ListAudienceExportJobs", EXPORT_JOB, Kind.READ),
    Operation("TagResource", TAGS, Kind.WRITE, Repeat.SAFE, _UPDATED),
    Operation("UntagResource", TAGS, Kind.WRITE, Repeat.SAFE, _UPDATED, compare="tags", erases="tagKeys"),
    Operation("ListTagsForResource", TAGS, Kind.READ),
)

OPERATIONS: Final = MappingProxyType({row.name: row for row in _OPERATIONS})
"""Every operation by its API name, in the order of the API's resources."""

_ANY: Final = Resource(kind="any", identity="resourceArn")

SERVICE_COMMANDS: Final = MappingProxyType(
    {
        row.name: row
        for row in (
            Operation("TrackResource", _ANY, Kind.TRACK),
            Operation("CancelCommand", _ANY, Kind.CANCEL),
            Operation("ResolveCommand", _ANY, Kind.RESOLVE),
        )
    }
)
"""Commands of the service itself: no operation of the API, so none is ever sent to AWS under these names."""

COMMANDS: Final = MappingProxyType({**OPERATIONS, **SERVICE_COMMANDS})
"""Everything that a command can ask for."""

RESOURCES: Final = MappingProxyType({row.kind: row for row in _RESOURCES})
"""Every resource kind by its name in event types."""


ENDING: Final = tuple(dict.fromkeys(row.resource.kind for row in _OPERATIONS if row.kind in (Kind.JOB, Kind.REMOVAL)))
"""Resource kinds of which something runs at AWS for a while: a job, or a deletion."""

_BY_ARN: Final = {row.arn_type: row for row in _RESOURCES if row.arn_type}


def resource_of(arn: str) -> Resource | None:
    """The resource kind that an ARN names; None for a kind that this table does not have."""
    return _BY_ARN.get(arn_type(arn))


def arn_type(arn: str) -> str:
    """The resource type in an ARN."""
    return arn.rsplit(":", 1)[-1].split("/", 1)[0]


def removal_of(resource: Resource) -> Operation | None:
    """The operation that deletes a resource of this kind; None when AWS has none."""
    rows = (row for row in _OPERATIONS if row.resource is resource and row.repeat is Repeat.GONE_IS_DONE)
    return next(rows, None)
