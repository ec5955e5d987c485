"""The IAM policy: complete, and no wider than the operations that are asked for."""

import json
import re
from typing import Any

import pytest

from schemas.aws_policies.iam import PRINCIPAL, Scope, iam_policy
from schemas.docs import render
from schemas.operations import OPERATIONS, Kind
from tests.support.iam_evaluation import allowed

HERE = Scope("aws", "eu-west-1", "111122223333")
DATASET, MODEL = ("training-dataset",), ("audience-model",)
CONFIGURED, JOB = ("configured-audience-model",), ("audience-generation-job",)
EVERY = (*DATASET, *MODEL, *CONFIGURED, *JOB)

REFERENCE: dict[str, tuple[str, ...]] = {
    "CreateAudienceModel": DATASET,
    "CreateConfiguredAudienceModel": MODEL,
    "DeleteAudienceGenerationJob": JOB,
    "DeleteAudienceModel": MODEL,
    "DeleteConfiguredAudienceModel": CONFIGURED,
    "DeleteConfiguredAudienceModelPolicy": CONFIGURED,
    "DeleteTrainingDataset": DATASET,
    "GetAudienceGenerationJob": JOB,
    "GetAudienceModel": MODEL,
    "GetConfiguredAudienceModel": CONFIGURED,
    "GetConfiguredAudienceModelPolicy": CONFIGURED,
    "GetTrainingDataset": DATASET,
    "ListTagsForResource": EVERY,
    "PutConfiguredAudienceModelPolicy": CONFIGURED,
    "StartAudienceExportJob": JOB,
    "StartAudienceGenerationJob": CONFIGURED,
    "TagResource": EVERY,
    "UnTagResource": EVERY,
    "UpdateConfiguredAudienceModel": (*CONFIGURED, *MODEL),
}
"""Resource types of each action in AWS's Service Authorization Reference, AWS Clean Rooms ML."""

NO_RESOURCE = (
    "CreateTrainingDataset",
    "ListAudienceExportJobs",  # optional: a job, if the request filters by one
    "ListAudienceGenerationJobs",  # optional: a configured model, likewise
    "ListAudienceModels",
    "ListConfiguredAudienceModels",
    "ListTrainingDatasets",
)
"""Actions for which the reference has no resource type, or an optional one: to restrict them is to refuse them."""


def _of(policy: dict[str, Any]) -> list[str]:
    """Actions of Clean Rooms ML."""
    actions = (action for statement in policy["Statement"] for action in statement["Action"])
    return sorted(action.removeprefix("cleanrooms-ml:") for action in actions if action.startswith("cleanrooms-ml:"))


def _actions(*operations: str) -> list[str]:
    return _of(iam_policy(operations))


def _arn(kind: str, region: str = HERE.region, account: str = HERE.account) -> str:
    return f"arn:aws:cleanrooms-ml:{region}:{account}:{kind}/11111111-2222-4333-8444-555555555555"


def test_the_reference_has_every_action() -> None:
    assert sorted({*REFERENCE, *NO_RESOURCE}) == sorted(
        row.action.removeprefix("cleanrooms-ml:") for row in OPERATIONS.values()
    )


@pytest.mark.parametrize("action", REFERENCE)
def test_each_action_is_allowed_for_its_resources_and_no_others(action: str) -> None:
    """By an evaluator that is not ours."""
    policy = iam_policy(scope=HERE)
    for kind in EVERY:
        assert allowed(policy, f"cleanrooms-ml:{action}", _arn(kind)) is (kind in REFERENCE[action]), kind
        elsewhere = _arn(kind, region="us-east-1")
        assert not allowed(policy, f"cleanrooms-ml:{action}", elsewhere, aws__RequestedRegion="us-east-1"), kind
        of_a_partner = action == "StartAudienceGenerationJob" and kind in CONFIGURED
        assert allowed(policy, f"cleanrooms-ml:{action}", _arn(kind, account="999900001111")) is of_a_partner, kind
    assert not allowed(policy, f"cleanrooms-ml:{action}", "*", aws__RequestedRegion=HERE.region)


@pytest.mark.parametrize("action", NO_RESOURCE)
def test_an_action_without_a_resource_is_allowed_in_one_region(action: str) -> None:
    policy = iam_policy(scope=HERE)
    assert allowed(policy, f"cleanrooms-ml:{action}", "*", aws__RequestedRegion=HERE.region)
    assert not allowed(policy, f"cleanrooms-ml:{action}", "*", aws__RequestedRegion="us-east-1")
    assert not allowed(policy, f"cleanrooms-ml:{action}", "*")


def test_a_role_is_passed_only_if_it_was_named_and_to_this_service() -> None:
    policy = iam_policy(scope=HERE, roles=["arn:aws:iam::111122223333:role/data"])
    for role, service, right in (
        ("arn:aws:iam::111122223333:role/data", PRINCIPAL, True),
        ("arn:aws:iam::111122223333:role/data", "ec2.amazonaws.com", False),
        ("arn:aws:iam::111122223333:role/admin", PRINCIPAL, False),
        ("arn:aws:iam::999900001111:role/data", PRINCIPAL, False),
    ):
        assert allowed(policy, "iam:PassRole", role, iam__PassedToService=service) is right, (role, service)


def test_nothing_else_has_a_star_for_a_resource() -> None:
    for policy in (iam_policy(), iam_policy(scope=HERE), *(iam_policy([name]) for name in OPERATIONS)):
        for statement in policy["Statement"]:
            if "*" in statement["Resource"]:
                assert {action.removeprefix("cleanrooms-ml:") for action in statement["Action"]} <= set(NO_RESOURCE)
                assert statement["Condition"]["StringEquals"]["aws:RequestedRegion"]
            for arn in statement["Resource"] if isinstance(statement["Resource"], list) else []:
                assert not re.search(r":role/\*|:iam::\*|^\*$", arn), arn
                assert ":*:" not in arn or statement["Action"] == ["cleanrooms-ml:StartAudienceGenerationJob"]


def test_what_is_tagged_while_it_is_made_is_all_that_may_be_tagged() -> None:
    policy = iam_policy(["CreateAudienceModel"], scope=HERE)
    assert [kind for kind in EVERY if allowed(policy, "cleanrooms-ml:TagResource", _arn(kind))] == [*MODEL]


def test_all_operations_need_all_actions_and_may_pass_roles_to_the_api_only() -> None:
    *_, roles = iam_policy()["Statement"]
    assert len(_actions(*OPERATIONS)) == 25, "each once"
    assert "UnTagResource" in _actions(*OPERATIONS), "IAM spells it so"
    assert roles["Action"] == ["iam:PassRole"]
    assert roles["Condition"] == {"StringEquals": {"iam:PassedToService": PRINCIPAL}}


def test_a_job_brings_what_it_is_followed_and_found_by() -> None:
    assert _actions("StartAudienceExportJob") == ["ListAudienceExportJobs", "StartAudienceExportJob"]
    assert _actions("CreateAudienceModel") == [
        "CreateAudienceModel",
        "GetAudienceModel",
        "ListAudienceModels",
        "TagResource",
    ]
    assert _actions("DeleteAudienceModel") == ["DeleteAudienceModel", "GetAudienceModel", "ListAudienceModels"]


def test_a_guarded_or_restamping_write_brings_its_witness() -> None:
    assert _actions("PutConfiguredAudienceModelPolicy") == [
        "GetConfiguredAudienceModelPolicy",
        "PutConfiguredAudienceModelPolicy",
    ]
    assert _actions("UpdateConfiguredAudienceModel") == ["GetConfiguredAudienceModel", "UpdateConfiguredAudienceModel"]


def test_a_read_brings_nothing_else() -> None:
    for row in OPERATIONS.values():
        if row.kind is Kind.READ:
            policy = iam_policy([row.name])
            assert [statement["Action"] for statement in policy["Statement"]] == [[row.action]]


def test_the_services_own_commands_bring_what_they_look_at_and_delete() -> None:
    assert "GetAudienceGenerationJob" in _actions("TrackResource")
    assert not any(name.startswith("Delete") for name in _actions("TrackResource"))
    assert {"DeleteAudienceModel", "DeleteAudienceGenerationJob", "DeleteTrainingDataset"} <= set(
        _actions("CancelCommand")
    )


@pytest.mark.parametrize(
    "name",
    [
        "CreateTrainingDataset",
        "CreateConfiguredAudienceModel",
        "UpdateConfiguredAudienceModel",
        "StartAudienceGenerationJob",
    ],
)
def test_only_these_operations_pass_roles(name: str) -> None:
    passing = {row.name for row in OPERATIONS.values() if "iam:PassRole" in str(iam_policy([row.name]))}
    assert name in passing
    assert len(passing) == 4


def test_a_policy_is_for_an_account_and_a_region() -> None:
    policy = iam_policy(["UpdateConfiguredAudienceModel"], scope=Scope("aws-cn", "r", "a"), roles=["arn:b", "arn:a"])
    both, read, roles = policy["Statement"]
    begin = "arn:aws-cn:cleanrooms-ml:r:a:"
    assert both["Resource"] == [f"{begin}audience-model/*", f"{begin}configured-audience-model/*"]
    assert read["Resource"] == [f"{begin}configured-audience-model/*"]
    assert roles["Resource"] == ["arn:a", "arn:b"]


def test_each_statement_has_a_name_of_its_own() -> None:
    for policy in (iam_policy(), *(iam_policy([name]) for name in OPERATIONS)):
        names = [statement["Sid"] for statement in policy["Statement"]]
        assert len(set(names)) == len(names)
        assert all(re.fullmatch(r"[A-Za-z0-9]+", name) for name in names)


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(KeyError):
        iam_policy(["CreateNothing"])


def test_the_policies_of_the_kinds_make_up_the_whole() -> None:
    files = render.files()
    whole = _of(json.loads(files[f"{render.GENERATED}/iam/policy.json"]))
    parts = [json.loads(files[f"{render.GENERATED}/iam/{kind}.json"]) for kind in ("read", "write", "job", "removal")]
    assert sorted({action for part in parts for action in _of(part)}) == whole
