"""Generation jobs across accounts: what a policy allows, and what either account sees of a job."""

import json
from typing import Any

import pytest

from sandbox.cleanroomsml import cross_account
from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.errors import AccessDenied, NotFound
from sandbox.cleanroomsml.options import Options
from tests.support.sandbox_account import World, until_gone
from tests.support.sandbox_provider import ACCOUNT, OTHER, Provider

COLLABORATION = "6b1f0c52-0000-4000-8000-0123456789ab"


@pytest.fixture
def partner(sandbox_url: str, world: World):  # type: ignore[no-untyped-def]
    partner = World(sandbox_url, str(int(world.account) + 500_000_000_000))
    yield partner
    partner.close()


def allow(owner: World, configured: str, guest: World, effect: str = "Allow") -> None:
    statement = {
        "Effect": effect,
        "Principal": {"AWS": [guest.account]},
        "Action": ["cleanrooms-ml:StartAudienceGenerationJob"],
        "Resource": [configured],
        "Condition": {"StringEquals": {"cleanrooms-ml:CollaborationId": COLLABORATION}},
    }
    owner.ml.put_configured_audience_model_policy(
        configuredAudienceModelArn=configured, configuredAudienceModelPolicy=json.dumps({"Statement": [statement]})
    )


def test_another_account_needs_the_policy(world: World, partner: World) -> None:
    configured, seed = world.configured(), partner.put_seed()
    denied = partner.ml.exceptions.AccessDeniedException
    with pytest.raises(denied):
        partner.job(configured, seed, collaborationId=COLLABORATION)
    allow(world, configured, partner)
    with pytest.raises(denied):
        partner.job(configured, seed)
    allow(world, configured, partner, "Deny")
    with pytest.raises(denied):
        partner.job(configured, seed, collaborationId=COLLABORATION)


def test_one_execution_two_views(world: World, partner: World) -> None:
    configured = world.configured(tags={"owner": "b"}, childResourceTagOnCreatePolicy="FROM_PARENT_RESOURCE")
    allow(world, configured, partner)
    arn = partner.job(configured, partner.put_seed(), collaborationId=COLLABORATION, tags={"own": "a"})
    own = partner.until_job(arn)
    assert own["status"] == "ACTIVE"
    assert own["tags"] == {"own": "a"}
    assert "seedAudience" in own

    other = arn.replace(partner.account, world.account)
    seen = world.until_job(other)
    assert seen["name"] == f"{partner.account}-g"
    assert seen["startedBy"] == partner.account
    assert seen["tags"] == {"owner": "b"}
    assert "seedAudience" not in seen
    assert seen["metrics"] == own["metrics"]

    world.bucket()
    world.export(other)
    assert world.until_export(other)["status"] == "ACTIVE"
    world.ml.delete_audience_generation_job(audienceGenerationJobArn=other)
    missing = partner.ml.exceptions.ResourceNotFoundException
    until_gone(lambda: partner.ml.get_audience_generation_job(audienceGenerationJobArn=arn), missing)
    assert world.ml.list_audience_generation_jobs()["audienceGenerationJobs"] == []


def policy(configured: str, **more: Any) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": [OTHER]},
        "Action": "cleanrooms-ml:StartAudienceGenerationJob",
        "Resource": configured,
    }
    return json.dumps({"Statement": [statement | more]})


def asked(provider: Provider, arn: str, **more: Any) -> Any:
    call = provider.call("StartAudienceGenerationJob", account=OTHER, **{"configuredAudienceModelArn": arn} | more)
    return cross_account.foreign_model(provider.context, arn, call)


@pytest.mark.parametrize(
    ("conditions", "collaboration", "allowed"),
    [
        ({}, None, True),
        ({"cleanrooms-ml:CollaborationId": COLLABORATION}, COLLABORATION, True),
        ({"cleanrooms-ml:CollaborationId": COLLABORATION}, "another", False),
        ({"cleanrooms-ml:CollaborationId": COLLABORATION}, None, False),
        ({"aws:PrincipalAccount": OTHER, "aws:RequestedRegion": "eu-west-1"}, None, True),
        ({"aws:PrincipalAccount": ACCOUNT}, None, False),
        ({"aws:RequestedRegion": "us-east-1"}, None, False),
    ],
)
def test_a_policys_conditions_are_compared_with_the_request(
    conditions: dict[str, str], collaboration: str | None, allowed: bool
) -> None:
    provider = Provider()
    configured = provider.configured()
    configured.policy = policy(configured.arn, **({"Condition": {"StringEquals": conditions}} if conditions else {}))
    more = {"collaborationId": collaboration} if collaboration else {}
    if allowed:
        assert asked(provider, configured.arn, **more) is configured
    else:
        with pytest.raises(AccessDenied, match=f"Account {OTHER} is not authorized"):
            asked(provider, configured.arn, **more)


def test_no_policy_and_another_region_are_closed() -> None:
    provider = Provider()
    configured = provider.configured()
    with pytest.raises(AccessDenied):
        asked(provider, configured.arn)
    configured.policy = policy(configured.arn)
    with pytest.raises(AccessDenied):
        asked(provider, configured.arn, region="us-east-1")


def test_another_kind_of_resource_is_never_open() -> None:
    provider = Provider()
    model = provider.model(provider.dataset())
    model.policy = policy(model.arn)
    with pytest.raises(AccessDenied):
        asked(provider, model.arn)


@pytest.mark.parametrize(("assumed", "error"), [("denied", AccessDenied), ("missing", NotFound)])
def test_a_model_that_does_not_exist(assumed: Any, error: type[Exception]) -> None:
    provider = Provider(Options(assume=Assumptions(foreign_model=assumed)))
    with pytest.raises(error):
        asked(provider, f"arn:aws:cleanrooms-ml:eu-west-1:{ACCOUNT}:configured-audience-model/none")


def test_the_other_view_is_joined_and_has_its_own_name_and_tags() -> None:
    provider = Provider()
    configured = provider.configured()
    configured.policy = policy(configured.arn)
    job = provider.job(configured, OTHER, "CREATE_PENDING", name="night", tags={"own": "1"})
    assert job.twin is not None
    view = job.twin
    assert (view.twin, view.lead, job.lead) == (job, False, True)
    assert (view.account, view.identity, view.name) == (ACCOUNT, job.identity, f"{OTHER}-night")
    assert (view.attributes["tags"], job.attributes["tags"]) == ({}, {"own": "1"})
    assert view.attributes["audienceGenerationJobArn"] == view.arn != job.arn
    begun = [each for each, _ in provider.lifecycle.begun if each.kind is job.kind]
    assert begun == [job], "one execution"


@pytest.mark.parametrize(
    ("viewer", "shared", "assume", "hidden"),
    [
        ("starter", "ALL", {}, set()),
        ("starter", "NONE", {}, {"metrics"}),
        ("starter", "NONE", {"metrics_hidden_from": "nobody"}, set()),
        ("starter", "ALL", {"seed_hidden_from": "starter"}, {"seedAudience"}),
        ("starter", "NONE", {"seed_hidden_from": "starter"}, {"seedAudience", "metrics"}),
        ("owner", "ALL", {}, {"seedAudience"}),
        ("owner", "NONE", {}, {"seedAudience"}),
        ("owner", "NONE", {"seed_hidden_from": "starter"}, set()),
    ],
)
def test_what_either_account_may_not_see(viewer: str, shared: str, assume: dict[str, Any], hidden: set[str]) -> None:
    provider = Provider()
    configured = provider.configured(sharedAudienceMetrics=[shared])
    configured.policy = policy(configured.arn)
    job = provider.job(configured, OTHER)
    assert job.twin is not None
    assert cross_account.hidden(job if viewer == "starter" else job.twin, Assumptions(**assume)) == hidden
