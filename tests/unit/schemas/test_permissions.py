"""What a tenant may ask for, row by row: allowed and denied, and denied whatever isn't listed."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import commands, permissions
from schemas.commands import Rejected, TopicRules
from schemas.operations import COMMANDS, OPERATIONS, SERVICE_COMMANDS
from schemas.permissions import Grant, TargetFacts, matches, open_grant, within
from tests.support import samples

ACCOUNT = "123456789012"
FACTS = TargetFacts(ACCOUNT, "eu-west-1", "aws")
ROLE = f"arn:aws:iam::{ACCOUNT}:role/films-export"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/k-1"
GRANT = Grant(
    tenant="films",
    targets=frozenset({"eu"}),
    operations=("*",),
    role_arns=(f"arn:aws:iam::{ACCOUNT}:role/films-*",),
    s3_prefixes=("s3://films/out",),
    kms_keys=(KEY,),
    reply_topics=frozenset({"films.replies"}),
)
TRACK = f"arn:aws:cleanrooms-ml:eu-west-1:{ACCOUNT}:audience-model/m-1"


def arn(kind: str = "audience-model", account: str = ACCOUNT, region: str = "eu-west-1", partition: str = "aws") -> str:
    return f"arn:{partition}:cleanrooms-ml:{region}:{account}:{kind}/x-1"


def configured(uri: str = "s3://films/out/a", role: str = ROLE, model: str = "") -> dict[str, Any]:
    output = {"destination": {"s3Destination": {"s3Uri": uri}}, "roleArn": role}
    return {"name": "n", "audienceModelArn": model or arn(), "outputConfig": output, "sharedAudienceMetrics": ["ALL"]}


def policy(principal: Any, effect: str = "Allow", word: str = "Principal") -> dict[str, Any]:
    statement = {"Effect": effect, word: principal, "Action": ["x"], "Resource": ["y"]}
    text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return {
        "configuredAudienceModelArn": arn("configured-audience-model"),
        "configuredAudienceModelPolicy": text,
    }


def found(command: str, data: Any, grant: Grant = GRANT, facts: TargetFacts = FACTS) -> list[tuple[str, str]]:
    return [(one.path, one.rule) for one in permissions.check(command, data, facts, grant)]


def test_what_is_listed_is_allowed() -> None:
    assert found("CreateConfiguredAudienceModel", configured()) == []
    assert found("CreateAudienceModel", {"trainingDatasetArn": arn("training-dataset"), "kmsKeyArn": KEY}) == []
    assert found("TrackResource", {"resourceArn": TRACK}) == []
    assert found("PutConfiguredAudienceModelPolicy", policy({"AWS": ["111100001111"]})) == []


@pytest.mark.parametrize(
    ("command", "data", "path", "rule"),
    [
        ("CreateConfiguredAudienceModel", configured(uri="s3://films/outside"), "s3Uri", "tenant.s3_prefixes"),
        ("CreateConfiguredAudienceModel", configured(uri="s3://music/out/a"), "s3Uri", "tenant.s3_prefixes"),
        (
            "CreateConfiguredAudienceModel",
            configured(role=f"arn:aws:iam::{ACCOUNT}:role/admin"),
            "roleArn",
            "tenant.role_arns",
        ),
        ("CreateConfiguredAudienceModel", configured(model=arn(account="2" * 12)), "ModelArn", "target.account"),
        ("CreateConfiguredAudienceModel", configured(model=arn(region="us-east-1")), "ModelArn", "target.region"),
        ("CreateConfiguredAudienceModel", configured(model=arn(partition="aws-cn")), "ModelArn", "target.partition"),
        ("CreateAudienceModel", {"kmsKeyArn": KEY + "2"}, "kmsKeyArn", "tenant.kms_keys"),
        ("PutConfiguredAudienceModelPolicy", policy("*"), "Policy", "tenant.wildcard_principals"),
        ("PutConfiguredAudienceModelPolicy", policy({"AWS": ["1" * 12, "*"]}), "Policy", "tenant.wildcard_principals"),
        ("PutConfiguredAudienceModelPolicy", policy("x", word="NotPrincipal"), "Policy", "tenant.wildcard_principals"),
        ("PutConfiguredAudienceModelPolicy", policy("*", "allow", "principal"), "Policy", "tenant.wildcard_principals"),
        ("TrackResource", {"resourceArn": arn(account="2" * 12)}, "data.resourceArn", "target.account"),
        ("GetConfiguredAudienceModel", {"configuredAudienceModelArn": arn(account="2" * 12)}, "Arn", "target.account"),
    ],
)
def test_what_is_not_listed_is_denied(command: str, data: Any, path: str, rule: str) -> None:
    [(where, what)] = found(command, data)
    assert (where.endswith(path), what) == (True, rule)


def test_a_role_of_another_account_breaks_both_rules() -> None:
    rules = [rule for _, rule in found("CreateConfiguredAudienceModel", configured(role=ROLE.replace("1234", "9999")))]
    assert rules == ["target.account", "tenant.role_arns"]


def test_a_policy_that_denies_everybody_and_one_that_is_allowed_to_let_them_in() -> None:
    assert found("PutConfiguredAudienceModelPolicy", policy("*", "Deny")) == []
    assert found("PutConfiguredAudienceModelPolicy", policy("*"), replace(GRANT, wildcard_principals=True)) == []


@pytest.mark.parametrize("text", ["{", "[]", '{"Statement": 3}', '{"Statement": {"Principal": "1"}}', '"*"'])
def test_a_policy_that_is_none_is_left_to_the_rules(text: str) -> None:
    assert found("PutConfiguredAudienceModelPolicy", {"configuredAudienceModelPolicy": text}) == []


def test_only_a_generation_job_may_use_a_partners_model() -> None:
    partners = {"configuredAudienceModelArn": arn("configured-audience-model", account="2" * 12)}
    crossing = {name for name in OPERATIONS if _accepts(name, partners) and not found(name, partners)}
    assert crossing == {"StartAudienceGenerationJob", "ListAudienceGenerationJobs"}
    elsewhere = {"configuredAudienceModelArn": arn("configured-audience-model", region="us-east-1")}
    assert found("StartAudienceGenerationJob", elsewhere) == [("data.configuredAudienceModelArn", "target.region")]


def _accepts(name: str, data: dict[str, Any]) -> bool:
    return bool(found(name, data, facts=TargetFacts("3" * 12, "moon", "moon")))


def test_what_is_not_known_of_a_target_is_not_compared() -> None:
    foreign = configured(model=arn(account="2" * 12, region="us-east-1"))
    assert found("CreateConfiguredAudienceModel", foreign, facts=TargetFacts()) == []


@pytest.mark.parametrize(
    ("prefix", "uri", "expected"),
    [
        ("s3://bucket/a", "s3://bucket/a", True),
        ("s3://bucket/a", "s3://bucket/a/b", True),
        ("s3://bucket/a", "s3://bucket/ab", False),
        ("s3://bucket/a/", "s3://bucket/a/b", True),
        ("s3://bucket/a/", "s3://bucket/a", False),
        ("s3://bucket", "s3://bucket/x", True),
        ("s3://bucket", "s3://bucket2/x", False),
        ("s3://", "s3://any/thing", True),
        ("", "s3://bucket", False),
    ],
)
def test_prefixes_end_at_a_folder(prefix: str, uri: str, expected: bool) -> None:
    assert within((prefix,), uri) is expected


@pytest.mark.parametrize(
    ("glob", "text", "expected"),
    [
        ("Get*", "GetAudienceModel", True),
        ("Get*", "ForGetting", False),
        ("*", "", True),
        ("a?c", "abc", True),
        ("a?c", "ac", False),
        ("a.c", "abc", False),
        ("[ab]", "a", False),
        ("***x", "x", True),
        ("role/a", "role/a\n", False),
    ],
)
def test_globs(glob: str, text: str, expected: bool) -> None:
    assert matches((glob,), text) is expected


@given(st.text("ab*", max_size=12), st.text("ab", max_size=12))
def test_globs_agree_with_a_plain_definition(glob: str, text: str) -> None:
    def plain(glob: str, text: str) -> bool:
        if not glob:
            return not text
        if glob[0] == "*":
            return any(plain(glob[1:], text[cut:]) for cut in range(len(text) + 1))
        return bool(text) and text[0] == glob[0] and plain(glob[1:], text[1:])

    assert matches((glob,), text) is plain(glob, text)


# --- default-deny -----------------------------------------------------------------------------------------------------

NOTHING = Grant(tenant="new")


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_allowed_until_it_is_listed(command: str) -> None:
    assert ("type", "tenant.operations") in found(command, {}, NOTHING)


@pytest.mark.parametrize("command", OPERATIONS)
def test_every_place_role_and_key_in_any_request_is_denied_until_it_is_listed(command: str) -> None:
    """Found in the payloads by what they look like, not by where they are."""
    data = samples.payload(command, full=True)
    text = json.dumps(data)
    found_rules = {rule for _, rule in found(command, data, NOTHING, TargetFacts())}
    expected = {"tenant.operations"}
    expected |= {"tenant.role_arns"} if ":iam:" in text else set()
    expected |= {"tenant.s3_prefixes"} if "s3://" in text else set()
    expected |= {"tenant.kms_keys"} if ":kms:" in text else set()
    assert found_rules == expected


@pytest.mark.parametrize("command", OPERATIONS)
def test_the_open_grant_allows_all_that_is_configured(command: str) -> None:
    data = samples.payload(command, full=True)
    assert found(command, data, open_grant({"eu"}, ()), TargetFacts()) == []


def test_a_grant_lists_nothing_by_itself() -> None:
    assert all(not getattr(Grant(), field.name) for field in fields(Grant) if field.name != "tenant")


# --- as a rejection ---------------------------------------------------------------------------------------------------


def read(operation: str, data: Any, grant: Grant = GRANT, **extensions: str) -> commands.Rejected:
    named = {"specversion": "1.0", "id": "c", "source": "/s", "type": f"cleanroomsml.command.{operation}", **extensions}
    headers = tuple((f"ce_{name}", text.encode()) for name, text in named.items())
    limits = TopicRules(grant, "eu", {"eu": FACTS, "us": TargetFacts("9" * 12, "us-east-1")}, tenant="films")
    outcome = commands.read(b"k", json.dumps(data).encode(), (*headers, ("content-type", b"application/json")), limits)
    assert isinstance(outcome, Rejected), outcome
    return outcome


def test_a_rejection_names_the_rule_and_where_it_is_configured() -> None:
    refused = read("CreateConfiguredAudienceModel", configured(uri="s3://music/secret"))
    [violation] = refused.violations
    assert (refused.code, refused.command.tenant, violation.rule) == ("NotAllowed", "films", "tenant.s3_prefixes")
    assert violation.path == "data.outputConfig.destination.s3Destination.s3Uri"
    assert violation.message == "must be in one of: s3://films/out; setting tenants.films.s3_prefixes"


def test_other_tenants_things_are_not_told() -> None:
    """A target that others have is as unknown as one that nobody has, and so are topics."""
    told = [read("ListAudienceModels", {}, target=name, replyto="music.replies") for name in ("us", "moon")]
    assert told[0].violations == told[1].violations
    assert told[0].code == "NotAllowed"
    text = " ".join(violation.message for violation in told[0].violations)
    assert [violation.rule for violation in told[0].violations] == ["tenant.targets", "tenant.reply_topics"]
    assert "eu;" in text
    assert "films.replies" in text
    assert not any(word in text for word in ("us;", "moon", "music"))


def test_all_violations_at_once() -> None:
    data = configured(uri="s3://music/a", role=ROLE.replace("films", "music"))
    refused = read("CreateConfiguredAudienceModel", data, replace(GRANT, operations=("Get*",)))
    assert {violation.rule for violation in refused.violations} == {
        "tenant.operations",
        "tenant.role_arns",
        "tenant.s3_prefixes",
    }


@pytest.mark.parametrize("command", SERVICE_COMMANDS)
def test_the_services_own_commands_need_permission_too(command: str) -> None:
    refused = read(command, {"resourceArn": TRACK}, replace(GRANT, operations=("Get*",)))
    assert "tenant.operations" in {violation.rule for violation in refused.violations}


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_data_is_judged_without_an_exception(data: Any) -> None:
    for command in COMMANDS:
        list(permissions.check(command, data, FACTS, GRANT))
