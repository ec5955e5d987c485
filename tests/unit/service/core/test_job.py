"""Questions about a job: its marker, its jitter, its place in the order of its key, its slot."""

from collections.abc import Mapping
from typing import Any

import pytest

from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, OPERATIONS, SERVICE_COMMANDS, Operation, Repeat
from schemas.records import TERMINAL, Command, Job
from service.core import job as questions
from service.core.job import (
    GIVEN_BACK,
    MARKER_LENGTH,
    Phase,
    awaits_slot,
    jitter,
    keeps_line,
    marker,
    may_have_happened,
    occupies_slot,
    order_of,
    repeat,
    subject,
    wants_slot,
)
from tests.support.builders import DELETING, GUARDED, JOBS, NOW, READS, SAFE, command, every_job, guarded, job, named

MODEL = OPERATIONS["CreateAudienceModel"]
EXPORT = OPERATIONS["StartAudienceExportJob"]
UNKNOWN = Command("c-1", "/shop", "TrainEverything", "main", {}, "0" * 64)


def test_a_marker_is_the_same_at_every_replay() -> None:
    """Markers stand in descriptions at AWS: the derivation can never change."""
    assert marker(command(MODEL)) == "KS3KZYETHVKXTC650Z7TKTJZDK"
    assert marker(command(MODEL, tenant="shop")) != marker(command(MODEL))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"source": "/a", "id": "bc"}, {"source": "/ab", "id": "c"}),
        ({"source": "1:/", "id": "x"}, {"source": "1", "id": ":/x"}),
        ({"tenant": "t", "source": "/s"}, {"tenant": "", "source": "@t//s"}),
        ({"id": "c-1"}, {"id": "c-2"}),
    ],
)
def test_what_is_another_command_has_another_marker(one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    assert marker(command(MODEL, **one)) != marker(command(MODEL, **other))


def test_a_marker_has_26_characters_of_crockfords_alphabet() -> None:
    found = {character for number in range(200) for character in marker(command(MODEL, id=f"c-{number}"))}
    assert found == set("0123456789ABCDEFGHJKMNPQRSTVWXYZ")
    assert {len(marker(command(MODEL, id=f"c-{number}"))) for number in range(50)} == {MARKER_LENGTH}


def test_jitter_is_spread_over_commands_and_retries_and_the_same_at_every_replay() -> None:
    fractions = [jitter(command(MODEL, id=f"c-{number}"), retry) for number in range(50) for retry in range(20)]
    assert fractions == [jitter(command(MODEL, id=f"c-{number}"), retry) for number in range(50) for retry in range(20)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert len(set(fractions)) == len(fractions)
    assert 0.4 < sum(fractions) / len(fractions) < 0.6


def test_only_a_key_has_an_order() -> None:
    assert order_of(None) == order_of(b"") == ""
    assert order_of(b"a") == order_of(b"a") != order_of(b"b")
    assert len(order_of(b"a" * 1000)) == 16


def test_a_command_is_about_what_its_row_says_or_what_it_tracks() -> None:
    assert subject(command(MODEL)) is AUDIENCE_MODEL
    track = SERVICE_COMMANDS["TrackResource"]
    assert subject(command(track)) is track.resource
    arn = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/one"
    of_model = command(track, params={track.resource.identity: arn})
    assert subject(of_model) is AUDIENCE_MODEL


def test_a_condition_makes_any_write_guarded() -> None:
    for operation in GUARDED:
        assert repeat(guarded(operation)) is Repeat.GUARDED
        assert repeat(command(operation)) is operation.repeat
    assert repeat(command(MODEL)) is Repeat.MARKED


@pytest.mark.parametrize("operation", [*(row for row in SAFE if row not in READS), *DELETING], ids=named)
def test_a_second_attempt_that_no_search_has_permitted_may_be_a_repeat(operation: Operation) -> None:
    assert may_have_happened(job(operation, attempt=2))
    assert not may_have_happened(job(operation, attempt=1))


def test_a_search_or_a_condition_rules_a_repeat_out() -> None:
    assert not may_have_happened(job(MODEL, attempt=3))
    assert not may_have_happened(job(GUARDED[0], attempt=3, command=guarded(GUARDED[0])))
    assert not may_have_happened(job(OPERATIONS["GetAudienceModel"], attempt=3))


def test_a_condition_that_names_no_former_state_proves_nothing() -> None:
    """What another command has overwritten since leaves no trace of the call whose outcome was lost."""
    new = guarded(GUARDED[0], policyExistenceCondition="POLICY_MUST_NOT_EXIST")
    assert repeat(new) is Repeat.GUARDED
    assert may_have_happened(job(GUARDED[0], attempt=2, command=new))
    assert not may_have_happened(job(GUARDED[0], attempt=1, command=new))


def test_of_an_unknown_operation_only_its_attempts_are_known() -> None:
    assert not may_have_happened(Job(UNKNOWN, Phase.INTENDED, NOW, attempt=1))
    assert may_have_happened(Job(UNKNOWN, Phase.INTENDED, NOW, attempt=2))
    assert occupies_slot(Job(UNKNOWN, Phase.RUNNING, NOW)) == ""
    assert awaits_slot(Job(UNKNOWN, Phase.QUEUED, NOW)) == ""
    with pytest.raises(KeyError, match="TrainEverything"):
        questions.row(UNKNOWN)


@pytest.mark.parametrize(
    ("phase", "changes", "in_line"),
    [
        (Phase.INTENDED, {}, True),
        (Phase.INTENDED, {"due": GIVEN_BACK}, True),
        (Phase.INTENDED, {"due": NOW + 60}, False),
        (Phase.INTENDED, {"due": NOW + 60, "turn": 4}, True),
        (Phase.INTENDED, {"due": NOW + 60, "retries": 1}, True),
        (Phase.INTENDED, {"due": NOW + 60, "attempt": 2}, True),
        (Phase.UNCERTAIN, {}, True),
        (Phase.UNCERTAIN, {"due": NOW + 60}, True),
        (Phase.QUEUED, {"due": NOW + 60, "turn": 4}, False),
        (Phase.RUNNING, {}, False),
        (Phase.SUCCEEDED, {}, False),
        (Phase.PARKED, {}, False),
    ],
)
def test_who_keeps_its_place_in_the_order_of_its_key(phase: Phase, changes: dict[str, Any], in_line: bool) -> None:
    assert keeps_line(job(MODEL, phase, **changes)) is in_line


def test_a_job_at_aws_or_on_its_way_there_occupies_a_slot() -> None:
    assert {row.resource.slot for row in JOBS} == {
        "audience-models",
        "audience-generation-jobs",
        "audience-export-jobs",
    }
    taken = {phase: occupies_slot(job(EXPORT, phase)) for phase in Phase}
    free = {*TERMINAL, Phase.QUEUED}
    assert {phase for phase, name in taken.items() if not name} == free
    assert {name for name in taken.values() if name} == {EXPORT_JOB.slot}
    assert occupies_slot(job(EXPORT, due=NOW + 5)) == ""  # it rests, and has called nothing
    assert occupies_slot(job(OPERATIONS["DeleteAudienceModel"], Phase.RUNNING)) == ""


def test_who_waits_for_a_slot() -> None:
    assert awaits_slot(job(EXPORT, Phase.QUEUED)) == EXPORT_JOB.slot
    assert awaits_slot(job(EXPORT)) == ""
    assert awaits_slot(job(OPERATIONS["DeleteAudienceModel"], Phase.QUEUED)) == ""


def test_an_intent_counts_as_waiting_for_others() -> None:
    assert wants_slot(job(EXPORT)) == wants_slot(job(EXPORT, Phase.QUEUED)) == EXPORT_JOB.slot
    assert wants_slot(job(EXPORT, Phase.RUNNING)) == ""
    assert wants_slot(job(EXPORT, due=NOW + 5)) == ""


def test_nobody_uses_a_slot_and_waits_for_one() -> None:
    assert [each for each in every_job() if occupies_slot(each) and awaits_slot(each)] == []
    assert [each for each in every_job() if questions.ended(each) and wants_slot(each)] == []
