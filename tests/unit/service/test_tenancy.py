"""What the settings say of tenants, as the rest of the service needs it: grants, topics, rates, and who is gone."""

from pathlib import Path

import pytest

from schemas.permissions import TargetFacts
from service import tenancy, topology
from service.core.rate_budget import Lane
from service.runtime.ports import TopicPartition
from service.settings import load
from tests.support.clock import LoopClock
from tests.unit.service.settings.test_tenants import LEAST, TWO, loaded


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def test_former_tenants_are_known_by_their_topics(file: Path) -> None:
    topics = {
        *("cleanroomsml.films.commands", "cleanroomsml.films.jobs"),  # served
        *("cleanroomsml.gone.commands", "cleanroomsml.gone.jobs"),
        "cleanroomsml.half.commands",  # without its changelog
        *("cleanroomsml.a.b.commands", "cleanroomsml.a.b.jobs"),  # no tenant's name
        *("other.gone.commands", "other.gone.jobs"),
        *("cleanroomsml.commands", "cleanroomsml.jobs"),  # of the time before there were tenants
        *("cleanroomsml.replies", "cleanroomsml.changes", "cleanroomsml.resources"),
    }
    assert topology.former_changelogs(loaded(file), topics) == {
        "cleanroomsml.commands": "cleanroomsml.jobs",
        "cleanroomsml.gone.commands": "cleanroomsml.gone.jobs",
    }


def test_topics_that_are_served_under_other_names_are_nobodys_former_ones(file: Path) -> None:
    tree = {"tenants": {"a": {"commands": "cleanroomsml.b.commands", "jobs": "x"}}}
    assert topology.former_changelogs(loaded(file, tree), {"cleanroomsml.b.commands", "cleanroomsml.b.jobs", "x"}) == {}


def test_without_tenants_nobody_is_missing() -> None:
    assert topology.former_changelogs(load(None, LEAST), {"cleanroomsml.commands", "cleanroomsml.jobs"}) == {}


async def test_a_replica_without_partitions_of_a_tenant_keeps_its_whole_rate(file: Path) -> None:
    """It calls for nobody then, and a rate of nothing can't be."""
    settings = loaded(file)
    limiters = tenancy.limiters(settings, LoopClock())
    for held in (0, settings.topics.partitions, settings.topics.partitions * 2):
        partitions = {TopicPartition("cleanroomsml.films.commands", number): None for number in range(held)}
        tenancy.share(settings, limiters, partitions)
        assert limiters["films"].statistics()["writes_per_second"] == pytest.approx(0.5)


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


async def test_rates_are_split_by_the_partitions_held(file: Path) -> None:
    settings = loaded(file)
    limiters = tenancy.limiters(settings, LoopClock())
    assert list(limiters) == ["films"]
    held = {TopicPartition("cleanroomsml.films.commands", number): None for number in range(2)}
    tenancy.share(settings, limiters, {**held, TopicPartition("cleanroomsml.music.commands", 0): None})
    assert limiters["films"].statistics()["writes_per_second"] == pytest.approx(0.5 * 2 / settings.topics.partitions)
    await limiters["films"].take(Lane.CREATE)


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
