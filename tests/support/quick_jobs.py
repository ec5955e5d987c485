"""A stand-in for `sandbox.jobs.worker` with its interface: no learning, only files."""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError


@dataclass(frozen=True, slots=True)
class Storage:
    endpoint_url: str
    region: str
    account: str


@dataclass(frozen=True, slots=True)
class TrainRequest:
    storage: Storage
    database: str
    table: str
    columns: tuple[tuple[str, str], ...]
    start_time: float | None
    end_time: float | None
    model_path: str
    minimum_users: int
    minimum_records: int
    random_seed: int


@dataclass(frozen=True, slots=True)
class TrainResult:
    users: int
    items: int
    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    storage: Storage
    model_path: str
    seed_s3_uri: str | None
    seed_sql: str | None
    seed_sql_parameters: tuple[tuple[str, str], ...]
    minimum_matching_seed_size: int
    size_type: str
    size_bins: tuple[int, ...]
    include_seed_in_output: bool
    audience_path: str
    random_seed: int


@dataclass(frozen=True, slots=True)
class GenerateResult:
    matched_seed: int
    relevance: tuple[tuple[int, float], ...]
    recall: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ExportRequest:
    storage: Storage
    audience_path: str
    size_type: str
    size_value: int
    output_s3_uri: str
    output_format: str


@dataclass(frozen=True, slots=True)
class ExportResult:
    rows: int
    output_location: str


class JobFailed(Exception):
    def __init__(self, status_code: str, message: str) -> None:
        super().__init__(status_code, message)
        self.status_code, self.message = status_code, message


def _s3(storage: Storage):  # type: ignore[no-untyped-def]
    return boto3.client(
        "s3",
        endpoint_url=storage.endpoint_url,
        region_name=storage.region,
        aws_access_key_id=storage.account,
        aws_secret_access_key="sandbox",
    )


def _split(uri: str) -> tuple[str, str]:
    parts = urlsplit(uri)
    return parts.netloc, parts.path.lstrip("/")


def train_audience_model(r: TrainRequest) -> TrainResult:
    if r.table == "empty":
        raise JobFailed("INSUFFICIENT_TRAINING_DATA", f"fewer than {r.minimum_users} users")
    if r.table == "deadly":
        os._exit(3)
    if r.table == "broken":
        raise ZeroDivisionError("a bug in a job")
    if r.table == "slow":
        time.sleep(1)
    Path(r.model_path).mkdir(parents=True)
    (Path(r.model_path) / "model.json").write_text(json.dumps({"columns": r.columns, "window": r.start_time}))
    return TrainResult(943, 1682, 100_000, 0.0)


def generate_audience(r: GenerateRequest) -> GenerateResult:
    assert Path(r.model_path, "model.json").exists()
    if r.seed_s3_uri is not None:
        bucket, key = _split(r.seed_s3_uri)
        try:
            rows = _s3(r.storage).get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()
        except ClientError as error:
            raise JobFailed("SEED_READ_FAILED", str(error)) from error
    else:
        rows = [b"{}"] * 25
    if len(rows) < r.minimum_matching_seed_size:
        raise JobFailed("INSUFFICIENT_MATCHING_SEED", f"{len(rows)} < {r.minimum_matching_seed_size}")
    Path(r.audience_path).mkdir(parents=True)
    (Path(r.audience_path) / "audience.json").write_text("[]")
    return GenerateResult(len(rows), tuple((size, 1 / size) for size in r.size_bins), 0.7, 0.0)


def export_audience(r: ExportRequest) -> ExportResult:
    assert Path(r.audience_path, "audience.json").exists()
    bucket, prefix = _split(r.output_s3_uri)
    key = f"{prefix}/part-00000.{r.output_format}"
    try:
        _s3(r.storage).put_object(Bucket=bucket, Key=key, Body=b'{"user_id": "u-1"}\n' * r.size_value)
    except ClientError as error:
        raise JobFailed("OUTPUT_WRITE_FAILED", str(error)) from error
    return ExportResult(r.size_value, f"s3://{bucket}/{key}")
