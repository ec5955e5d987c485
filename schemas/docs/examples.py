"""One valid example of each command, reply and event.

The commands form one scenario, in an order in which they can be sent: from a table of ratings to an audience, and back
to an empty account. They fit the world that ``python -m sandbox up`` provides; the ids of what they make are invented,
and :data:`MAKES` says which command gives which.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from schemas import cloudevents, events, records
from schemas.cloudevents import Envelope
from schemas.events import Message, ReplyKind
from schemas.operations import COMMAND_PREFIX, EXPORT_JOB, RESOURCES, Change, Resource
from schemas.references import PREFIX

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
SOURCE: Final = "/teams/audiences"
"""CloudEvents source of the examples' publisher."""
SERVICE_SOURCE: Final = "cleanroomsml-service"
TIME: Final = "2026-01-31T12:00:00Z"
_NOW: Final = 1_769_860_800.0

ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/clean-rooms-ml-demo"
BUCKET: Final = "clean-rooms-ml-demo"


def _arn(kind: str, number: int) -> str:
    return f"arn:aws:cleanrooms-ml:{REGION}:{ACCOUNT}:{kind}/00000000-0000-4000-8000-{number:012d}"


DATASET: Final = _arn("training-dataset", 1)
MODEL: Final = _arn("audience-model", 2)
CONFIGURED: Final = _arn("configured-audience-model", 3)
GENERATION: Final = _arn("audience-generation-job", 4)

_COLUMNS: Final = {"user_id": "USER_ID", "item_id": "ITEM_ID", "timestamp": "TIMESTAMP"}
_SCHEMA: Final = [{"columnName": name, "columnTypes": [kind]} for name, kind in _COLUMNS.items()]
_GLUE: Final = {"glueDataSource": {"databaseName": "movielens", "tableName": "ratings"}}
_OUTPUT: Final = {"destination": {"s3Destination": {"s3Uri": f"s3://{BUCKET}/audiences"}}, "roleArn": ROLE}
_POLICY: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": ["111122223333"]},
            "Action": ["cleanrooms-ml:StartAudienceGenerationJob"],
            "Resource": [CONFIGURED],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Example:
    """A command.

    Attributes:
        data: Its data.
        extensions: CloudEvents extensions, such as ``correlationid``.
    """

    data: Mapping[str, Any]
    extensions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


_CORRELATED: Final = MappingProxyType({"correlationid": "campaign-7"})

COMMANDS: Final[Mapping[str, Example]] = MappingProxyType(
    {
        "CreateTrainingDataset": Example(
            {
                "name": "ratings",
                "roleArn": ROLE,
                "trainingData": [
                    {"type": "INTERACTIONS", "inputConfig": {"schema": _SCHEMA, "dataSource": _GLUE}},
                ],
                "tags": {"team": "audiences"},
            },
            _CORRELATED,
        ),
        "GetTrainingDataset": Example({"trainingDatasetArn": DATASET}),
        "ListTrainingDatasets": Example({"maxResults": 10}),
        "TagResource": Example({"resourceArn": DATASET, "tags": {"cost-center": "42"}}),
        "ListTagsForResource": Example({"resourceArn": DATASET}),
        "UntagResource": Example({"resourceArn": DATASET, "tagKeys": ["cost-center"]}),
        "CreateAudienceModel": Example(
            {"name": "taste", "trainingDatasetArn": DATASET, "description": "who likes what"}, _CORRELATED
        ),
        "TrackResource": Example({"resourceArn": MODEL, "untilStatus": "ACTIVE"}),
        "GetAudienceModel": Example({"audienceModelArn": MODEL}),
        "ListAudienceModels": Example({"maxResults": 10}),
        "CreateConfiguredAudienceModel": Example(
            {
                "name": "taste-for-partners",
                "audienceModelArn": MODEL,
                "outputConfig": _OUTPUT,
                "sharedAudienceMetrics": ["ALL"],
                "minMatchingSeedSize": 25,
                "audienceSizeConfig": {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [5, 10, 20]},
            },
            _CORRELATED,
        ),
        "GetConfiguredAudienceModel": Example({"configuredAudienceModelArn": CONFIGURED}),
        "ListConfiguredAudienceModels": Example({"maxResults": 10}),
        "UpdateConfiguredAudienceModel": Example(
            {"configuredAudienceModelArn": CONFIGURED, "description": "shared since January"}
        ),
        "PutConfiguredAudienceModelPolicy": Example(
            {
                "configuredAudienceModelArn": CONFIGURED,
                "configuredAudienceModelPolicy": json.dumps(_POLICY),
                "policyExistenceCondition": "POLICY_MUST_NOT_EXIST",
            }
        ),
        "GetConfiguredAudienceModelPolicy": Example({"configuredAudienceModelArn": CONFIGURED}),
        "DeleteConfiguredAudienceModelPolicy": Example({"configuredAudienceModelArn": CONFIGURED}),
        "StartAudienceGenerationJob": Example(
            {
                "name": "like-our-customers",
                "configuredAudienceModelArn": CONFIGURED,
                "seedAudience": {"roleArn": ROLE, "dataSource": {"s3Uri": f"s3://{BUCKET}/seed/seed.jsonl"}},
            },
            _CORRELATED,
        ),
        "CancelCommand": Example({"commandId": "StartAudienceGenerationJob-1", "commandSource": SOURCE}),
        "ResolveCommand": Example(
            {"commandId": "CreateAudienceModel-1", "commandSource": SOURCE, "resolution": "retry"},
        ),
        "GetAudienceGenerationJob": Example({"audienceGenerationJobArn": GENERATION}),
        "ListAudienceGenerationJobs": Example({"configuredAudienceModelArn": CONFIGURED}),
        "StartAudienceExportJob": Example(
            {
                "name": "best-tenth",
                "audienceGenerationJobArn": GENERATION,
                "audienceSize": {"type": "PERCENTAGE", "value": 10},
            },
            _CORRELATED,
        ),
        "ListAudienceExportJobs": Example({"audienceGenerationJobArn": GENERATION}),
        "DeleteAudienceGenerationJob": Example({"audienceGenerationJobArn": GENERATION}),
        "DeleteConfiguredAudienceModel": Example({"configuredAudienceModelArn": CONFIGURED}),
        "DeleteAudienceModel": Example({"audienceModelArn": MODEL}),
        "DeleteTrainingDataset": Example({"trainingDatasetArn": DATASET}),
    }
)
"""An example of each command, in the order of the story."""

MAKES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "CreateTrainingDataset": DATASET,
        "CreateAudienceModel": MODEL,
        "CreateConfiguredAudienceModel": CONFIGURED,
        "StartAudienceGenerationJob": GENERATION,
    }
)
"""Command -> the invented id of what it makes."""


CHAINED: Final = (
    "CreateTrainingDataset",
    "CreateAudienceModel",
    "CreateConfiguredAudienceModel",
    "StartAudienceGenerationJob",
    "StartAudienceExportJob",
)
"""Commands that are sent at once, each naming the one before it."""
CHAIN_KEY: Final = "campaign-8"
"""Their record key, and the beginning of their ids."""


def chain() -> list[dict[str, Any]]:
    """A campaign that is sent at once: five commands, and a deletion after the last of them."""
    named = {arn: f"{PREFIX}{chain_id(name)}" for name, arn in MAKES.items()}
    links = [_link(name, _named(_plain(name), named)) for name in CHAINED]
    last = json.dumps([chain_id(CHAINED[-1])])
    deletion = {"audienceGenerationJobArn": named[GENERATION]}
    return [*links, _link("DeleteAudienceGenerationJob", deletion) | {"after": last}]


def chain_id(name: str) -> str:
    """Id of one of them."""
    return f"{CHAIN_KEY}/{name}"


def _plain(name: str) -> dict[str, Any]:
    """What an example needs; lists and maps are not the point here."""
    return {member: value for member, value in COMMANDS[name].data.items() if member not in ("tags", "description")}


def _named(data: Mapping[str, Any], named: Mapping[str, str]) -> dict[str, Any]:
    return {member: named.get(value, value) if isinstance(value, str) else value for member, value in data.items()}


def _link(name: str, data: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": chain_id(name), "source": SOURCE, "type": f"{COMMAND_PREFIX}{name}", "data": dict(data)}


def command_id(name: str) -> str:
    """Id of the example of a command."""
    return f"{name}-1"


def command_message(name: str) -> Message:
    """The example of a command as a Kafka record."""
    example = COMMANDS[name]
    envelope = Envelope(
        id=command_id(name),
        source=SOURCE,
        type=f"{COMMAND_PREFIX}{name}",
        time=TIME,
        extensions=example.extensions,
        data=json.dumps(example.data).encode(),
    )
    value, headers = cloudevents.encode(envelope)
    return Message(b"campaign-7", value, headers)


_COMMAND: Final = records.Command(
    id=command_id("CreateAudienceModel"),
    source=SOURCE,
    operation="CreateAudienceModel",
    target="default",
    params={},
    digest="",
    correlation_id="campaign-7",
)
_ENDED: Final = {"attempts": 1, "durationSeconds": 3_725.5}
_TIMES: Final = {"createTime": "2026-01-31T12:00:01Z", "updateTime": "2026-01-31T13:02:05Z"}
_PARENTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "audience-model": {"trainingDatasetArn": DATASET},
    "audience-generation-job": {"configuredAudienceModelArn": CONFIGURED},
    "audience-export-job": {
        "audienceGenerationJobArn": GENERATION,
        "audienceSize": {"type": "PERCENTAGE", "value": 5},
        "outputLocation": f"s3://{BUCKET}/audiences/5a1b",
    },
}
"""Members of the examples of descriptions, by resource kind."""
_MODEL: Final = {
    "audienceModelArn": MODEL,
    "name": "taste",
    "trainingDatasetArn": DATASET,
    "status": "ACTIVE",
    "description": "who likes what",
    **_TIMES,
}


def _error(code: str, message: str, **more: Any) -> dict[str, Any]:
    plain = {"code": code, "message": message, "statusDetails": None, "retryable": False, "httpStatus": None}
    return {"error": plain | more}


_QUOTA: Final = "ServiceQuotaExceededException"
_VIOLATION: Final = {"path": "data.name", "rule": "required", "message": "is required"}
_REPLIES: Final[Mapping[ReplyKind, Mapping[str, Any]]] = {
    ReplyKind.ACCEPTED: {},
    ReplyKind.WAITING: {"reason": _QUOTA, "position": 2},
    ReplyKind.STARTED: {"resourceArn": MODEL, "status": "CREATE_PENDING"},
    ReplyKind.SUCCEEDED: {"result": _MODEL, **_ENDED},
    ReplyKind.FAILED: _error("ResourceNotFoundException", "the training dataset does not exist", httpStatus=404)
    | _ENDED,
    ReplyKind.REJECTED: _error("ValidationFailed", "data.name: is required", violations=[_VIOLATION])
    | {"attempts": 0, "durationSeconds": 0.0},
    ReplyKind.PARKED: _error("AmbiguousOutcome", "the call's outcome was lost and the search is ambiguous")
    | _ENDED
    | {"searched": "2 resources carry the marker"},
}


def reply_message(kind: ReplyKind) -> Message:
    """An example of a kind of reply, as the service writes it."""
    return events.reply(_COMMAND, kind, _REPLIES[kind], number=3, now=_NOW, source=SERVICE_SOURCE)


def event_message(resource: Resource) -> Message:
    """An example of a resource kind's event: the end of its creation, or its change."""
    status = "ACTIVE" if resource.arriving else (Change.UPDATED if not resource.arn_type else Change.CREATED).value
    resource_id = _SUBJECTS[resource.kind]
    description = {"name": "taste", "status": status, **_TIMES, **_PARENTS.get(resource.kind, {})}
    if resource.identity:
        description[resource.identity] = resource_id
    return events.status_changed(
        resource=records.ResourceState(resource_id, resource.kind, 3, status, "taste", _NOW),
        previous_status="CREATE_IN_PROGRESS" if resource.arriving else None,
        command=_COMMAND,
        region=REGION,
        status_details=None,
        description=description if resource.arriving else None,
        now=_NOW,
        source=SERVICE_SOURCE,
    )


_SUBJECTS: Final = {
    "training-dataset": DATASET,
    "audience-model": MODEL,
    "configured-audience-model": CONFIGURED,
    "configured-audience-model-policy": CONFIGURED,
    "audience-generation-job": GENERATION,
    EXPORT_JOB.kind: f"{EXPORT_JOB.kind}/{events.command_digest(_COMMAND)}",
    "tags": DATASET,
}


def all_messages() -> Mapping[str, Message]:
    """Every example by a name of its own."""
    found = {f"command.{name}": command_message(name) for name in COMMANDS}
    found |= {f"reply.{kind.value}": reply_message(kind) for kind in ReplyKind}
    return found | {f"event.{resource.kind}": event_message(resource) for resource in RESOURCES.values()}
