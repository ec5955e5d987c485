"""The settings' numbers arrive in the core under its own names."""

from pathlib import Path

import pytest

from service.policy import policy
from service.settings import Settings, Target
from service.settings.timing import Timing
from tests.unit.service.settings.test_tenants import TWO, loaded

PLAIN = Target(region="eu-west-1")
ROLE = Target(region="us-east-1", role_arn="arn:aws:iam::111122223333:role/x", retry_base=2.0)
CAPPED = Target(region="eu-west-1", account="444455556666", retry_cap=30.0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "settings.yaml"


def settings(**timing: float) -> Settings:
    return Settings(
        kafka={"bootstrap_servers": ["b:9092"]},
        targets={"default": PLAIN, "role": ROLE, "capped": CAPPED},
        timing=Timing(**timing),
    )


def test_each_number_is_the_settings() -> None:
    found = policy(
        settings(
            call_window=1.0,
            settle=2.0,
            accepted_search_limit=3.0,
            search_limit=4.0,
            read_retry_limit=5.0,
            write_retry_limit=6.0,
            retry_base=7.0,
            retry_cap=8.0,
            quota_retry=9.0,
            retention=10.0,
        )
    )
    assert (found.call_window, found.settle, found.accepted_limit, found.search_limit) == (1.0, 2.0, 3.0, 4.0)
    assert (found.running_limit("audience-model"), found.running_limit("audience-export-job")) == (604_800.0, 604_800.0)
    assert (found.read_retry_limit, found.write_retry_limit) == (5.0, 6.0)
    assert (found.backoff_base, found.backoff_cap, found.quota_retry, found.retention) == (7.0, 8.0, 9.0, 10.0)


def test_a_targets_waits_are_its_own_as_far_as_it_has_any() -> None:
    found = policy(settings(retry_base=1.0, retry_cap=300.0))
    assert found.backoffs == {"default": (1.0, 300.0), "role": (2.0, 300.0), "capped": (1.0, 30.0)}


def test_a_targets_account_and_region_as_far_as_they_are_known() -> None:
    assert policy(settings()).targets == {
        "default": ("", "eu-west-1"),
        "role": ("111122223333", "us-east-1"),
        "capped": ("444455556666", "eu-west-1"),
    }


def test_the_core_knows_the_targets_and_what_they_stand_for(file: Path) -> None:
    """A target that is taken out, or another account by now, holds its jobs."""
    numbers = policy(loaded(file))
    assert numbers.targets is not None
    assert (numbers.targets["eu"], numbers.targets["us"]) == (
        ("111122223333", "eu-west-1"),
        ("444455556666", "us-gov-west-1"),
    )


def test_retries_of_a_target(file: Path) -> None:
    numbers = policy(loaded(file, TWO, CRML_TARGETS__US__RETRY_BASE="3", CRML_TARGETS__US__RETRY_CAP="9"))
    assert numbers.backoff_range("us") == (3, 9)
    assert numbers.backoff_range("eu") == (numbers.backoff_base, numbers.backoff_cap)
