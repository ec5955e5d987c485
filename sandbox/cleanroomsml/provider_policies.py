"""The verbs of a configured model's resource policy."""

import hashlib

from sandbox.cleanroomsml.context import Call, Context, Outcome, named, refusal
from sandbox.cleanroomsml.errors import ApiError, NotFound
from sandbox.cleanroomsml.resources import Resource


def _hash(policy: str) -> str:
    return hashlib.sha256(policy.encode()).hexdigest()


def _describe(resource: Resource) -> dict[str, str]:
    if resource.policy is None:
        raise NotFound(f"Resource {resource.arn} has no policy")
    return {
        resource.kind.identity: resource.arn,
        "configuredAudienceModelPolicy": resource.policy,
        "policyHash": _hash(resource.policy),
    }


def put(context: Context, call: Call) -> Outcome:
    """Replace the policy if the conditions hold."""

    def unmet(member: str, problem: str) -> ApiError:
        return refusal(context.options.assume.policy_condition, member, problem)

    resource = named(context, call)
    condition = call.params.get("policyExistenceCondition")
    if condition == "POLICY_MUST_EXIST" and resource.policy is None:
        raise unmet("policyExistenceCondition", "Policy does not exist")
    if condition == "POLICY_MUST_NOT_EXIST" and resource.policy is not None:
        raise unmet("policyExistenceCondition", "Policy already exists")
    expected = call.params.get("previousPolicyHash")
    if expected is not None and (resource.policy is None or _hash(resource.policy) != expected):
        raise unmet("previousPolicyHash", "Member must be the hash of the current policy")
    resource.policy = call.params["configuredAudienceModelPolicy"]
    return Outcome(_describe(resource), resource)


def get(context: Context, call: Call) -> Outcome:
    """Return the policy and its hash."""
    resource = named(context, call)
    return Outcome(_describe(resource), resource)


def delete(context: Context, call: Call) -> Outcome:
    """Remove the policy."""
    resource = named(context, call)
    _describe(resource)
    resource.policy = None
    return Outcome(resource=resource)
