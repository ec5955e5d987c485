"""When a target answered last, whether it does now, and what went wrong since."""

from service.core.observations import Failure, Reply
from service.runtime.target_health import SILENCE, TargetHealth

LOST = Failure("ConnectFailed", "no route")
DENIED = Failure("AccessDeniedException", "no", http_status=403)


def lost(health: TargetHealth, now: float) -> None:
    health.observe("GetAudienceModel", LOST, now)
    health.reachability, _ = health.reachability.failed(LOST.code, now)


def test_a_target_is_silent_when_calls_have_no_answer_for_long() -> None:
    health = TargetHealth()
    assert not health.silent(1000.0)
    lost(health, 100.0)
    assert not health.silent(100.0 + SILENCE)  # one call says little
    lost(health, 130.0)
    assert not health.silent(100.0 + SILENCE - 1)
    assert health.silent(100.0 + SILENCE)
    assert (health.error, health.operation) == ("ConnectFailed", "GetAudienceModel")
    health.reachability, _ = health.reachability.answered()
    assert not health.silent(100.0 + SILENCE)


def test_any_answer_is_one_and_only_a_success_is_a_success() -> None:
    health = TargetHealth()
    health.observe("GetAudienceModel", LOST, 100.0)
    assert (health.answered_at, health.failed_at) == (0.0, 100.0)
    health.observe("GetAudienceModel", DENIED, 120.0)
    assert (health.answered_at, health.succeeded_at, health.http_status) == (120.0, 0.0, 403)
    health.observe("GetAudienceModel", Reply({}), 130.0)
    assert (health.answered_at, health.succeeded_at) == (130.0, 130.0)
    assert (health.failed_at, health.error) == (120.0, "AccessDeniedException")
