"""The verb `create`: what may be made of what, how many, and what a new resource begins with."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.errors import AccessDenied, ApiError, Conflict, NotFound, QuotaExceeded, ValidationError
from sandbox.cleanroomsml.options import Options, Quotas
from sandbox.cleanroomsml.resources import FAILED, IN_PROGRESS, PENDING, Resource
from tests.support.sandbox_account import World
from tests.support.sandbox_provider import ACCOUNT, COLLABORATION, OTHER, Provider, role


def failure(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response: Any = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_conflict_for_documented_names_only(world: World) -> None:
    dataset = world.dataset()
    with pytest.raises(world.ml.exceptions.ConflictException) as error:
        world.dataset()
    assert failure(error)[:2] == (409, "ConflictException")
    model = world.active_model(dataset=dataset)
    assert model != world.active_model(dataset=dataset)
    configured, seed = world.configured(model), world.put_seed()
    assert configured != world.configured(model)
    world.until_job(world.job(configured, seed))
    with pytest.raises(world.ml.exceptions.ConflictException):
        world.job(configured, seed)


def test_quota_of_pending_models(world: World) -> None:
    world.fault("stuck", "CreateAudienceModel", count=2)
    dataset = world.dataset()
    world.model(dataset)
    world.model(dataset)
    with pytest.raises(world.ml.exceptions.ServiceQuotaExceededException) as error:
        world.model(dataset)
    assert failure(error)[:2] == (402, "ServiceQuotaExceededException")
    assert error.value.response["quotaValue"] == 2
    assert "audience models" in error.value.response["quotaName"]


def test_quotas_of_jobs(world: World) -> None:
    world.fault("stuck", "Start*", count=None)
    configured, seed = world.configured(), world.put_seed()
    for n in range(10):
        world.job(configured, seed, name=f"g{n}")
    with pytest.raises(world.ml.exceptions.ServiceQuotaExceededException) as error:
        world.job(configured, seed)
    assert error.value.response["quotaValue"] == 10


def test_quota_of_exports(world: World) -> None:
    job = world.active_job()
    world.fault("stuck", "StartAudienceExportJob", count=20)
    for n in range(20):
        world.export(job, name=f"e{n}")
    with pytest.raises(world.ml.exceptions.ServiceQuotaExceededException) as error:
        world.export(job)
    assert error.value.response["quotaValue"] == 20


def test_a_parent_must_be_active(world: World) -> None:
    world.fault("stuck", "CreateAudienceModel")
    with pytest.raises(world.ml.exceptions.ValidationException, match="must be ACTIVE"):
        world.configured(world.model())


def test_export_size_must_be_a_bin(world: World) -> None:
    job = world.active_job()
    for size in ({"type": "PERCENTAGE", "value": 3}, {"type": "ABSOLUTE", "value": 5}):
        with pytest.raises(world.ml.exceptions.ValidationException, match="'audienceSize'"):
            world.export(job, audienceSize=size)


def open_to_all(configured: Resource) -> None:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": configured.arn}
    configured.policy = json.dumps({"Statement": [statement]})


def assuming(**assume: Any) -> Options:
    return Options(assume=Assumptions(**assume))


def test_a_resource_without_a_job_is_active_at_once_and_one_with_a_job_is_begun() -> None:
    provider = Provider()
    dataset = provider.dataset()
    assert dataset.status == "ACTIVE"
    outcome = provider.perform("CreateAudienceModel", name="m", trainingDatasetArn=dataset.arn)
    model = outcome.resource
    assert model is not None
    assert (model.status, outcome.created) == (PENDING, True)
    assert outcome.result == {"audienceModelArn": model.arn}
    assert provider.lifecycle.begun == [(model, None)]


def test_the_fault_of_a_job_is_handed_to_it() -> None:
    provider = Provider()
    dataset = provider.dataset()
    provider.faults.arm({"fault": "create_failed", "operation": "CreateAudienceModel"})
    model = provider.model(dataset)
    assert provider.lifecycle.begun == [(model, "create_failed")]


def test_members_that_are_left_out_get_their_defaults_and_no_two_resources_share_them() -> None:
    provider = Provider(assuming(default_bins=(3, 30)))
    model = provider.model(provider.dataset())
    output = {"destination": {"s3Destination": {"s3Uri": "s3://b"}}, "roleArn": role(ACCOUNT)}
    params: dict[str, Any] = {"audienceModelArn": model.arn, "outputConfig": output, "sharedAudienceMetrics": ["ALL"]}
    first, second = (provider.made("CreateConfiguredAudienceModel", name=name, **params) for name in "ab")
    assert first.attributes["minMatchingSeedSize"] == 500
    assert first.attributes["childResourceTagOnCreatePolicy"] == "NONE"
    sizes = first.attributes["audienceSizeConfig"]
    assert sizes == {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [3, 30]}
    sizes["audienceSizeBins"].append(99)
    assert second.attributes["audienceSizeConfig"]["audienceSizeBins"] == [3, 30]


@pytest.mark.parametrize("kind", ["dataset", "configured", "job"])
def test_a_role_of_another_account_cannot_be_passed(kind: str) -> None:
    provider = Provider()
    foreign = role(OTHER)
    configured = provider.configured()
    made = {
        "dataset": lambda: provider.dataset(name="d2", roleArn=foreign),
        "configured": lambda: provider.configured(
            provider.model(provider.dataset(name="d2")),
            outputConfig={"destination": {"s3Destination": {"s3Uri": "s3://b"}}, "roleArn": foreign},
        ),
        "job": lambda: provider.job(
            configured, seedAudience={"roleArn": foreign, "dataSource": {"s3Uri": "s3://seeds/s"}}
        ),
    }
    with pytest.raises(AccessDenied, match=r"Cross-account pass role.*roleArn is not in account"):
        made[kind]()


@pytest.mark.parametrize(
    ("assumed", "error"), [("validation", ValidationError), ("conflict", Conflict)], ids=["validation", "conflict"]
)
@pytest.mark.parametrize("status", [PENDING, IN_PROGRESS, FAILED, "DELETE_PENDING"])
def test_nothing_is_made_of_what_is_not_active(assumed: str, error: type[ApiError], status: str) -> None:
    provider = Provider(assuming(inactive_parent=assumed))
    model = provider.model(provider.dataset(), status)
    with pytest.raises(error, match=f"must be ACTIVE, it is {status}"):
        provider.configured(model)


def test_a_parent_of_another_kind_or_region_is_not_found() -> None:
    provider = Provider()
    dataset = provider.dataset()
    for region in ("us-east-1", "eu-west-1"):
        arn = dataset.arn if region == "us-east-1" else dataset.arn[:-1]
        with pytest.raises(NotFound):
            provider.perform("CreateAudienceModel", name="m", trainingDatasetArn=arn, region=region)
    assert provider.lifecycle.begun == []


@pytest.mark.parametrize(
    ("assumed", "taken"), [("documented", [True, False]), ("all", [True, True]), ("none", [False, False])]
)
def test_names_are_unique_per_kind_account_and_region_as_assumed(assumed: str, taken: list[bool]) -> None:
    provider = Provider(assuming(unique_names=assumed))
    dataset = provider.dataset(name="same")
    provider.model(dataset, name="same")
    provider.dataset(OTHER, name="same")
    provider.dataset(name="same", region="us-east-1")
    makes: list[Callable[[], Resource]] = [
        lambda: provider.dataset(name="same"),
        lambda: provider.model(dataset, name="same"),
    ]
    for make, refused in zip(makes, taken, strict=True):
        if refused:
            with pytest.raises(Conflict, match="with this name already exists"):
                make()
        else:
            make()
    provider.model(dataset, name="Same")


def test_only_running_jobs_of_the_callers_account_and_region_fill_a_quota() -> None:
    provider = Provider(Options(quotas=Quotas(audience_models=2)))
    dataset = provider.dataset()
    provider.model(dataset, PENDING)
    running = provider.model(dataset, IN_PROGRESS)
    provider.model(provider.dataset(OTHER), PENDING)
    with pytest.raises(QuotaExceeded) as error:
        provider.model(dataset)
    assert error.value.body["quotaName"] == "Pending or in-progress audience models"
    assert error.value.body["quotaValue"] == 2
    running.change(status=FAILED)
    assert provider.model(dataset).status == "ACTIVE"


def test_a_job_of_another_account_counts_where_it_was_started() -> None:
    """The other account's view is no second job."""
    provider = Provider(Options(quotas=Quotas(generation_jobs=1)))
    configured = provider.configured()
    open_to_all(configured)
    provider.job(configured, OTHER, PENDING)
    with pytest.raises(QuotaExceeded):
        provider.job(configured, OTHER, name="g2")
    provider.job(configured, ACCOUNT, PENDING)


def test_exports_are_counted_per_generation_job_and_failed_ones_are_not() -> None:
    provider = Provider(Options(quotas=Quotas(exports_per_generation_job=2)))
    configured = provider.configured()
    first, second = (provider.job(configured, name=name) for name in "ab")
    exports: list[Resource] = [provider.export(first) for _ in range(2)]
    with pytest.raises(QuotaExceeded, match="per audience generation job"):
        provider.export(first)
    provider.export(second)
    exports[0].change(status=FAILED)
    provider.export(first)


@pytest.mark.parametrize("assumed", ["configured", "any"])
@pytest.mark.parametrize("size", [{"type": "PERCENTAGE", "value": 3}, {"type": "ABSOLUTE", "value": 5}])
def test_the_size_of_an_export_is_one_of_the_configured_model_if_so_assumed(assumed: str, size: dict[str, Any]) -> None:
    provider = Provider(assuming(export_size=assumed))
    job = provider.job(provider.configured())
    if assumed == "any":
        assert provider.export(job, audienceSize=size).attributes["audienceSize"] == size
    else:
        with pytest.raises(ValidationError, match="'audienceSize'"):
            provider.export(job, audienceSize=size)


def test_an_export_is_measured_by_what_the_configured_model_was_when_its_job_began() -> None:
    provider = Provider()
    configured = provider.configured()
    job = provider.job(configured)
    sizes = {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [7]}
    provider.perform(
        "UpdateConfiguredAudienceModel", configuredAudienceModelArn=configured.arn, audienceSizeConfig=sizes
    )
    provider.export(job)
    with pytest.raises(ValidationError):
        provider.export(job, audienceSize={"type": "PERCENTAGE", "value": 7})


def test_a_later_change_of_the_parent_does_not_reach_its_job() -> None:
    provider = Provider()
    configured = provider.configured()
    job = provider.job(configured)
    configured.attributes["audienceSizeConfig"]["audienceSizeBins"].append(99)
    configured.change(minMatchingSeedSize=400)
    assert job.origin["audienceSizeConfig"]["audienceSizeBins"] == [1, 2, 5, 10, 20]
    assert job.origin["minMatchingSeedSize"] == 25


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("FROM_PARENT_RESOURCE", {"a": "parent", "b": "own", "c": "own"}), ("NONE", {"b": "own", "c": "own"})],
)
def test_a_job_inherits_tags_by_the_configured_models_policy(policy: str, expected: dict[str, str]) -> None:
    provider = Provider()
    configured = provider.configured(tags={"a": "parent", "b": "parent"}, childResourceTagOnCreatePolicy=policy)
    job = provider.job(configured, tags={"b": "own", "c": "own"})
    assert job.attributes["tags"] == expected
    assert configured.attributes["tags"] == {"a": "parent", "b": "parent"}


def test_a_job_says_who_started_it_and_which_query_it_ran() -> None:
    provider = Provider()
    configured = provider.configured()
    by_file = provider.job(configured)
    sql = {"roleArn": role(ACCOUNT), "sqlParameters": {"queryString": "select user_id from t"}}
    by_query = provider.job(configured, name="q", seedAudience=sql, collaborationId=COLLABORATION)
    assert by_file.attributes["startedBy"] == by_query.attributes["startedBy"] == ACCOUNT
    assert "protectedQueryIdentifier" not in by_file.attributes
    assert by_query.attributes["protectedQueryIdentifier"] == by_query.identity


def test_an_export_through_either_view_reads_the_one_audience() -> None:
    provider = Provider()
    configured = provider.configured()
    open_to_all(configured)
    job = provider.job(configured, OTHER)
    assert job.twin is not None
    exports = [provider.export(view) for view in (job, job.twin)]
    assert [each.origin["dataArn"] for each in exports] == [job.arn] * 2


def test_what_is_refused_leaves_nothing_behind() -> None:
    provider = Provider()
    dataset = provider.dataset()
    with pytest.raises(Conflict):
        provider.dataset()
    assert list(provider.store) == [dataset]
