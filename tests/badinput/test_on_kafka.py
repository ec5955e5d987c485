"""Every class on a real Kafka with the real service: its outcome, and that the partition goes on behind it."""

import itertools
from collections.abc import Iterable

import pytest

from tests.badinput.cases import CASES
from tests.badinput.classes import NAMES, Case
from tests.badinput.records import LIST
from tests.badinput.stage import Sent, Stage, told_of

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="session")]

BY_CLASS = {
    number: tuple(cases)
    for number, cases in itertools.groupby(sorted(CASES, key=lambda case: case.number), lambda case: case.number)
}


@pytest.mark.parametrize("number", BY_CLASS, ids=lambda number: f"{number:02}-{NAMES[number].replace(' ', '-')}")
async def test_class(stage: Stage, number: int) -> None:
    before = stage.calls()
    sent = [(case, await stage.send(case.record)) for case in BY_CLASS[number]]
    await stage.sentinel()
    for case, one in sent:
        await _has_its_outcome(stage, case, one)
    _assert_aws_was_called_for_the_good_only(stage, before, (case for case, _ in sent))
    stage.assert_no_secret_in_the_log()


async def _has_its_outcome(stage: Stage, case: Case, sent: Sent) -> None:
    expected = case.expected
    if expected.outcome == "works":
        assert (await stage.terminal(sent)).kind == "succeeded"
        assert not stage.has_letter(sent)
        return
    letter = await stage.letter(sent)
    assert told_of(letter)["dlq_reason"] == expected.code
    if expected.outcome == "letter":
        assert stage.client.replies(sent.command_id) == []
        return
    reply = await stage.terminal(sent)
    assert [one.kind for one in stage.client.replies(sent.command_id)] == ["rejected"]
    error = reply.data["error"]
    assert error["code"] == expected.code
    said = [(violation["path"], violation["rule"]) for violation in error["violations"]]
    assert set(said) == set(expected.said)
    told = " ".join(violation["message"] for violation in error["violations"])
    for words in expected.tells:
        assert words in told


def _assert_aws_was_called_for_the_good_only(stage: Stage, before: dict[str, int], cases: Iterable[Case]) -> None:
    good = 1 + sum(case.expected.outcome == "works" for case in cases)
    after = stage.calls()
    assert after.pop(LIST, 0) - before.pop(LIST, 0) == good
    assert after == before
