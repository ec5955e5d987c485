"""The auditor finds each broken promise, and none where none is broken."""

from dataclasses import replace

import pytest

from tests.faults.auditor import audit
from tests.faults.history import History
from tests.faults.synthetic import (
    ARN,
    REQUEST,
    RESULT,
    SENT,
    SOUND,
    TWICE,
    batch,
    event,
    job,
    number,
    reply,
)

ACCEPTED, STARTED, ENDED = SOUND.replies
PENDING, ACTIVE = SOUND.events

BROKEN: dict[str, tuple[str, History]] = {
    "lost": ("I1", replace(SOUND, replies=(ACCEPTED, STARTED))),
    "two ends": ("I1", replace(SOUND, replies=(*SOUND.replies, reply(4, "failed", 6)))),
    "the end told twice": ("I1", replace(SOUND, replies=TWICE.replies)),
    "a copy gets another end": (
        "I1",
        replace(TWICE, replies=(*SOUND.replies, reply(3, "succeeded", 6, result={"status": "CREATE_FAILED"}))),
    ),
    "a misuse is ignored": ("I1", replace(SOUND, sent=(SENT, replace(SENT, data={"name": "other"}, misuse=True)))),
    "a reply to nobody": ("I1", replace(SOUND, sent=())),
    "created twice": ("I2", replace(SOUND, requests=(REQUEST, REQUEST))),
    "created twice under two markers": ("I2", replace(SOUND, requests=(REQUEST, {**REQUEST, "marker": "N" * 26}))),
    "created without a marker": ("I2", replace(SOUND, requests=({**REQUEST, "marker": None},))),
    "a reply is missing": ("I3", replace(SOUND, replies=(ACCEPTED, ENDED))),
    "replies out of order": (
        "I3",
        replace(SOUND, replies=(replace(STARTED, offset=0), replace(ACCEPTED, offset=2), ENDED)),
    ),
    "a reply after the end": (
        "I3",
        replace(SOUND, replies=(ACCEPTED, reply(2, "succeeded", 2, result=RESULT), reply(3, "started", 4))),
    ),
    "an event is missing": (
        "I3",
        replace(SOUND, events=(PENDING, replace(ACTIVE, headers=event(3, "", "", 0).headers))),
    ),
    "an event twice": ("I3", replace(SOUND, events=(PENDING, ACTIVE, replace(ACTIVE, offset=4)))),
    "a status goes back": (
        "I3",
        replace(
            SOUND,
            events=(event(1, "ACTIVE", None, 0), event(2, "CREATE_PENDING", "ACTIVE", 2)),
            resources={ARN: {"status": "CREATE_PENDING"}},
        ),
    ),
    "previousStatus is wrong": ("I3", replace(SOUND, events=(PENDING, event(2, "ACTIVE", "CREATE_FAILED", 2)))),
    "not in the changelog": ("I4", replace(SOUND, changelog=())),
    "forgotten": ("I4", replace(SOUND, changelog=(*SOUND.changelog, replace(SOUND.changelog[0], offset=9, data=None)))),
    "changelog behind the replies": ("I4", replace(SOUND, changelog=SOUND.changelog[:2])),
    "changelog ahead of the replies": (
        "I4",
        replace(SOUND, changelog=(*SOUND.changelog[:2], job("succeeded", 4, 4, reply={"result": RESULT}))),
    ),
    "stored reply differs": (
        "I4",
        replace(SOUND, changelog=(*SOUND.changelog[:2], job("succeeded", 3, 4, reply={"result": {}}))),
    ),
    "an event is not in the changelog": ("I4", replace(SOUND, numbers=(number(1, "CREATE_PENDING", 0),))),
    "succeeded without a resource": ("I4", replace(SOUND, requests=())),
    "the sandbox says otherwise": ("I4", replace(SOUND, resources={ARN: {"status": "CREATE_FAILED"}})),
    "the sandbox has it no more": ("I4", replace(SOUND, resources={})),
    "not consumed": ("I4", replace(SOUND, lag={"t.commands-0": 1})),
    "an old epoch writes": (
        "I5",
        replace(SOUND, batches={"t.jobs": (batch(0, 1), batch(1, 1, control=True), batch(2))}),
    ),
    "two producers": (
        "I5",
        replace(
            SOUND,
            batches={
                "t.jobs": (
                    batch(0),
                    batch(1, control=True),
                    batch(2, producer=8),
                    batch(3, producer=8, control=True),
                    batch(4),
                )
            },
        ),
    ),
    "interleaved": ("I5", replace(SOUND, batches={"t.jobs": (batch(0), batch(1, producer=8), batch(2, control=True))})),
    "outside of transactions": ("I5", replace(SOUND, batches={"t.jobs": (batch(0, transactional=False),)})),
}


@pytest.mark.parametrize("history", [SOUND, TWICE, History()], ids=["sound", "deliberate copy", "empty"])
def test_a_sound_history_passes(history: History) -> None:
    assert audit(history) == []


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_found(name: str) -> None:
    invariant, history = BROKEN[name]
    assert invariant in {violation.invariant for violation in audit(history)}


def test_a_command_whose_publication_is_doubtful_may_be_missing() -> None:
    doubtful = History(sent=(replace(SENT, acknowledged=False),))
    assert audit(doubtful) == []


def test_a_misuse_that_was_told_is_no_end() -> None:
    misuse = replace(
        reply(9, "rejected", 6, error={"code": "IdMisuse"}), headers={"ce_id": "x", "ce_type": "r.rejected"}
    )
    history = replace(SOUND, sent=(SENT, replace(SENT, misuse=True)), replies=(*SOUND.replies, misuse))
    assert audit(history) == []


def test_the_auditor_knows_nothing_of_the_service() -> None:
    import tests.faults.auditor as module

    names = {getattr(value, "__module__", "") or "" for value in vars(module).values()}
    assert not any(name.startswith(("service", "schemas")) for name in names)
