"""The numbers: law 2 by construction, and targets that wait otherwise."""

import pytest

from service.core.policy import Policy


def test_a_target_may_have_waits_of_its_own() -> None:
    policy = Policy(backoff_base=0.5, backoff_cap=60.0, backoffs={"slow": (2.0, 900.0)})
    assert policy.backoff_range("slow") == (2.0, 900.0)
    assert policy.backoff_range("other") == (0.5, 60.0)


@pytest.mark.parametrize("settle", [0.0, 1.9, 2.0])
def test_a_policy_that_breaks_law_2_is_refused(settle: float) -> None:
    with pytest.raises(ValueError, match="must be longer than call_window"):
        Policy(settle=settle, call_window=2.0)
