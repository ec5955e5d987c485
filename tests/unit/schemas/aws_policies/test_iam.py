"""The IAM policy: complete, and no wider than the operations that are asked for."""

import json

import pytest

from schemas.aws_policies.iam import PRINCIPAL, iam_policy
from schemas.docs import render
from schemas.operations import OPERATIONS, Kind


def _actions(*operations: str) -> list[str]:
    (statement, *_) = iam_policy(operations)["Statement"]
    return [action.removeprefix("cleanrooms-ml:") for action in statement["Action"]]


def test_all_operations_need_all_actions_and_may_pass_roles_to_the_api_only() -> None:
    actions, roles = iam_policy()["Statement"]
    assert actions["Action"] == sorted(row.action for row in OPERATIONS.values())
    assert len(actions["Action"]) == 25
    assert "cleanrooms-ml:UnTagResource" in actions["Action"], "IAM spells it so"
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
    assert len(iam_policy([name])["Statement"]) == 2
    passing = {row.name for row in OPERATIONS.values() if len(iam_policy([row.name])["Statement"]) == 2}
    assert name in passing
    assert len(passing) == 4


def test_a_policy_can_be_restricted() -> None:
    actions, roles = iam_policy(["UpdateConfiguredAudienceModel"], resource="arn:x", roles=["arn:b", "arn:a"])[
        "Statement"
    ]
    assert actions["Resource"] == "arn:x"
    assert roles["Resource"] == ["arn:a", "arn:b"]


def test_what_names_no_resource_is_not_restricted_to_one() -> None:
    """As in the Service Authorization Reference, where these have no resource type, or an optional one."""
    bound, unbound, _ = iam_policy(resource="arn:aws:cleanrooms-ml:eu-west-1:111122223333:*")["Statement"]
    assert unbound["Resource"] == "*"
    assert unbound["Action"] == [
        "cleanrooms-ml:CreateTrainingDataset",
        "cleanrooms-ml:ListAudienceExportJobs",
        "cleanrooms-ml:ListAudienceGenerationJobs",
        "cleanrooms-ml:ListAudienceModels",
        "cleanrooms-ml:ListConfiguredAudienceModels",
        "cleanrooms-ml:ListTrainingDatasets",
    ]
    assert len(bound["Action"]) == 25 - 6
    assert bound["Resource"] == "arn:aws:cleanrooms-ml:eu-west-1:111122223333:*"


def test_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(KeyError):
        iam_policy(["CreateNothing"])


def test_the_policies_of_the_kinds_make_up_the_whole() -> None:
    files = render.files()
    whole = json.loads(files[f"{render.GENERATED}/iam/policy.json"])["Statement"][0]["Action"]
    parts = [
        json.loads(files[f"{render.GENERATED}/iam/{kind}.json"])["Statement"][0]["Action"]
        for kind in ("read", "write", "job", "removal")
    ]
    assert sorted({action for part in parts for action in part}) == whole
