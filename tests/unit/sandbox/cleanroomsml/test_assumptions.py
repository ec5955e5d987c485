"""Each assumption's other reading does what its page says; the page is the one that is rendered."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.cleanroomsml.assumptions import Assumptions, reference
from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from tests.support.sandbox_account import SCHEMA, World, until_gone
from tests.unit.sandbox.cleanroomsml.test_cross_account import COLLABORATION, allow

OTHERWISE = Assumptions(
    unique_names="none",
    unknown_members="ignored",
    unknown_query="refused",
    percentages="model",
    training_window="free",
    export_size="any",
    default_bins=(5, 50),
    schema_columns="free",
    seed_sources="free",
    sql_collaboration="optional",
    inactive_parent="conflict",
    policy_condition="conflict",
    delete_unfinished="accepted",
    repeated_delete="accepted",
    configured_in_use="running",
    exports_of_deleted_jobs="stay",
    seed_hidden_from="starter",
    metrics_hidden_from="nobody",
    foreign_model="missing",
    page_size=2,
    list_order="newest",
    relevance_range="0..10",
    output_format="csv",
)
SEPARATELY = {"list_lag", "reads_per_second", "writes_per_second"}


@contextmanager
def assuming(assume: Assumptions) -> Iterator[World]:
    options = Options(timing=Timing(0.05, 0.05), assume=assume, jobs_module="tests.support.quick_jobs")
    with running_sandbox(options) as url:
        world = World(url, "123456789012")
        yield world
        world.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with assuming(OTHERWISE) as world:
        yield world


@pytest.fixture
def other(shared: World) -> World:
    shared.admin("POST", "reset")
    return shared


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    response: Any = error.value.response
    return str(response["Error"]["Code"])


def test_every_switch_is_turned_here() -> None:
    plain = Assumptions()
    turned = {each.name for each in fields(plain) if getattr(plain, each.name) != getattr(OTHERWISE, each.name)}
    assert turned | SEPARATELY == {each.name for each in fields(plain)}


def test_the_page_is_up_to_date() -> None:
    page = Path(__file__).parents[4] / "docs" / "sandbox" / "assumptions.md"
    assert page.read_text("utf-8") == reference(), "run `make render`"


def test_names_schemas_pages_and_order(other: World) -> None:
    first, second = other.dataset(), other.dataset()
    last = other.dataset(trainingData=[data(SCHEMA[:1])])
    page = other.ml.list_training_datasets()
    assert [each["trainingDatasetArn"] for each in page["trainingDatasets"]] == [last, second]
    rest = other.ml.list_training_datasets(nextToken=page["nextToken"])
    assert [each["trainingDatasetArn"] for each in rest["trainingDatasets"]] == [first]
    assert "nextToken" not in rest


def data(schema: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"glueDataSource": {"databaseName": "films", "tableName": "ratings"}}
    return {"type": "INTERACTIONS", "inputConfig": {"schema": schema, "dataSource": source}}


def test_bins_relevance_and_form_of_the_output(other: World) -> None:
    job = other.active_job()
    got = other.ml.get_audience_generation_job(audienceGenerationJobArn=job)
    assert [each["audienceSize"]["value"] for each in got["metrics"]["relevanceMetrics"]] == [5, 50]
    assert [each["score"] for each in got["metrics"]["relevanceMetrics"]] == [10 / 5, 10 / 50]
    assert "seedAudience" not in got, "the account that started the job"
    other.export(job)
    assert other.until_export(job)["outputLocation"].endswith("part-00000.csv")
    configured = got["configuredAudienceModelArn"]
    other.ml.delete_configured_audience_model(configuredAudienceModelArn=configured)
    other.ml.delete_audience_generation_job(audienceGenerationJobArn=job)
    other.ml.delete_audience_generation_job(audienceGenerationJobArn=job)
    missing = other.ml.exceptions.ResourceNotFoundException
    until_gone(lambda: other.ml.get_audience_generation_job(audienceGenerationJobArn=job), missing)
    [export] = other.ml.list_audience_export_jobs()["audienceExportJobs"]
    assert export["audienceGenerationJobArn"] == job


def test_sizes_beyond_the_text_and_beyond_the_configured_model(other: World) -> None:
    bins = {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [50, 150]}
    job = other.job(other.configured(audienceSizeConfig=bins), other.put_seed())
    assert other.until_job(job)["status"] == "ACTIVE"
    other.export(job, value=7)
    assert other.until_export(job)["status"] == "ACTIVE"


def test_a_window_that_ends_before_it_starts(other: World) -> None:
    start, end = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
    arn = other.model(trainingDataStartTime=start, trainingDataEndTime=end)
    assert other.until_model(arn)["trainingDataEndTime"] == end


def test_a_query_parameter_that_nobody_knows(other: World) -> None:
    def add(request: Any, **_: Any) -> None:
        request.url += "?X-Amz-Security-Token=t&colour=red"

    event = "before-sign.cleanroomsml.ListAudienceModels"
    other.ml.meta.events.register(event, add)
    try:
        with pytest.raises(ClientError, match="colour") as error:
            other.ml.list_audience_models()
    finally:
        other.ml.meta.events.unregister(event, add)
    assert code(error) == "ValidationException"
    assert "X-Amz" not in str(error.value)


def test_a_seed_of_neither_or_of_sql_without_collaboration(other: World) -> None:
    configured = other.configured(sharedAudienceMetrics=["NONE"])
    sql = {"roleArn": other.role, "sqlParameters": {"queryString": "SELECT 1"}}
    done = other.until_job(other.job(configured, "", seedAudience=sql))
    assert done["status"] == "ACTIVE"
    assert "metrics" in done
    other.until_job(other.job(configured, other.put_seed(), seedAudience={"roleArn": other.role}))


def test_conflicts_instead_of_validation(other: World) -> None:
    configured = other.configured()
    with pytest.raises(ClientError) as error:
        other.ml.put_configured_audience_model_policy(
            configuredAudienceModelArn=configured,
            configuredAudienceModelPolicy='{"Statement": []}',
            policyExistenceCondition="POLICY_MUST_EXIST",
        )
    assert code(error) == "ConflictException"
    other.fault("stuck", "CreateAudienceModel")
    with pytest.raises(ClientError) as error:
        other.configured(other.model())
    assert code(error) == "ConflictException"


def test_an_unfinished_model_is_deleted(other: World) -> None:
    arn = other.model(other.dataset(table="slow"))
    other.ml.delete_audience_model(audienceModelArn=arn)
    assert other.ml.get_audience_model(audienceModelArn=arn)["status"] == "DELETE_PENDING"
    missing = other.ml.exceptions.ResourceNotFoundException
    until_gone(lambda: other.ml.get_audience_model(audienceModelArn=arn), missing)


def test_a_foreign_model_that_is_missing_or_a_job_that_both_see(other: World) -> None:
    guest = World(other.url, "999988887777")
    seed = guest.put_seed()
    configured = other.configured()
    with pytest.raises(ClientError) as error:
        guest.job(configured + "x", seed)
    assert code(error) == "ResourceNotFoundException"
    allow(other, configured, guest)
    arn = guest.job(configured, seed, collaborationId=COLLABORATION)
    assert "seedAudience" not in guest.until_job(arn)
    seen = other.ml.get_audience_generation_job(audienceGenerationJobArn=arn.replace(guest.account, other.account))
    assert "seedAudience" in seen
    guest.close()


def test_unknown_members_are_ignored(other: World) -> None:
    client = other.client("cleanroomsml", config=Config(parameter_validation=False))

    def add(request: Any, **_: Any) -> None:
        document = json.loads(request.data) | {"banana": 1}
        request.data = json.dumps(document).encode()
        request.headers["Content-Length"] = str(len(request.data))

    client.meta.events.register("before-sign", add)
    assert client.create_training_dataset(name="d", roleArn=other.role, trainingData=[data(SCHEMA)])


def test_lag_and_rates() -> None:
    with assuming(replace(Assumptions(), list_lag=30.0, reads_per_second=0.001, writes_per_second=2.0)) as world:
        world.dataset("a")
        world.dataset("b")
        assert world.ml.list_training_datasets()["trainingDatasets"] == []
        throttled = world.ml.exceptions.ThrottlingException
        with pytest.raises(throttled, match="Rate exceeded"):
            world.ml.list_training_datasets()
        elsewhere = World(world.url, world.account, "us-east-1")
        elsewhere.ml.list_training_datasets()
        elsewhere.close()
