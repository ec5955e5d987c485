"""What the workers are asked to do, as their request classes have it, and what their results become."""

import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.cleanroomsml import job_requests
from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.job_requests import WORK, JobContext
from sandbox.cleanroomsml.options import Options
from sandbox.cleanroomsml.resources import Resource
from sandbox.jobs import worker
from tests.support import quick_jobs
from tests.support.sandbox_provider import ACCOUNT, COLLABORATION, REGION, Provider, role

STORAGE = {"endpoint_url": "http://h:1", "region": REGION, "account": ACCOUNT}
FOLDER = Path("/data") / REGION / ACCOUNT


def job_context(**options: Any) -> JobContext:
    return JobContext(Options(**options), Path("/data"), "http://h:1")


def fields(resource: Resource, **options: Any) -> dict[str, Any]:
    return dict(job_requests.job(job_context(**options), resource).fields)


@pytest.mark.parametrize("module", [worker, quick_jobs], ids=["real", "quick"])
def test_every_kind_of_work_fits_the_workers_function_and_request(module: Any) -> None:
    provider = Provider()
    configured = provider.configured()
    job = provider.job(configured)
    for resource in (provider.model(provider.dataset(name="d2")), job, provider.export(job)):
        made = job_requests.job(job_context(), resource)
        assert callable(getattr(module, made.function))
        wanted = {each.name for each in dataclasses.fields(getattr(module, made.request))}
        assert set(made.fields) == wanted
        getattr(module, made.request)(**made.fields)


@pytest.mark.parametrize(("profile", "sizes"), [("demo", (100, 1_000)), ("aws", (100_000, 1_000_000))])
def test_a_training_reads_the_tables_columns_within_the_window(profile: Any, sizes: tuple[int, int]) -> None:
    provider = Provider()
    start, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    model = provider.model(provider.dataset(), trainingDataStartTime=start, trainingDataEndTime=end)
    assert fields(model, profile=profile, random_seed=3) == {
        "storage": STORAGE,
        "database": "films",
        "table": "ratings",
        "columns": (("user_id", "USER_ID"), ("item_id", "ITEM_ID"), ("timestamp", "TIMESTAMP")),
        "start_time": 1_704_067_200.0,
        "end_time": 1_704_067_201.5,
        "model_path": str(FOLDER / "audience-model" / model.identity),
        "minimum_users": sizes[0],
        "minimum_records": sizes[1],
        "random_seed": 3,
    }


def test_a_training_without_a_window_has_no_bounds() -> None:
    provider = Provider()
    found = fields(provider.model(provider.dataset()))
    assert (found["start_time"], found["end_time"]) == (None, None)


def test_a_generation_reads_the_seed_and_the_configured_models_sizes() -> None:
    provider = Provider()
    model = provider.model(provider.dataset())
    sizes = {"audienceSizeType": "ABSOLUTE", "audienceSizeBins": [30, 10]}
    configured = provider.configured(model, audienceSizeConfig=sizes)
    job = provider.job(configured, includeSeedInOutput=True)
    assert fields(job) == {
        "storage": STORAGE,
        "model_path": str(FOLDER / "audience-model" / model.identity),
        "seed_s3_uri": "s3://seeds/seed.jsonl",
        "seed_sql": None,
        "seed_sql_parameters": (),
        "minimum_matching_seed_size": 25,
        "size_type": "ABSOLUTE",
        "size_bins": (30, 10),
        "include_seed_in_output": True,
        "audience_path": str(FOLDER / "audience-generation-job" / job.identity),
        "random_seed": 7,
    }


def test_a_generation_by_sql_carries_the_query_and_its_parameters_by_name() -> None:
    provider = Provider()
    sql = {"queryString": "select :b, :a", "parameters": {"b": "2", "a": "1"}}
    seed = {"roleArn": role(ACCOUNT), "sqlParameters": sql}
    found = fields(provider.job(provider.configured(), seedAudience=seed, collaborationId=COLLABORATION))
    assert found["seed_s3_uri"] is None
    assert found["seed_sql"] == "select :b, :a"
    assert found["seed_sql_parameters"] == (("a", "1"), ("b", "2"))


@pytest.mark.parametrize("uri", ["s3://audiences/out", "s3://audiences/out/", "s3://audiences/out//"])
def test_an_export_writes_to_a_folder_of_its_own(uri: str) -> None:
    provider = Provider()
    output = {"destination": {"s3Destination": {"s3Uri": uri}}, "roleArn": role(ACCOUNT)}
    job = provider.job(provider.configured(outputConfig=output))
    export = provider.export(job, audienceSize={"type": "PERCENTAGE", "value": 20})
    assert fields(export, assume=Assumptions(output_format="csv")) == {
        "storage": STORAGE,
        "audience_path": str(FOLDER / "audience-generation-job" / job.identity),
        "size_type": "PERCENTAGE",
        "size_value": 20,
        "output_s3_uri": f"s3://audiences/out/{export.identity}",
        "output_format": "csv",
    }


@pytest.mark.parametrize(("assumed", "scores"), [("0..1", [0.5, 0.25]), ("-1..1", [0.0, -0.5]), ("0..10", [5.0, 2.5])])
def test_metrics_are_stretched_to_the_assumed_range(assumed: Any, scores: list[float]) -> None:
    provider = Provider()
    job = provider.job(provider.configured())
    work = WORK[job.kind.name]
    result = {"relevance": ((1, 0.5), (20, 0.25)), "recall": 0.75}
    found = work.members(job_context(assume=Assumptions(relevance_range=assumed)), job, result)["metrics"]
    assert found["recallMetric"] == 0.75
    assert found["relevanceMetrics"] == [
        {"audienceSize": {"type": "PERCENTAGE", "value": value}, "score": score}
        for value, score in zip((1, 20), scores, strict=True)
    ]


def test_a_training_sets_no_member_and_an_export_says_where_the_file_is() -> None:
    provider = Provider()
    model = provider.model(provider.dataset())
    export = provider.export(provider.job(provider.configured(model)))
    assert WORK[model.kind.name].members(job_context(), model, {"users": 1}) == {}
    location = {"outputLocation": "s3://b/k"}
    assert WORK[export.kind.name].members(job_context(), export, {"output_location": "s3://b/k", "rows": 2}) == location
