"""When a target answered last, and what went wrong since."""

from service.core.observations import Failure, Reply
from service.runtime.target_health import SILENCE, TargetHealth

LOST = Failure("ConnectFailed", "no route")
DENIED = Failure("AccessDeniedException", "no", http_status=403)


def test_a_target_is_silent_when_calls_have_no_answer_for_long() -> None:
    health = TargetHealth()
    assert not health.silent(1000.0)
    health.observe("ListAudienceModels", LOST, 100.0)
    assert not health.silent(100.0 + SILENCE)  # one call says little
    health.observe("GetAudienceModel", LOST, 130.0)
    assert not health.silent(100.0 + SILENCE - 1)
    assert health.silent(100.0 + SILENCE)
    assert (health.error, health.operation, health.unanswered) == ("ConnectFailed", "GetAudienceModel", 2)


def test_any_answer_ends_the_silence_and_only_a_success_is_one() -> None:
    health = TargetHealth()
    for at in (100.0, 110.0):
        health.observe("GetAudienceModel", LOST, at)
    health.observe("GetAudienceModel", DENIED, 120.0)
    assert (health.answered_at, health.succeeded_at, health.unanswered, health.http_status) == (120.0, 0.0, 0, 403)
    health.observe("GetAudienceModel", Reply({}), 130.0)
    assert (health.succeeded_at, health.failed_at, health.error) == (130.0, 120.0, "AccessDeniedException")
    assert not health.silent(1e9)
