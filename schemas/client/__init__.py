"""A client for publishers: sends commands, waits for their ends, follows replies and events.

::

    async with Client(ClientSettings(bootstrap_servers="broker:9092", source="/planner")) as client:
        job = await client.send(CreateAudienceModel(name="taste", trainingDatasetArn=arn), id="taste-2026-48")
        model = await job.result(timeout=86_400)

:mod:`schemas.testing` has a twin of the service that the same client talks to, without Kafka.
"""

from .chain import Chain
from .changes import CommandChange, ReplyReceived, StatusChanged
from .client import Client
from .composing import AnyRequest, Attributes, CommandRequest
from .errors import (
    CommandError,
    FailedError,
    InvalidCommandError,
    NotConnectedError,
    ParkedError,
    PublisherError,
    RejectedError,
    SendUnknownError,
    UnreachableError,
)
from .job import JobHandle
from .requests import (
    CancelCommand,
    CreateAudienceModel,
    CreateConfiguredAudienceModel,
    CreateTrainingDataset,
    DeleteAudienceGenerationJob,
    DeleteAudienceModel,
    DeleteConfiguredAudienceModel,
    DeleteConfiguredAudienceModelPolicy,
    DeleteTrainingDataset,
    GetAudienceGenerationJob,
    GetAudienceModel,
    GetConfiguredAudienceModel,
    GetConfiguredAudienceModelPolicy,
    GetTrainingDataset,
    ListAudienceExportJobs,
    ListAudienceGenerationJobs,
    ListAudienceModels,
    ListConfiguredAudienceModels,
    ListTagsForResource,
    ListTrainingDatasets,
    PutConfiguredAudienceModelPolicy,
    ResolveCommand,
    StartAudienceExportJob,
    StartAudienceGenerationJob,
    TagResource,
    TrackResource,
    UntagResource,
    UpdateConfiguredAudienceModel,
)
from .settings import ClientSettings

__all__ = [
    "AnyRequest",
    "Attributes",
    "CancelCommand",
    "Chain",
    "Client",
    "ClientSettings",
    "CommandChange",
    "CommandError",
    "CommandRequest",
    "CreateAudienceModel",
    "CreateConfiguredAudienceModel",
    "CreateTrainingDataset",
    "DeleteAudienceGenerationJob",
    "DeleteAudienceModel",
    "DeleteConfiguredAudienceModel",
    "DeleteConfiguredAudienceModelPolicy",
    "DeleteTrainingDataset",
    "FailedError",
    "GetAudienceGenerationJob",
    "GetAudienceModel",
    "GetConfiguredAudienceModel",
    "GetConfiguredAudienceModelPolicy",
    "GetTrainingDataset",
    "InvalidCommandError",
    "JobHandle",
    "ListAudienceExportJobs",
    "ListAudienceGenerationJobs",
    "ListAudienceModels",
    "ListConfiguredAudienceModels",
    "ListTagsForResource",
    "ListTrainingDatasets",
    "NotConnectedError",
    "ParkedError",
    "PublisherError",
    "PutConfiguredAudienceModelPolicy",
    "RejectedError",
    "ReplyReceived",
    "ResolveCommand",
    "SendUnknownError",
    "StartAudienceExportJob",
    "StartAudienceGenerationJob",
    "StatusChanged",
    "TagResource",
    "TrackResource",
    "UnreachableError",
    "UntagResource",
    "UpdateConfiguredAudienceModel",
]
