"""An account in a running sandbox, with short words for what tests need of it."""

import contextlib
import http.client
import json
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

SCHEMA = [
    {"columnName": "user_id", "columnTypes": ["USER_ID"]},
    {"columnName": "item_id", "columnTypes": ["ITEM_ID"]},
    {"columnName": "timestamp", "columnTypes": ["TIMESTAMP"]},
]
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=2)


class World:
    """One account's clients, and resources made with as few words as the API allows."""

    def __init__(self, url: str, account: str, region: str = "eu-west-1") -> None:
        self.url, self.account, self.region = url, account, region
        self._closing: list[Any] = []
        self.ml = self.client("cleanroomsml")
        self.role = f"arn:aws:iam::{account}:role/sandbox"

    def client(self, service: str, *, config: Config = ONCE, **credentials: str) -> Any:
        keys = credentials or {"aws_access_key_id": self.account, "aws_secret_access_key": "x"}
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=self.url,
            region_name=self.region,
            config=config,
            **keys,
        )
        self._closing.append(client)
        return client

    def keyed(self, key: str, secret: str) -> Callable[[str], Any]:
        """Clients with a key pair of their own, by service."""
        return lambda service: self.client(service, aws_access_key_id=key, aws_secret_access_key=secret)

    def close(self) -> None:
        for client in self._closing:
            client.close()

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        with contextlib.closing(connection):
            connection.request(method, f"/_sandbox/{path}", data)
            answer = connection.getresponse()
            assert answer.status < 300, answer.read()
            return json.load(answer)

    def fault(self, fault: str, operation: str, **more: Any) -> None:
        self.admin("POST", "faults", {"fault": fault, "operation": operation, "account": self.account, **more})

    def clear_faults(self) -> None:
        self.admin("DELETE", "faults")

    def requests(self, operation: str) -> list[dict[str, Any]]:
        entries = self.admin("GET", f"requests?operation={operation}")["requests"]
        return [each for each in entries if each["account"] == self.account]

    def dataset(self, name: str = "d", table: str = "ratings", **more: Any) -> str:
        source = {"glueDataSource": {"databaseName": "films", "tableName": table}}
        data = {"type": "INTERACTIONS", "inputConfig": {"schema": SCHEMA, "dataSource": source}}
        params = {"name": name, "roleArn": self.role, "trainingData": [data]} | more
        return str(self.ml.create_training_dataset(**params)["trainingDatasetArn"])

    def model(self, dataset: str | None = None, name: str = "m", **more: Any) -> str:
        made = self.ml.create_audience_model(name=name, trainingDatasetArn=dataset or self.dataset(), **more)
        return str(made["audienceModelArn"])

    def active_model(self, **more: Any) -> str:
        arn = self.model(**more)
        self.until_model(arn)
        return arn

    def until_model(self, arn: str) -> dict[str, Any]:
        return until(lambda: self.ml.get_audience_model(audienceModelArn=arn))

    def bucket(self, name: str = "audiences") -> str:
        bucket = f"{name}-{self.account}"
        self.client("s3").create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": self.region})
        return bucket

    def configured(self, model: str | None = None, name: str = "c", **more: Any) -> str:
        destination = {"s3Destination": {"s3Uri": f"s3://audiences-{self.account}/out/"}}
        params: dict[str, Any] = {
            "name": name,
            "audienceModelArn": model or self.active_model(),
            "outputConfig": {"destination": destination, "roleArn": self.role},
            "sharedAudienceMetrics": ["ALL"],
            "minMatchingSeedSize": 25,
        }
        return str(self.ml.create_configured_audience_model(**params | more)["configuredAudienceModelArn"])

    def put_seed(self, rows: int = 30) -> str:
        bucket = self.bucket()
        body = b"".join(b'{"user_id": "u-%d"}\n' % n for n in range(rows))
        self.client("s3").put_object(Bucket=bucket, Key="seed.jsonl", Body=body)
        return f"s3://{bucket}/seed.jsonl"

    def job(self, configured: str, seed: str, name: str = "g", **more: Any) -> str:
        audience = {"roleArn": self.role, "dataSource": {"s3Uri": seed}}
        params = {"name": name, "configuredAudienceModelArn": configured, "seedAudience": audience} | more
        return str(self.ml.start_audience_generation_job(**params)["audienceGenerationJobArn"])

    def until_job(self, arn: str) -> dict[str, Any]:
        return until(lambda: self.ml.get_audience_generation_job(audienceGenerationJobArn=arn))

    def active_job(self, **more: Any) -> str:
        arn = self.job(self.configured(), self.put_seed(), **more)
        assert self.until_job(arn)["status"] == "ACTIVE"
        return arn

    def export(self, job: str, name: str = "e", value: int = 5, **more: Any) -> dict[str, Any]:
        size = {"type": "PERCENTAGE", "value": value}
        params = {"name": name, "audienceGenerationJobArn": job, "audienceSize": size} | more
        answer: dict[str, Any] = self.ml.start_audience_export_job(**params)
        return answer

    def until_export(self, job: str) -> dict[str, Any]:
        return until(lambda: self.ml.list_audience_export_jobs(audienceGenerationJobArn=job)["audienceExportJobs"][0])


def until(look: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Look until the status is final, and give what was seen then."""
    deadline = time.monotonic() + 20
    while (seen := look())["status"] not in {"ACTIVE", "CREATE_FAILED", "DELETE_FAILED"}:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)
    return seen


def until_gone(look: Callable[[], object], error: type[Exception]) -> None:
    """Look until the API says that it does not exist."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            look()
        except error:
            return
        time.sleep(0.02)
    raise AssertionError("it is still there")
