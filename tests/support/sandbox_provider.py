"""The sandbox's operations in memory: a store, fault switches, and no server, job or clock."""

from typing import Any

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.accounts import Caller
from sandbox.cleanroomsml.context import Call, Context, Outcome
from sandbox.cleanroomsml.faults import Faults
from sandbox.cleanroomsml.lifecycle import Lifecycle
from sandbox.cleanroomsml.operations import OPERATIONS, perform
from sandbox.cleanroomsml.options import Options
from sandbox.cleanroomsml.resources import ACTIVE, Resource
from sandbox.cleanroomsml.store import Store
from tests.support.sandbox_account import SCHEMA

ACCOUNT = "111122223333"
OTHER = "444455556666"
REGION = "eu-west-1"
COLLABORATION = "6b1f0c52-0000-4000-8000-0123456789ab"


class RecordedLifecycle(Lifecycle):
    """Starts nothing; records what was to be started or deleted, and how it was to go wrong."""

    def __init__(self) -> None:
        self.begun: list[tuple[Resource, str | None]] = []
        self.removed: list[tuple[Resource, str | None]] = []

    def begin(self, resource: Resource, fault: str | None = None) -> None:
        self.begun.append((resource, fault))

    def remove(self, resource: Resource, fault: str | None = None) -> None:
        self.removed.append((resource, fault))


class Provider:
    """Operations of one sandbox, performed at once; jobs end when a test says so."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.store, self.faults, self.lifecycle = Store(), Faults(), RecordedLifecycle()
        self.context = Context(self.options, self.store, self.lifecycle, self.faults)

    def call(self, operation: str, *, account: str = ACCOUNT, region: str = REGION, **params: Any) -> Call:
        model = api_model.service_model().operation_model(operation)
        return Call(model, OPERATIONS[operation].kind, params, account, region)

    def perform(self, operation: str, *, account: str = ACCOUNT, region: str = REGION, **params: Any) -> Outcome:
        model = api_model.service_model().operation_model(operation)
        return perform(self.context, model, params, Caller(account, region, api_model.SIGNING_NAME))

    def made(self, operation: str, **params: Any) -> Resource:
        resource = self.perform(operation, **params).resource
        assert resource is not None
        return resource

    def dataset(self, account: str = ACCOUNT, **more: Any) -> Resource:
        source = {"glueDataSource": {"databaseName": "films", "tableName": "ratings"}}
        data = {"type": "INTERACTIONS", "inputConfig": {"schema": SCHEMA, "dataSource": source}}
        params = {"name": "d", "roleArn": role(account), "trainingData": [data]} | more
        return self.made("CreateTrainingDataset", account=account, **params)

    def model(self, dataset: Resource, status: str = ACTIVE, **more: Any) -> Resource:
        params = {"name": "m", "trainingDatasetArn": dataset.arn, "account": dataset.account} | more
        resource = self.made("CreateAudienceModel", **params)
        resource.change(status=status)
        return resource

    def configured(self, model: Resource | None = None, account: str = ACCOUNT, **more: Any) -> Resource:
        model = model or self.model(self.dataset(account))
        destination = {"s3Destination": {"s3Uri": "s3://audiences/out/"}}
        params: dict[str, Any] = {
            "name": "c",
            "audienceModelArn": model.arn,
            "outputConfig": {"destination": destination, "roleArn": role(model.account)},
            "sharedAudienceMetrics": ["ALL"],
            "minMatchingSeedSize": 25,
        }
        return self.made("CreateConfiguredAudienceModel", account=model.account, **params | more)

    def job(self, configured: Resource, account: str = ACCOUNT, status: str = ACTIVE, **more: Any) -> Resource:
        seed = {"roleArn": role(account), "dataSource": {"s3Uri": "s3://seeds/seed.jsonl"}}
        params = {"name": "g", "configuredAudienceModelArn": configured.arn, "seedAudience": seed} | more
        resource = self.made("StartAudienceGenerationJob", account=account, **params)
        resource.change(status=status)
        return resource

    def export(self, job: Resource, **more: Any) -> Resource:
        size = {"type": "PERCENTAGE", "value": 5}
        params = {"name": "e", "audienceGenerationJobArn": job.arn, "audienceSize": size} | more
        return self.made("StartAudienceExportJob", account=job.account, **params)


def role(account: str) -> str:
    return f"arn:aws:iam::{account}:role/sandbox"
