"""The IAM documents for given settings: what the tenants' operations need, no more, and who may become whom."""

import json
from collections.abc import Iterable
from typing import Any

import pytest

from schemas.operations import OPERATIONS
from service.adapters.aws.credentials import assumption
from service.operator.access.iam_policies import documents, operations
from service.runtime.ports import Cause
from service.settings import Settings, load

POD = "arn:aws:iam::999900001111:role/pod"
EU = {
    "CRML_TARGETS__EU__REGION": "eu-west-1",
    "CRML_TARGETS__EU__ROLE_ARN": "arn:aws:iam::111122223333:role/crml",
    "CRML_TARGETS__EU__EXTERNAL_ID": "ours",
    "CRML_TARGETS__EU__SESSION_NAME": "n" * 50,
    "CRML_TARGETS__EU__SESSION_TAGS": "team=ads",
    "CRML_TARGETS__EU__TENANT_TAG": "tenant",
    "CRML_TARGETS__EU__SOURCE_IDENTITY": "crml",
}
US = {"CRML_TARGETS__US__REGION": "us-gov-west-1", "CRML_TARGETS__US__ACCOUNT": "444455556666"}
TENANTS = {
    "CRML_TENANTS__FILMS__TARGETS": "eu",
    "CRML_TENANTS__FILMS__OPERATIONS": "Start*,DeleteAudienceModel",
    "CRML_TENANTS__FILMS__ROLE_ARNS": "arn:aws:iam::111122223333:role/films-*",
    "CRML_TENANTS__MUSIC__TARGETS": "us",
    "CRML_TENANTS__MUSIC__OPERATIONS": "Get*",
}


def settings(*groups: dict[str, str]) -> Settings:
    environ = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:1", "CRML_DEFAULT_TARGET": "eu"}
    for group in groups:
        environ |= group
    return load(environ=environ)


def by_sid(policy: dict[str, Any]) -> dict[str, dict[str, Any]]:
    assert policy["Version"] == "2012-10-17"
    found = {statement["Sid"]: statement for statement in policy["Statement"]}
    assert len(found) == len(policy["Statement"]), "each name once"
    return found


def actions(statements: Iterable[dict[str, Any]]) -> set[str]:
    """Of Clean Rooms ML."""
    found = {action for one in statements for action in one["Action"]}
    return {action.removeprefix("cleanrooms-ml:") for action in found if action.startswith("cleanrooms-ml:")}


def resources(statements: Iterable[dict[str, Any]]) -> set[str]:
    """Of Clean Rooms ML, all that are named."""
    return {arn for one in statements if isinstance(one["Resource"], list) for arn in one["Resource"] if ":cle" in arn}


def test_the_repair_pod_reads_all_kinds_whatever_the_tenants_may_do() -> None:
    """Directly where the service does; where it comes by a role, by the same."""
    policy = by_sid(documents(settings(EU, US, TENANTS), POD)["repair"])
    assert actions(policy.values()) == {name for name in OPERATIONS if name.startswith(("List", "Get"))}
    assert all(arn.split(":")[3:5] == ["us-gov-west-1", "444455556666"] for arn in resources(policy.values()))
    (assumed,) = (each for each in policy.values() if "sts:AssumeRole" in each["Action"])
    assert assumed["Resource"] == ["arn:aws:iam::111122223333:role/crml"]


def test_a_role_has_what_the_tenants_of_its_target_may_ask_for_and_its_witnesses() -> None:
    policy = by_sid(documents(settings(EU, US, TENANTS), POD)["targets"]["eu"]["policy"])
    assert actions(policy.values()) == {
        "StartAudienceGenerationJob",
        "StartAudienceExportJob",
        "DeleteAudienceModel",
        "GetAudienceModel",
        "GetAudienceGenerationJob",
        "ListAudienceModels",
        "ListAudienceGenerationJobs",
        "ListAudienceExportJobs",
        "TagResource",
    }
    begin = "arn:aws:cleanrooms-ml:eu-west-1:"
    assert resources(policy.values()) == {
        f"{begin}*:configured-audience-model/*",  # partners'
        f"{begin}111122223333:audience-generation-job/*",
        f"{begin}111122223333:audience-model/*",
    }
    assert policy["CleanRoomsMlAll"]["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    assert policy["PassRoles"]["Resource"] == ["arn:aws:iam::111122223333:role/films-*"]
    assert policy["PassRoles"]["Condition"] == {"StringEquals": {"iam:PassedToService": "cleanrooms-ml.amazonaws.com"}}


def test_a_target_without_a_role_is_the_services_own_affair() -> None:
    found = documents(settings(EU, US, TENANTS), POD)
    own = by_sid(found["own"])
    assert list(found["targets"]) == ["eu"]
    assert {name for name in actions(own.values()) if not name.startswith("Get")} == {"ListAudienceModels"}, "by check"
    begin = "arn:aws-us-gov:cleanrooms-ml:us-gov-west-1:444455556666:"
    assert all(arn.startswith(begin) for arn in resources(own.values()))
    assert own["CleanRoomsMlAll"]["Action"] == ["cleanrooms-ml:ListAudienceModels"]
    assert "PassRoles" not in own, "music may pass none"
    assert own["AssumeRoles"]["Resource"] == ["arn:aws:iam::111122223333:role/crml"]
    assert own["AssumeRoles"]["Action"] == ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


def test_without_tenants_everything_may_be_asked_for() -> None:
    loaded = settings(EU, US)
    assert set(OPERATIONS) <= set(operations(loaded, "eu"))
    policy = by_sid(documents(loaded, POD)["targets"]["eu"]["policy"])
    assert len(actions(policy.values())) == 25
    assert policy["PassRoles"]["Resource"] == ["arn:aws:iam::111122223333:role/<role that commands name>"]


def test_roles_that_commands_may_name_are_given_where_no_tenant_has_a_list() -> None:
    data = "arn:aws:iam::111122223333:role/data"
    policy = by_sid(documents(settings(EU), POD, [data])["targets"]["eu"]["policy"])
    assert policy["PassRoles"]["Resource"] == [data]
    policy = by_sid(documents(settings(EU, US, TENANTS), POD, [data])["targets"]["eu"]["policy"])
    assert policy["PassRoles"]["Resource"] == ["arn:aws:iam::111122223333:role/films-*"]


def test_an_unknown_account_is_a_blank_not_a_star() -> None:
    own = by_sid(documents(settings({"CRML_TARGETS__EU__REGION": "eu-west-1"}))["own"])
    arns = resources(own.values())
    assert "arn:aws:cleanrooms-ml:eu-west-1:<account>:training-dataset/*" in arns
    assert [arn for arn in arns if ":*:" in arn] == ["arn:aws:cleanrooms-ml:eu-west-1:*:configured-audience-model/*"]


def test_two_targets_without_roles_have_statements_of_their_own() -> None:
    other = {**US, "CRML_TARGETS__EU__REGION": "eu-west-1"}
    own = by_sid(documents(settings(other))["own"])
    assert {"AudienceModel", "AudienceModel2", "CleanRoomsMlAll2", "PassRoles", "PassRoles2"} <= set(own)


def _holds(condition: dict[str, dict[str, Any]], request: dict[str, str]) -> bool:
    """IAM's conditions, as far as these documents use them."""
    for operator, keys in condition.items():
        for key, wanted in keys.items():
            found = request.get(key)
            if operator == "StringEqualsIfExists" and found is None:
                continue
            patterns = [wanted] if isinstance(wanted, str) else wanted
            if found is None or not any(_like(found, pattern) for pattern in patterns):
                return False
    return True


def _like(text: str, pattern: str) -> bool:
    return text.startswith(pattern[:-1]) if pattern.endswith("*") else text == pattern


@pytest.mark.parametrize("cause", [None, Cause("01ARZ3NDEKTSV4RRFFQ69G5FAV", "order-1", "films")])
def test_the_trust_policy_lets_in_what_the_service_asks_for(cause: Cause | None) -> None:
    """The very request that is sent, against the conditions."""
    loaded = settings(EU, US, TENANTS)
    request = assumption(loaded.targets["eu"], cause)
    context = {
        "sts:ExternalId": request["ExternalId"],
        "sts:RoleSessionName": request["RoleSessionName"],
        "sts:SourceIdentity": request["SourceIdentity"],
        **{f"aws:RequestTag/{tag['Key']}": tag["Value"] for tag in request["Tags"]},
    }
    statements = by_sid(documents(loaded, POD)["targets"]["eu"]["trust"])
    assert {action for one in statements.values() for action in one["Action"]} == {
        "sts:AssumeRole",
        "sts:TagSession",
        "sts:SetSourceIdentity",
    }
    for statement in statements.values():
        assert statement["Principal"] == {"AWS": POD}
        assert _holds(statement["Condition"], context), statement
    for key in ("sts:ExternalId", "sts:RoleSessionName"):
        assert not _holds(statements["Assume"]["Condition"], {**context, key: "another"})
    assert not _holds(statements["Tag"]["Condition"], {**context, "aws:RequestTag/team": "another"})


def test_whoever_sets_nothing_is_asked_for_nothing() -> None:
    bare = {name: EU[name] for name in ("CRML_TARGETS__EU__REGION", "CRML_TARGETS__EU__ROLE_ARN")}
    statements = by_sid(documents(settings(bare), POD)["targets"]["eu"]["trust"])
    assert list(statements) == ["Assume", "Tag"]
    names = {"StringLike": {"sts:RoleSessionName": ["cleanroomsml-service", "cleanroomsml-service-*"]}}
    assert statements["Assume"]["Condition"] == names
    assert "Condition" not in statements["Tag"]


def test_they_are_json() -> None:
    assert json.loads(json.dumps(documents(settings(EU, US, TENANTS))))
