"""What lies in an account before the load begins, and the commands that can be given about it."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.sandbox_account import SCHEMA, World

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ground:
    """A tenant, the target that it uses, and an active resource of each kind in that target's account."""

    tenant: str
    target: str
    world: World
    dataset: str
    model: str
    configured: str
    job: str

    @classmethod
    def lay(cls, tenant: str, target: str, world: World) -> "Ground":
        """Makes the resources, without the service."""
        seed, dataset = world.put_seed(), world.dataset()
        model = world.model(dataset)
        world.until_model(model)
        configured = world.configured(model)
        job = world.job(configured, seed)
        world.until_job(job)
        return cls(tenant, target, world, dataset, model, configured, job)

    def create_dataset(self, name: str, table: str = "ratings") -> Data:
        """CreateTrainingDataset."""
        source = {"glueDataSource": {"databaseName": "films", "tableName": table}}
        training = [{"type": "INTERACTIONS", "inputConfig": {"schema": SCHEMA, "dataSource": source}}]
        return {"name": name, "roleArn": self.world.role, "trainingData": training}

    def create_model(self, name: str) -> Data:
        """CreateAudienceModel."""
        return {"name": name, "trainingDatasetArn": self.dataset, "description": "of the load"}

    def create_configured(self, name: str) -> Data:
        """CreateConfiguredAudienceModel."""
        destination = {"s3Destination": {"s3Uri": f"s3://audiences-{self.world.account}/out/"}}
        output = {"destination": destination, "roleArn": self.world.role}
        own = {"audienceModelArn": self.model, "sharedAudienceMetrics": ["ALL"], "minMatchingSeedSize": 25}
        return {"name": name, "outputConfig": output, **own}

    def start_generation(self, name: str) -> Data:
        """StartAudienceGenerationJob."""
        source = {"s3Uri": f"s3://audiences-{self.world.account}/seed.jsonl"}
        audience = {"roleArn": self.world.role, "dataSource": source}
        return {"name": name, "configuredAudienceModelArn": self.configured, "seedAudience": audience}

    def start_export(self, name: str) -> Data:
        """StartAudienceExportJob."""
        size = {"type": "PERCENTAGE", "value": 5}
        return {"name": name, "audienceGenerationJobArn": self.job, "audienceSize": size}

    def put_policy(self, name: str) -> Data:
        """PutConfiguredAudienceModelPolicy."""
        principal = {"AWS": f"arn:aws:iam::{self.world.account}:root"}
        statement = {"Sid": name.replace("-", ""), "Effect": "Allow", "Principal": principal, "Action": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Resource": self.configured}]})
        return {"configuredAudienceModelArn": self.configured, "configuredAudienceModelPolicy": policy}

    def update_configured(self, name: str) -> Data:
        """UpdateConfiguredAudienceModel."""
        return {"configuredAudienceModelArn": self.configured, "description": name}

    def tag(self, name: str) -> Data:
        """TagResource."""
        return {"resourceArn": self.model, "tags": {"last": name}}

    def get_dataset(self, _name: str) -> Data:
        """GetTrainingDataset."""
        return {"trainingDatasetArn": self.dataset}

    def list_models(self, _name: str) -> Data:
        """ListAudienceModels."""
        return {"maxResults": 5}

    def track(self, _name: str) -> Data:
        """TrackResource."""
        return {"resourceArn": self.model}

    def invalid(self, name: str) -> Data:
        """Rejected: no such member, and required ones are missing."""
        return {"name": name, "nonsense": True}

    def command(self, chance: random.Random, name: str) -> tuple[str, Data]:
        """An operation and its members, by lot."""
        operation, make = chance.choices(_MIX, _WEIGHTS)[0]
        return operation, make(self, name)


_Make = Callable[[Ground, str], Data]
_TABLE: dict[tuple[str, _Make], int] = {
    ("CreateTrainingDataset", Ground.create_dataset): 3,
    ("CreateAudienceModel", Ground.create_model): 4,
    ("CreateConfiguredAudienceModel", Ground.create_configured): 3,
    ("StartAudienceGenerationJob", Ground.start_generation): 3,
    ("StartAudienceExportJob", Ground.start_export): 4,
    ("PutConfiguredAudienceModelPolicy", Ground.put_policy): 1,
    ("UpdateConfiguredAudienceModel", Ground.update_configured): 1,
    ("TagResource", Ground.tag): 2,
    ("GetTrainingDataset", Ground.get_dataset): 1,
    ("ListAudienceModels", Ground.list_models): 1,
    ("TrackResource", Ground.track): 1,
    ("CreateTrainingDataset", Ground.invalid): 1,
}
_MIX, _WEIGHTS = list(_TABLE), list(_TABLE.values())
