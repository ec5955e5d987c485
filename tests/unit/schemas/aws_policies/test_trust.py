"""Trust policies: who comes, under which names and with which tags, and nobody else."""

import json
from typing import Any

from schemas.aws_policies import trust

OWN = "arn:aws:iam::999900001111:role/pod"


def by_sid(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {statement["Sid"]: statement for statement in document["Statement"]}


def test_a_role_without_conditions_trusts_the_service_alone() -> None:
    document = trust.assumed_role_trust(OWN)
    assert document["Version"] == "2012-10-17"
    assert by_sid(document) == {
        sid: {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": OWN}, "Action": [action]}
        for sid, action in {"Assume": "sts:AssumeRole", "Tag": "sts:TagSession"}.items()
    }


def test_each_condition_stands_with_the_action_that_it_is_about() -> None:
    found = by_sid(
        trust.assumed_role_trust(
            OWN, external_id="ours", source_identity="crml", session_names=("b-*", "a"), tags={"team": "ads"}
        )
    )
    assert {sid: one["Condition"] for sid, one in found.items()} == {
        "Assume": {"StringEquals": {"sts:ExternalId": "ours"}, "StringLike": {"sts:RoleSessionName": ["a", "b-*"]}},
        "Tag": {"StringEqualsIfExists": {"aws:RequestTag/team": "ads"}},
        "Identify": {"StringEquals": {"sts:SourceIdentity": "crml"}},
    }
    assert found["Identify"]["Action"] == ["sts:SetSourceIdentity"]


def test_the_right_to_become_others() -> None:
    plain = trust.assume_statement(["arn:b", "arn:a"])
    assert (plain["Action"], plain["Resource"]) == (["sts:AssumeRole", "sts:TagSession"], ["arn:a", "arn:b"])
    assert trust.assume_statement([], source_identity=True)["Action"][-1] == "sts:SetSourceIdentity"


def test_templates_have_every_kind_and_mark_what_is_to_be_filled_in() -> None:
    found = trust.templates()
    assert set(found) == {"trust-target-role", "trust-pod-identity", "trust-web-identity"}
    for name, document in found.items():
        assert "<" in json.dumps(document), name
        assert all(statement["Effect"] == "Allow" for statement in document["Statement"])


def test_the_pods_own_role() -> None:
    cluster = "arn:aws:eks:eu-west-1:999900001111:cluster/main"
    [pod] = trust.pod_identity_trust(cluster, "999900001111", "ml", "crml")["Statement"]
    assert pod["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert pod["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert pod["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": "999900001111",
            "aws:RequestTag/eks-cluster-arn": cluster,
            "aws:RequestTag/kubernetes-namespace": "ml",
            "aws:RequestTag/kubernetes-service-account": "crml",
        }
    }
    issuer = "oidc.eks.eu-west-1.amazonaws.com/id/ABC"
    [web] = trust.web_identity_trust(f"arn:aws:iam::999900001111:oidc-provider/{issuer}", "ml", "crml")["Statement"]
    assert web["Action"] == ["sts:AssumeRoleWithWebIdentity"]
    assert web["Condition"]["StringEquals"] == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "system:serviceaccount:ml:crml",
    }
