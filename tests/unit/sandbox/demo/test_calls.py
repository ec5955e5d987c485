"""How often Clean Rooms ML was called."""

import json

import pytest

from sandbox.demo.calls import count
from sandbox.demo.story import STEPS


def test_calls_are_counted_by_what_they_do() -> None:
    asked = [step.operation for step in STEPS] + ["GetAudienceModel"] * 3
    calls = count(json.dumps({"operation": name}) for name in asked)
    assert (calls.creating.total(), calls.reading.total(), calls.once) == (5, 3, True)
    assert not count(json.dumps({"operation": name}) for name in [*asked, asked[0]]).once
    assert not count(()).once


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.operation)
@pytest.mark.parametrize("times", [0, 2])
def test_a_command_that_led_to_no_call_or_to_two_is_seen(step: object, times: int) -> None:
    asked = [each.operation for each in STEPS if each is not step] + [step.operation] * times  # type: ignore[attr-defined]
    assert not count(json.dumps({"operation": name}) for name in asked).once


def test_requests_are_counted_by_name() -> None:
    names = ["GetAudienceModel", "CreateAudienceModel", "ListAudienceModels", "GetAudienceModel"]
    calls = count(json.dumps({"operation": name, "status": 200}) for name in names)
    assert calls.creating == {"CreateAudienceModel": 1}
    assert calls.reading == {"GetAudienceModel": 2, "ListAudienceModels": 1}


def test_a_torn_log_is_an_error_and_no_smaller_count() -> None:
    with pytest.raises(json.JSONDecodeError):
        count(['{"operation": "CreateAudienceModel"}', '{"operation": "Cre'])
