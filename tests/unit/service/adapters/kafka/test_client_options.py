"""The adapter's numbers, and what aiokafka gets of them."""

import pytest

from service.adapters.kafka.client_options import (
    KafkaSettings,
    client_options,
    milliseconds,
)

SETTINGS = KafkaSettings("a:1,b:2", "g", client_id="svc", security={"security_protocol": "SSL"}, request_timeout=1.5)


def test_every_client_is_named_by_its_role_and_connects_as_set() -> None:
    assert client_options(SETTINGS, "admin") == {
        "bootstrap_servers": "a:1,b:2",
        "client_id": "svc-admin",
        "request_timeout_ms": 1500,
        "security_protocol": "SSL",
    }


def test_a_role_may_have_more_time() -> None:
    assert client_options(SETTINGS, "group", 25.0)["request_timeout_ms"] == 25_000


@pytest.mark.parametrize(("seconds", "wanted"), [(0.0004, 0), (0.002, 2), (0.1, 100), (20, 20_000)])
def test_milliseconds_are_whole(seconds: float, wanted: int) -> None:
    assert milliseconds(seconds) == wanted


@pytest.mark.parametrize("other", ["transaction_timeout", "rebalance_timeout"])
def test_a_commit_must_end_before_its_limits(other: str) -> None:
    for commit in (15.0, 20.0):
        with pytest.raises(ValueError, match=f"commit_deadline must be below {other}"):
            KafkaSettings("b", "g", commit_deadline=commit, **{other: 15.0})  # type: ignore[arg-type]
