"""A command in an operator's words, and nothing of its payload."""

from datetime import UTC, datetime
from typing import Any

import pytest

from schemas.operations import OPERATIONS, Resolution
from schemas.records import TERMINAL, Fault, Phase
from service.core import chains, command_state
from service.core.command_state import CommandState, NextStep, moment
from service.core.job import GIVEN_BACK, replace
from service.core.observations import Resolved
from service.core.resolution import resolve
from service.core.transitions import OUT_OF_BUDGET
from tests.support.builders import ARN, NOW, command, every_job, job

MODEL = OPERATIONS["CreateAudienceModel"]
DATASET = OPERATIONS["CreateTrainingDataset"]
SECRET = "SELECT email FROM people WHERE city = 'Ulm'"


@pytest.mark.parametrize(
    ("phase", "more", "state", "step", "words"),
    [
        (Phase.INTENDED, {}, CommandState.ACCEPTED, NextStep.CALL, "is being called"),
        (Phase.INTENDED, {"due": GIVEN_BACK}, CommandState.ACCEPTED, NextStep.CALL, "waits for its turn to call"),
        (Phase.INTENDED, {"reason": OUT_OF_BUDGET}, CommandState.WAITING, NextStep.CALL, "the rate budget"),
        (Phase.INTENDED, {"reason": "CallWindow", "due": NOW + 9}, CommandState.WAITING, NextStep.CALL, "waits"),
        (Phase.INTENDED, {"retries": 3, "due": NOW + 9}, CommandState.ACCEPTED, NextStep.RETRY, "3 tries in a row"),
        (Phase.INTENDED, {"held": "UnknownTarget"}, CommandState.WAITING, NextStep.CALL, "UnknownTarget"),
        (Phase.QUEUED, {"due": NOW + 9}, CommandState.WAITING, NextStep.RETRY, "concurrency slot"),
        (Phase.QUEUED, {"awaits": "x"}, CommandState.WAITING, NextStep.NONE, "that it cancels"),
        (Phase.UNCERTAIN, {"searches": 2}, CommandState.ACCEPTED, NextStep.SEARCH, "was lost; searched 2 times"),
        (Phase.ACCEPTED, {}, CommandState.ACCEPTED, NextStep.SEARCH, "without a name; searching"),
        (Phase.RUNNING, {"status": "ACTIVE"}, CommandState.STARTED, NextStep.POLL, ""),
        (Phase.PARKED, {}, CommandState.PARKED, NextStep.NONE, ""),
    ],
)
def test_each_phase_has_its_word_its_reason_and_what_is_next(
    phase: Phase, more: dict[str, Any], state: CommandState, step: NextStep, words: str
) -> None:
    shown = job(MODEL, phase, **more)
    assert command_state.state_of(shown) is state
    assert command_state.next_step(shown)[0] is step
    assert words in command_state.explained(shown)
    assert bool(words) is bool(command_state.explained(shown))


@pytest.mark.parametrize(
    ("phase", "more", "reason"),
    [
        (Phase.INTENDED, {}, ""),
        (Phase.INTENDED, {"reason": OUT_OF_BUDGET}, OUT_OF_BUDGET),
        (Phase.INTENDED, {"reason": OUT_OF_BUDGET, "held": "UnknownTarget"}, "UnknownTarget"),
        (Phase.QUEUED, {"reason": "ConcurrencyLimit"}, "ConcurrencyLimit"),
        (Phase.QUEUED, {"awaits": "x"}, "Predecessor"),
        (Phase.UNCERTAIN, {}, ""),
        (Phase.RUNNING, {}, ""),
        (Phase.PARKED, {"reason": "x"}, ""),
    ],
)
def test_what_waits_has_the_reason_of_its_last_reply(phase: Phase, more: dict[str, Any], reason: str) -> None:
    assert command_state.waiting_reason(job(MODEL, phase, **more)) == reason


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (("a",), "waits for a"),
        (("a", "b", "c", "d", "e"), "waits for a, b, c and 2 more"),
        (("x" * 900,), "waits for x"),
    ],
)
def test_a_command_of_a_chain_names_what_it_waits_for(ids: tuple[str, ...], words: str) -> None:
    sent = command(MODEL, predecessors=ids)
    shown = chains.begun(job(MODEL, command=replace(sent, params={**sent.params, "name": "autumn"})))
    assert command_state.state_of(shown) is CommandState.WAITING
    assert command_state.next_step(shown) == (NextStep.NONE, 0.0)
    assert command_state.explained(shown).startswith(words)
    assert len(command_state.explained(shown)) <= command_state.LONGEST_TEXT
    assert (command_state.name_of(shown), command_state.is_long(shown)) == ("autumn", True)


def test_a_start_time_is_by_the_wall_clock() -> None:
    waits = job(MODEL, command=command(MODEL, not_before=NOW + 500), due=NOW + 500, reason="NotBefore")
    assert command_state.next_step(waits) == (NextStep.CALL, NOW + 500)
    assert command_state.explained(waits) == "waits for its start time"


def test_no_phase_and_no_row_is_without_a_word() -> None:
    for each in every_job():
        state = command_state.state_of(each)
        assert (state in command_state.ENDED or state is CommandState.PARKED) is (each.phase in TERMINAL)
        command_state.next_step(each)
        command_state.explained(each)
        command_state.marker_of(each)
        assert command_state.error_of(each) is None


def test_the_command_lines_of_a_parked_command_are_safe_to_paste() -> None:
    parked = job(MODEL, Phase.PARKED, command=command(MODEL, id="x; rm -rf ~", source="/a b"))
    lines = command_state.remedies(parked)
    assert lines[0] == "python -m service parked resolve 'x; rm -rf ~' --source '/a b' --adopt ARN"
    assert [line.rsplit(" ", 1)[1] for line in lines[1:]] == ["--retry", "--fail"]
    adopting = command_state.remedies(parked, ["arn:a", "$(x)"])[:2]
    assert [line.partition(" --adopt ")[2] for line in adopting] == ["arn:a", "'$(x)'"]
    export = job(OPERATIONS["StartAudienceExportJob"], Phase.PARKED)
    assert command_state.remedies(export)[0].endswith("--adopt -")
    removal = job(OPERATIONS["DeleteAudienceModel"], Phase.PARKED)  # has made nothing that could carry its marker
    assert [line.rsplit(" --", 1)[1] for line in command_state.remedies(removal, [ARN])] == ["adopt -", "retry", "fail"]
    assert command_state.remedies(job(MODEL)) == ()


def test_the_name_is_the_one_member_of_the_payload_that_is_shown() -> None:
    shown = job(MODEL, command=command(MODEL, params={"name": "spring", "sqlParameters": {"queryString": SECRET}}))
    assert command_state.name_of(shown) == "spring"
    ended = job(MODEL, Phase.SUCCEEDED, command=command(MODEL, params={}), reply={"result": {"name": "summer"}})
    assert command_state.name_of(ended) == "summer"
    for nothing in (None, {"result": None}, {"result": {"name": 5}}):
        assert command_state.name_of(replace(ended, reply=nothing)) == ""


def test_a_message_that_quotes_the_request_is_not_shown() -> None:
    params = {"name": "spring", "roleArn": ARN, "sqlParameters": {"queryString": SECRET, "more": ["hunter22"]}}
    quoting = Fault("AccessDeniedException", f"not {SECRET} nor hunter22 in {ARN} of spring", http_status=403)
    shown = command_state.shown_error(quoting, params)
    assert shown.message == f"not [withheld] nor [withheld] in {ARN} of spring"
    invalid = command_state.shown_error(Fault("ValidationException", SECRET, http_status=400), {})
    assert SECRET not in invalid.message
    assert "the command's reply has it" in invalid.message
    failed = Fault("CREATE_FAILED", SECRET, status_details={"statusCode": "SQL_ERROR", "message": SECRET})
    assert command_state.shown_error(failed, {}).message.startswith("SQL_ERROR (")
    assert SECRET not in str(command_state.shown_error(failed, params))


def test_what_aws_said_of_an_invalid_request_stays_unsaid_when_it_is_given_up() -> None:
    """AWS may quote a part of a text, which no comparison with the request finds."""
    refused = Fault("ValidationException", f"value '{SECRET[:20]}...' is not valid", http_status=400)
    parked = job(OPERATIONS["PutConfiguredAudienceModelPolicy"], Phase.PARKED, fault=refused)
    given_up = resolve(parked, Resolved(Resolution.FAIL), NOW).job
    assert given_up is not None
    assert given_up.fault is not None
    assert SECRET[:20] in given_up.fault.message  # its publisher's reply has it
    for params in ({}, parked.command.params):
        assert SECRET[:20] not in command_state.logged_message(given_up.fault, params)
        assert SECRET[:20] not in str(command_state.shown_error(given_up.fault, params))


def test_a_long_message_is_cut() -> None:
    shown = command_state.shown_error(Fault("X", "a" * 9000), {})
    assert len(shown.message) == command_state.LONGEST_TEXT


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (0, None),
        (0.0, None),
        (None, None),
        ([], None),
        ("yesterday", None),
        (1e300, None),
        (1_700_000_000, datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14T22:13:20Z", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
        ("2023-11-14T22:13:20", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)),
    ],
)
def test_times(value: object, found: datetime | None) -> None:
    assert moment(value) == found


def test_how_long_aws_worked_is_by_its_own_times() -> None:
    times = {"createTime": "2026-01-01T10:00:00+00:00", "updateTime": "2026-01-01T10:47:00+00:00"}
    ended = job(MODEL, Phase.SUCCEEDED, reply={"result": times})
    assert command_state.running_seconds(ended) == 47 * 60
    assert command_state.is_long(ended)
    assert not command_state.is_long(job(DATASET, Phase.SUCCEEDED))
    assert command_state.running_seconds(replace(ended, phase=Phase.FAILED)) is None
    for lacking in ({}, {"createTime": "?"}, {"createTime": times["updateTime"], "updateTime": times["createTime"]}):
        assert command_state.running_seconds(replace(ended, reply={"result": lacking})) is None


def test_a_trace_is_named_by_its_id() -> None:
    traced = job(MODEL, command=command(MODEL, traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"))
    assert command_state.trace_of(traced) == "0af7651916cd43dd8448eb211c80319c"
    assert command_state.trace_of(job(MODEL)) == ""


def test_text_is_found_in_any_case() -> None:
    assert command_state.matches("spring", ["The SPRING campaign"])
    assert not command_state.matches("spring", ["sprint", ""])
