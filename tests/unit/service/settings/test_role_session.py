"""Names and tags of sessions: what STS would refuse is refused before, with a reason."""

from typing import Any

import pytest

from service.settings.aws import Target
from service.settings.role_session import pairs, problems
from tests.unit.service.settings.test_model import refused, settings

ROLE_ARN = "arn:aws:iam::111122223333:role/r"


def target(**more: Any) -> Target:
    """Without validation: what the settings would refuse."""
    return Target(region="eu-west-1", role_arn=ROLE_ARN).model_copy(update=more)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("a=b,c=d", {"a": "b", "c": "d"}),
        (" a = b c , ,d=", {"a": "b c", "d": ""}),
        ("a=b=c", {"a": "b=c"}),
        ("", {}),
        ({"a": "b"}, {"a": "b"}),
        (7, 7),
    ],
)
def test_tags_of_the_environment(value: Any, wanted: Any) -> None:
    assert pairs(value) == wanted


def test_a_tag_without_a_value_is_named() -> None:
    with pytest.raises(ValueError, match="'team' has no '='; expected key=value, separated by commas"):
        pairs("stage=prod,team")


def test_a_tag_that_is_given_twice_is_named() -> None:
    with pytest.raises(ValueError, match="team is given twice"):
        pairs("team=a, stage=prod, team =b")


def test_what_goes_together_has_no_problems() -> None:
    tags = {f"k{number}": "v" for number in range(48)}
    good = target(session_tags=tags, tenant_tag="tenant", command_tag="command", transitive_tags=("k1", "tenant"))
    assert list(problems(good)) == []


@pytest.mark.parametrize("name", ["external_id", "source_identity", "session_tags", "tenant_tag", "command_tag"])
def test_without_a_role_nothing_of_it_is_of_use(name: str) -> None:
    value: Any = {"a": "b"} if name == "session_tags" else "xy"
    assert list(problems(target(role_arn=None, **{name: value}))) == [f"{name} is of no use without role_arn"]


@pytest.mark.parametrize("name", ["tenant_tag", "command_tag"])
def test_a_shared_session_has_no_tags_of_a_command(name: str) -> None:
    found = list(problems(target(session_per_command=False, **{name: "t"})))
    assert found == [f"{name} needs session_per_command: a shared session serves many commands"]


def test_tags_of_all_sources_count_together() -> None:
    many = {f"k{number}": "v" for number in range(49)}
    [found] = problems(target(session_tags=many, tenant_tag="tenant", command_tag="command"))
    assert found == "a session has at most 50 tags, found 51"
    [found] = problems(target(tenant_tag="Same", command_tag="same"))
    assert found.endswith("used twice: Same, same")


def test_what_is_handed_on_must_be_a_tag() -> None:
    [found] = problems(target(transitive_tags=("b", "a")))
    assert found == "transitive_tags has a, b, which is no session tag; known: none"


ROLE = {"CRML_TARGETS__A__ROLE_ARN": "arn:aws:iam::111122223333:role/r"}


@pytest.mark.parametrize(
    ("environ", "part"),
    [
        ({"TENANT_TAG": "t", "SESSION_PER_COMMAND": "no"}, "tenant_tag needs session_per_command"),
        (
            {"SESSION_TAGS": "team=a", "TENANT_TAG": "Team"},
            "session tags are not case-sensitive; used twice: Team, team",
        ),
        ({"SESSION_TAGS": "AWS:x=a"}, "must not begin with aws:, found AWS:x"),
        ({"SESSION_TAGS": ",".join(f"k{n}=v" for n in range(51))}, "at most 50 tags, found 51"),
        (
            {"SESSION_TAGS": "team=ads", "TRANSITIVE_TAGS": "team,dept"},
            "has dept, which is no session tag; known: team",
        ),
        ({"SESSION_TAGS": "team=a;b"}, "session_tags.team: found 'a;b'"),
    ],
)
def test_refusals_of_a_role(environ: dict[str, str], part: str) -> None:
    assert part in refused(None, **ROLE, **{f"CRML_TARGETS__A__{name}": text for name, text in environ.items()})


def test_session_tags_keep_their_case() -> None:
    loaded = settings(**ROLE, CRML_TARGETS__A__SESSION_TAGS="Team=Ads Europe, stage = prod,empty=")
    assert loaded.targets["a"].session_tags == {"Team": "Ads Europe", "stage": "prod", "empty": ""}
    assert loaded.targets["a"].session_per_command


def test_an_external_id_is_not_shown() -> None:
    assert "canary" not in refused(None, **ROLE, CRML_TARGETS__A__EXTERNAL_ID="canary" * 300)
