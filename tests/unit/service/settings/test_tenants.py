"""Settings of tenants: what one gets, how it is derived, and refusals that say what to mend."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.permissions import TargetFacts
from service import bootstrap, tenancy, topology
from service.core.rate_budget import Lane
from service.policy import policy
from service.runtime.context import TenantTopics
from service.runtime.ports import TopicPartition
from service.settings import Settings, SettingsError, load
from tests.support.clock import LoopClock

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "AWS_REGION": "eu-west-1"}
TWO: dict[str, Any] = {
    "default_target": "eu",
    "targets": {
        "eu": {"account": "111122223333"},
        "us": {"region": "us-gov-west-1", "role_arn": "arn:aws-us-gov:iam::444455556666:role/crml"},
    },
    "tenants": {
        "films": {
            "targets": ["eu", "us"],
            "operations": ["Get*", "CreateAudienceModel"],
            "role_arns": ["arn:aws:iam::111122223333:role/films-*"],
            "s3_prefixes": ["s3://films/out"],
            "kms_keys": ["*"],
            "reply_topics": ["films.other"],
            "wildcard_principals": True,
            "rate": {"writes_per_second": 0.5},
        },
        "music": {
            "targets": ["us"],
            "replies": "music.replies",
            "events": "music.events",
            "dead_letters": "music.dead",
        },
        "quiet": None,
    },
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def loaded(file: Path, tree: Mapping[str, Any] = TWO, **environ: str) -> Settings:
    file.write_text(yaml.safe_dump(dict(tree), sort_keys=False))
    return load(file, LEAST | environ)


def refused(file: Path, **environ: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(file, TWO, **environ)
    return str(caught.value)


def test_without_tenants_there_is_one_that_may_use_what_is_configured() -> None:
    settings = load(None, LEAST | {"CRML_REPLIES__ALLOWED_TOPICS": "other"})
    assert settings.sources() == (("cleanroomsml.commands", "cleanroomsml.jobs"),)
    [(topic, limits)] = tenancy.limits(settings).items()
    grant = limits.grant
    assert (topic, limits.tenant, limits.default_target) == ("cleanroomsml.commands", "", "default")
    assert grant.open
    assert (grant.targets, grant.operations) == (frozenset({"default"}), ("*",))
    assert grant.reply_topics == {"cleanroomsml.replies", "other"}
    assert not grant.wildcard_principals


def test_each_tenant_has_its_topics(file: Path) -> None:
    settings = loaded(file)
    assert settings.sources() == (
        ("cleanroomsml.films.commands", "cleanroomsml.films.jobs"),
        ("cleanroomsml.music.commands", "cleanroomsml.music.jobs"),
        ("cleanroomsml.quiet.commands", "cleanroomsml.quiet.jobs"),
    )
    assert topology.output_topics(settings).own == {
        "films": TenantTopics("cleanroomsml.replies", "cleanroomsml.events", "cleanroomsml.dead-letters"),
        "music": TenantTopics("music.replies", "music.events", "music.dead"),
        "quiet": TenantTopics("cleanroomsml.replies", "cleanroomsml.events", "cleanroomsml.dead-letters"),
    }
    shared = {f"cleanroomsml.{name}" for name in ("changes", "replies", "events", "dead-letters")}
    assert topology.required_topics(settings) == {
        "cleanroomsml.films.commands": shared,
        "cleanroomsml.music.commands": shared | {"music.replies", "music.events", "music.dead"},
        "cleanroomsml.quiet.commands": shared,
        "cleanroomsml.changes": shared | {"music.events"},
    }, "a tenant's topic that is missing stops that tenant, and the events that go there"
    specs = {spec.name for spec in topology.topic_specs(settings)}
    assert {"cleanroomsml.films.jobs", "music.dead", "films.other", "cleanroomsml.replies"} <= specs
    assert "cleanroomsml.commands" not in specs, "the default tenant is one of the list, or none"


def test_the_default_tenant_keeps_the_plain_names(file: Path) -> None:
    settings = loaded(file, {"tenants": {"default": {"targets": ["default"]}, "a": {"commands": "x", "jobs": "y"}}})
    assert settings.sources() == (("cleanroomsml.commands", "cleanroomsml.jobs"), ("x", "y"))
    assert {limits.tenant for limits in tenancy.limits(settings).values()} == {"", "a"}
    assert not tenancy.limits(settings)["cleanroomsml.commands"].grant.open


def test_grants(file: Path) -> None:
    limits = tenancy.limits(loaded(file))
    films, music, quiet = (limits[f"cleanroomsml.{name}.commands"] for name in ("films", "music", "quiet"))
    assert (films.grant.tenant, films.grant.open, films.grant.targets) == ("films", False, frozenset({"eu", "us"}))
    assert films.grant.operations == ("Get*", "CreateAudienceModel")
    assert films.grant.reply_topics == {"cleanroomsml.replies", "films.other"}
    assert films.grant.wildcard_principals
    assert music.grant.reply_topics == {"music.replies"}
    assert (music.grant.operations, music.grant.role_arns, music.grant.s3_prefixes) == ((), (), ())
    assert (quiet.grant.targets, quiet.grant.tenant) == (frozenset(), "quiet")


def test_default_targets(file: Path) -> None:
    """The only one; or the service's own, if it is among them; or none, and commands must name one."""
    limits = tenancy.limits(loaded(file))
    defaults = [limits[f"cleanroomsml.{name}.commands"].default_target for name in ("films", "music", "quiet")]
    assert defaults == ["eu", "us", ""]
    own = tenancy.limits(loaded(file, TWO, CRML_TENANTS__FILMS__DEFAULT_TARGET="us"))
    assert own["cleanroomsml.films.commands"].default_target == "us"


def test_facts_of_targets(file: Path) -> None:
    facts = tenancy.limits(loaded(file))["cleanroomsml.films.commands"].facts
    assert facts["eu"] == TargetFacts("111122223333", "eu-west-1", "aws")
    assert facts["us"] == TargetFacts("444455556666", "us-gov-west-1", "aws-us-gov"), "the account is the role's"


def test_the_core_knows_the_targets_and_what_they_stand_for(file: Path) -> None:
    """A target that is taken out, or another account by now, holds its jobs."""
    numbers = policy(loaded(file))
    assert numbers.targets is not None
    assert (numbers.targets["eu"], numbers.targets["us"]) == (
        ("111122223333", "eu-west-1"),
        ("444455556666", "us-gov-west-1"),
    )


def test_by_environment(file: Path) -> None:
    settings = loaded(file, {}, CRML_TENANTS__FILMS__TARGETS="default", CRML_TENANTS__FILMS__OPERATIONS="Get*,List*")
    assert settings.tenants["films"].operations == ("Get*", "List*")


async def test_rates_are_split_by_the_partitions_held(file: Path) -> None:
    settings = loaded(file)
    limiters = tenancy.limiters(settings, LoopClock())
    assert list(limiters) == ["films"]
    held = {TopicPartition("cleanroomsml.films.commands", number): None for number in range(2)}
    tenancy.share(settings, limiters, {**held, TopicPartition("cleanroomsml.music.commands", 0): None})
    assert limiters["films"].statistics()["writes_per_second"] == pytest.approx(0.5 * 2 / settings.topics.partitions)
    await limiters["films"].take(Lane.CREATE)


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"CRML_TENANTS__FILMS__TARGETS": "eu,moon"}, ("tenants.films.targets has moon", "eu, us")),
        ({"CRML_TENANTS__FILMS__OPERATIONS": "Fetch*"}, ("no command is called Fetch*", "known: CreateTraining")),
        ({"CRML_TENANTS__MUSIC__DEFAULT_TARGET": "eu"}, ("tenants.music", "not among its targets")),
        ({"CRML_TENANTS__MUSIC__S3_PREFIXES": "music/x"}, ("tenants.music.s3_prefixes", "'music/x'")),
        ({"CRML_TENANTS__MUSIC__COMMANDS": "cleanroomsml.films.jobs"}, ("used twice: cleanroomsml.films.jobs",)),
        ({"CRML_TENANTS__MUSIC__REPLIES": "cleanroomsml.events"}, ("used twice: cleanroomsml.events",)),
        (
            {"CRML_TENANTS__MUSIC__REPLY_TOPICS": "cleanroomsml.films.commands"},
            ("tenants.music.reply_topics has cleanroomsml.films.commands", "not a topic for replies"),
        ),
        ({"CRML_REPLIES__ALLOWED_TOPICS": "x"}, ("set reply_topics of each tenant",)),
        ({"CRML_TENANTS__MUSIC__ACCOUNTS": "x"}, ("tenants.music.accounts: unknown setting",)),
        ({"CRML_TENANTS__MUSIC__RATE__WRITES_PER_SECOND": "0"}, ("writes_per_second", "greater than 0")),
        ({"CRML_TENANTS__A.B__TARGETS": "eu"}, ("tenants.a.b",)),
        ({"CRML_TARGETS__EU__SOURCE_IDENTITY": "x1"}, ("source_identity is of no use without role_arn",)),
        ({"CRML_TARGETS__EU__RETRY_CAP": "0.5"}, ("targets.eu: retry_cap (0.5 s) must not be below",)),
    ],
)
def test_refusals(file: Path, environ: dict[str, str], parts: tuple[str, ...]) -> None:
    message = refused(file, **environ)
    for part in parts:
        assert part in message


def test_retries_of_a_target(file: Path) -> None:
    numbers = policy(loaded(file, TWO, CRML_TARGETS__US__RETRY_BASE="3", CRML_TARGETS__US__RETRY_CAP="9"))
    assert numbers.backoff_range("us") == (3, 9)
    assert numbers.backoff_range("eu") == (numbers.backoff_base, numbers.backoff_cap)


def test_a_service_with_tenants_can_be_put_together(file: Path) -> None:
    assert bootstrap.build(loaded(file)).app.slots() == {}


def test_what_is_bound_is_the_targets_and_first_the_tenants(file: Path) -> None:
    variables = {
        "CRML_TARGETS__EU__PARAMS__TAGS": "team=all,stage=prod",
        "CRML_TARGETS__EU__PARAMS__KMS_KEY_ARN": "arn:aws:kms:eu-west-1:111122223333:key/k",
        "CRML_TARGETS__EU__PARAMS__ROLE_ARN": "arn:aws:iam::111122223333:role/all",
        "CRML_TENANTS__FILMS__PARAMS__TAGS": "team=films",
        "CRML_TENANTS__FILMS__PARAMS__ROLE_ARN": "arn:aws:iam::111122223333:role/films-a",
    }
    limits = tenancy.limits(loaded(file, TWO, **variables))
    films, music = (limits[f"cleanroomsml.{name}.commands"].params for name in ("films", "music"))
    assert films["eu"] == {
        "tags": {"team": "films", "stage": "prod"},
        "kmsKeyArn": "arn:aws:kms:eu-west-1:111122223333:key/k",
        "roleArn": "arn:aws:iam::111122223333:role/films-a",
    }
    assert music["eu"]["tags"] == {"team": "all", "stage": "prod"}
    assert music["us"] == {}
