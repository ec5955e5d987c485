"""MovieLens-100k in a test's AWS account, and the five commands that make an audience of it."""

from dataclasses import dataclass
from typing import Any

from sandbox.datasets import movielens
from sandbox.jobs.worker import Storage
from tests.acceptance.harness import Client
from tests.support.sandbox_account import World


@dataclass(frozen=True)
class Films:
    """What lies in the account."""

    world: World
    taste: movielens.Taste
    data: movielens.Catalogued

    @classmethod
    def upload(cls, world: World) -> "Films":
        taste = movielens.seed_for()
        storage = Storage(world.url, world.region, world.account)
        return cls(world, taste, movielens.catalogue(storage, taste, bucket=f"films-{world.account}"))

    def dataset(self, name: str = "films") -> dict[str, Any]:
        schema = [{"columnName": column, "columnTypes": [kind]} for column, kind in self.data.columns]
        source = {"glueDataSource": {"databaseName": self.data.database, "tableName": self.data.table}}
        training = [{"type": "INTERACTIONS", "inputConfig": {"schema": schema, "dataSource": source}}]
        return {"name": name, "roleArn": self.world.role, "trainingData": training}

    def model(self, dataset: str, name: str = "model") -> dict[str, Any]:
        return {"name": name, "trainingDatasetArn": dataset, "description": "who likes what"}

    def configured(self, model: str, name: str = "configured") -> dict[str, Any]:
        return {
            "name": name,
            "audienceModelArn": model,
            "outputConfig": {
                "destination": {"s3Destination": {"s3Uri": self.data.output_uri}},
                "roleArn": self.world.role,
            },
            "sharedAudienceMetrics": ["ALL"],
            "minMatchingSeedSize": 25,
            "audienceSizeConfig": {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [5, 10, 20]},
        }

    def generation(self, configured: str, name: str = "generation") -> dict[str, Any]:
        audience = {"roleArn": self.world.role, "dataSource": {"s3Uri": self.data.seed_uri}}
        return {"name": name, "configuredAudienceModelArn": configured, "seedAudience": audience}

    def export(self, job: str, name: str = "export") -> dict[str, Any]:
        return {
            "name": name,
            "audienceGenerationJobArn": job,
            "audienceSize": {"type": "PERCENTAGE", "value": 10},
        }

    async def dataset_made(self, client: Client) -> str:
        made = await client.perform("CreateTrainingDataset", self.dataset(), command_id="dataset")
        return str(made["trainingDatasetArn"])
