"""Conditions on a policy, and what a policy allows another account."""

import json

import pytest

from tests.support.sandbox_account import World, until_gone

COLLABORATION = "6b1f0c52-0000-4000-8000-0123456789ab"


def test_hash_and_existence_conditions(world: World) -> None:
    arn = world.configured()

    def put(policy: str, **conditions: str) -> str:
        answer = world.ml.put_configured_audience_model_policy(
            configuredAudienceModelArn=arn, configuredAudienceModelPolicy=policy, **conditions
        )
        return str(answer["policyHash"])

    refused = world.ml.exceptions.ValidationException
    with pytest.raises(refused, match="Policy does not exist"):
        put("{}", policyExistenceCondition="POLICY_MUST_EXIST")
    with pytest.raises(refused, match="hash of the current policy"):
        put("{}", previousPolicyHash="0" * 64)
    first = put("{}", policyExistenceCondition="POLICY_MUST_NOT_EXIST")
    with pytest.raises(refused, match="Policy already exists"):
        put("{}", policyExistenceCondition="POLICY_MUST_NOT_EXIST")
    second = put('{"Statement": []}', previousPolicyHash=first, policyExistenceCondition="POLICY_MUST_EXIST")
    assert second != first
    with pytest.raises(refused, match="hash of the current policy"):
        put('{"Statement": []}', previousPolicyHash=first)
    with pytest.raises(refused, match="valid JSON"):
        put("not json")


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
