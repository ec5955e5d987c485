"""The conditions on which a policy is put, replaced or deleted."""

import pytest

from tests.support.sandbox_account import World

EMPTY = '{"Version": "2012-10-17", "Statement": []}'


def test_hash_and_existence_conditions(world: World) -> None:
    arn = world.configured()

    def put(policy: str, **conditions: str) -> str:
        answer = world.ml.put_configured_audience_model_policy(
            configuredAudienceModelArn=arn, configuredAudienceModelPolicy=policy, **conditions
        )
        return str(answer["policyHash"])

    refused = world.ml.exceptions.ValidationException
    with pytest.raises(refused, match="Policy does not exist"):
        put(EMPTY, policyExistenceCondition="POLICY_MUST_EXIST")
    with pytest.raises(refused, match="hash of the current policy"):
        put(EMPTY, previousPolicyHash="0" * 64)
    first = put(EMPTY, policyExistenceCondition="POLICY_MUST_NOT_EXIST")
    with pytest.raises(refused, match="Policy already exists"):
        put(EMPTY, policyExistenceCondition="POLICY_MUST_NOT_EXIST")
    second = put('{"Statement": []}', previousPolicyHash=first, policyExistenceCondition="POLICY_MUST_EXIST")
    assert second != first
    with pytest.raises(refused, match="hash of the current policy"):
        put('{"Statement": []}', previousPolicyHash=first)
    with pytest.raises(refused, match="valid JSON"):
        put("not json")
