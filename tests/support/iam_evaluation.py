"""Asks moto's evaluator of IAM, which is not ours, whether a policy allows a call; and fills in templates for it."""

import json
from collections.abc import Mapping
from typing import Any

from moto.iam.access_control import IAMPolicyStatement, PermissionResult


def allowed(policy: Mapping[str, Any], action: str, resource: str, **context: str) -> bool:
    """Whether a statement of an identity's policy allows it; names of condition keys have `__` for `:`."""
    keys = {name.replace("__", ":"): value for name, value in context.items()}
    assert all(statement["Effect"] == "Allow" for statement in policy["Statement"]), "only such are evaluated here"
    # One by one, and only if it has every key: moto takes a condition that does not hold for a refusal, and one on a
    # missing key for met. To IAM such a statement does not apply.
    answers = (
        IAMPolicyStatement(json.loads(json.dumps(one))).is_action_permitted(
            action, resource, incoming_condition_values=keys
        )
        for one in policy["Statement"]
        if {key for tests in one.get("Condition", {}).values() for key in tests} <= keys.keys()
    )
    return any(answer is PermissionResult.PERMITTED for answer in answers)


def filled_in(part: Any, values: Mapping[str, Any]) -> Any:
    """A part of a CloudFormation template with `Ref` and `Fn::Sub` replaced, as a stack would."""
    if isinstance(part, list):
        return [filled_in(one, values) for one in part]
    if not isinstance(part, dict):
        return part
    if part.keys() == {"Ref"}:
        return values[part["Ref"]]
    if part.keys() == {"Fn::Sub"}:
        text = part["Fn::Sub"]
        for name, value in values.items():
            text = text.replace(f"${{{name}}}", str(value))
        assert "${" not in text, text
        return text
    return {name: filled_in(one, values) for name, one in part.items()}
