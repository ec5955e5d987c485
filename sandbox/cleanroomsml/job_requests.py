"""What a resource's job has to do and what its result changes: the bridge to the workers, one row per kind."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from sandbox.cleanroomsml.options import Options
from sandbox.cleanroomsml.resources import EXPORT, GENERATION, MODEL, Resource
from sandbox.cleanroomsml.workers import Job

Result = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JobContext:
    """Where work finds its tools."""

    options: Options
    data_dir: Path
    endpoint_url: str

    def path(self, arn: str) -> Path:
        """Where the data of a model or an audience is kept."""
        _arn, _partition, _service, region, account, resource = arn.split(":", 5)
        return self.data_dir / region / account / resource

    def storage(self, resource: Resource) -> dict[str, str]:
        """Where S3 and Glue are, for the resource's account."""
        return {"endpoint_url": self.endpoint_url, "region": resource.region, "account": resource.account}


def _epoch(at: datetime | None) -> float | None:
    return at.timestamp() if at else None


def _training(job_context: JobContext, resource: Resource) -> dict[str, Any]:
    config = resource.origin["trainingData"][0]["inputConfig"]
    source = config["dataSource"]["glueDataSource"]
    users, records = job_context.options.minimum_sizes
    return {
        "database": source["databaseName"],
        "table": source["tableName"],
        "columns": tuple((column["columnName"], column["columnTypes"][0]) for column in config["schema"]),
        "start_time": _epoch(resource.attributes.get("trainingDataStartTime")),
        "end_time": _epoch(resource.attributes.get("trainingDataEndTime")),
        "model_path": str(job_context.path(resource.arn)),
        "minimum_users": users,
        "minimum_records": records,
        "random_seed": job_context.options.random_seed,
    }


def _generation(job_context: JobContext, resource: Resource) -> dict[str, Any]:
    seed, sizes = resource.attributes["seedAudience"], resource.origin["audienceSizeConfig"]
    sql = seed.get("sqlParameters", {})
    return {
        "model_path": str(job_context.path(resource.origin["audienceModelArn"])),
        "seed_s3_uri": seed.get("dataSource", {}).get("s3Uri"),
        "seed_sql": sql.get("queryString"),
        "seed_sql_parameters": tuple(sorted(sql.get("parameters", {}).items())),
        "minimum_matching_seed_size": resource.origin["minMatchingSeedSize"],
        "size_type": sizes["audienceSizeType"],
        "size_bins": tuple(sizes["audienceSizeBins"]),
        "include_seed_in_output": resource.attributes["includeSeedInOutput"],
        "audience_path": str(job_context.path(resource.arn)),
        "random_seed": job_context.options.random_seed,
    }


def _export(job_context: JobContext, resource: Resource) -> dict[str, Any]:
    generation, size = resource.origin, resource.attributes["audienceSize"]
    destination = generation["outputConfig"]["destination"]["s3Destination"]["s3Uri"]
    return {
        "audience_path": str(job_context.path(generation["dataArn"])),
        "size_type": size["type"],
        "size_value": size["value"],
        "output_s3_uri": f"{destination.rstrip('/')}/{resource.identity}",
        "output_format": job_context.options.assume.output_format,
    }


def _nothing(_context: JobContext, _resource: Resource, _result: Result) -> dict[str, Any]:
    return {}


_STRETCHED: Final[Mapping[str, Callable[[float], float]]] = {
    "0..1": lambda score: score,
    "-1..1": lambda score: 2 * score - 1,
    "0..10": lambda score: 10 * score,
}


def _metrics(job_context: JobContext, resource: Resource, result: Result) -> dict[str, Any]:
    size_type = resource.origin["audienceSizeConfig"]["audienceSizeType"]
    stretch = _STRETCHED[job_context.options.assume.relevance_range]
    relevance = [
        {"audienceSize": {"type": size_type, "value": value}, "score": stretch(score)}
        for value, score in result["relevance"]
    ]
    return {"metrics": {"relevanceMetrics": relevance, "recallMetric": result["recall"]}}


def _location(_context: JobContext, _resource: Resource, result: Result) -> dict[str, Any]:
    return {"outputLocation": result["output_location"]}


@dataclass(frozen=True, slots=True)
class Work:
    """A kind's work: the function, its request class, the request's fields, and the members its result sets."""

    function: str
    request: str
    fields: Callable[[JobContext, Resource], dict[str, Any]]
    members: Callable[[JobContext, Resource, Result], dict[str, Any]]


WORK: Final[Mapping[str, Work]] = {
    MODEL.name: Work("train_audience_model", "TrainRequest", _training, _nothing),
    GENERATION.name: Work("generate_audience", "GenerateRequest", _generation, _metrics),
    EXPORT.name: Work("export_audience", "ExportRequest", _export, _location),
}
"""By kind name."""


def job(job_context: JobContext, resource: Resource) -> Job:
    """Describe the work that creates a resource, from what is true now."""
    work = WORK[resource.kind.name]
    storage = {"storage": job_context.storage(resource)}
    return Job(work.function, work.request, storage | work.fields(job_context, resource))
