"""The auditor finds each broken promise about chains, and none where none is broken."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.faults.auditor import audit
from tests.faults.history import History, Sent, Told

_ARN = "arn:aws:cleanrooms-ml:eu-west-1:200000000001:{}/{}"
DATA, MODEL, NEXT = (
    _ARN.format("training-dataset", "d"),
    _ARN.format("audience-model", "m"),
    _ARN.format("configured-audience-model", "n"),
)
_DAY = "2026-11-27T12:00:0"


def sent(name: str, operation: str, **more: Any) -> Sent:
    """A command of the chain."""
    extensions = more.pop("extensions", {})
    return Sent("", "test", name, operation, {"name": name, **more}, 0, 0.0, key="chain", extensions=extensions)


def ended(name: str, kind: str = "succeeded", code: str = "", number: int = 2, **more: Any) -> Told:
    """Its end."""
    data = {"commandId": name, "commandSource": "test", **({"error": {"code": code}} if code else {}), **more}
    digest = name.ljust(26, "a")
    headers = {"ce_id": f"{digest}/{number}-{kind}", "ce_type": f"cleanroomsml.reply.{kind}"}
    return Told("t.replies", 0, number, "chain", headers, data)


def call(name: str, second: int, arn: str | None) -> dict[str, Any]:
    """A request; it has made something if it has an ARN."""
    made = {"arn": arn, "created": arn is not None, "marker": name.upper().ljust(26, "M")}
    return {"time": f"{_DAY}{second}.000+00:00", "operation": "x", "name": name, **made}


def active(second: int, **members: str) -> dict[str, Any]:
    """A resource, and since when it can be used."""
    return {"status": "ACTIVE", "history": [["ACTIVE", f"{_DAY}{second}.500000+00:00"]], **members}


SENT = (
    sent("data", "CreateTrainingDataset"),
    sent("model", "CreateAudienceModel", trainingDatasetArn="command:data"),
    sent("next", "CreateConfiguredAudienceModel", extensions={"after": '["model"]'}),
)
ENDS = (ended("data"), ended("model"), ended("next"))
CALLS = (call("data", 1, DATA), call("model", 2, MODEL), call("next", 4, NEXT))
STATE: Mapping[str, Mapping[str, Any]] = {
    DATA: active(1),
    MODEL: active(3, trainingDatasetArn=DATA),
    NEXT: active(4),
}
SOUND = History(sent=SENT, replies=ENDS, requests=CALLS, resources=STATE)
LOST = ended("model", "failed", "ValidationException")
CASCADE = ended("next", "failed", "PredecessorFailed", predecessors=["model"])
FAILED = replace(SOUND, replies=(ENDS[0], LOST, CASCADE), requests=CALLS[:2])
NOBODY = replace(SENT[1], data={"name": "model", "trainingDatasetArn": "command:nobody"})
REFUSED = replace(
    SOUND,
    sent=(SENT[0], NOBODY, SENT[2]),
    replies=(ENDS[0], ended("model", "rejected", "UnknownPredecessor"), CASCADE),
    requests=CALLS[:1],
)
CANCELLED = replace(FAILED, replies=(ENDS[0], LOST, ended("next", "failed", "Cancelled")))

BROKEN = {
    "called before its predecessor's end": replace(SOUND, requests=(*CALLS[:2], call("next", 3, NEXT))),
    "an early call that was refused": replace(SOUND, requests=(*CALLS, call("next", 2, None))),
    "called before its predecessor, which is gone": replace(
        SOUND, requests=(call("data", 3, DATA), *CALLS[1:]), resources={MODEL: STATE[MODEL], NEXT: STATE[NEXT]}
    ),
    "called with another resource": replace(SOUND, resources={**STATE, MODEL: active(3, trainingDatasetArn=NEXT)}),
    "called with the reference": replace(
        SOUND, resources={**STATE, MODEL: active(3, trainingDatasetArn="command:data")}
    ),
    "its predecessor made nothing that can be used": replace(
        SOUND, resources={**STATE, MODEL: {**STATE[MODEL], "history": [["CREATE_FAILED", f"{_DAY}3+00:00"]]}}
    ),
    "succeeded although": replace(FAILED, replies=(ENDS[0], LOST, ENDS[2]), requests=CALLS),
    "called although": replace(FAILED, requests=CALLS),
    "failed for another reason": replace(FAILED, replies=(ENDS[0], LOST, ended("next", "failed", "Throttling"))),
    "failed because of one that has succeeded": replace(SOUND, replies=(*ENDS[:2], CASCADE), requests=CALLS[:2]),
    "failed because of none": replace(
        FAILED, replies=(ENDS[0], LOST, ended("next", "failed", "PredecessorFailed", predecessors=[]))
    ),
    "failed because of one that it does not name": replace(
        FAILED, replies=(ENDS[0], LOST, ended("next", "failed", "PredecessorFailed", predecessors=["data"]))
    ),
    "failed without a call": replace(SOUND, replies=(*ENDS[:2], ended("next", "failed", "x")), requests=CALLS[:2]),
    "rejected although all have succeeded": replace(
        SOUND, replies=(*ENDS[:2], ended("next", "rejected", "UnknownPredecessor")), requests=CALLS[:2]
    ),
    "ended while its predecessor is parked": replace(FAILED, replies=(ENDS[0], ended("model", "parked"), CASCADE)),
    "an unknown predecessor is accepted": replace(REFUSED, replies=(ENDS[0], LOST, CASCADE)),
    "an unknown predecessor, and called": replace(REFUSED, requests=CALLS[:2]),
    "a predecessor of another key": replace(SOUND, sent=(replace(SENT[0], key="other"), *SENT[1:])),
    "a predecessor that came later": replace(SOUND, sent=(SENT[1], SENT[0], SENT[2])),
}


def found(history: History) -> list[str]:
    """What is said of chains."""
    return [violation.message for violation in audit(history) if violation.invariant == "I7"]


@pytest.mark.parametrize(
    "history", [SOUND, FAILED, REFUSED, CANCELLED], ids=["sound", "cascade", "unknown", "cancelled meanwhile"]
)
def test_a_sound_chain_passes(history: History) -> None:
    assert found(history) == []


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_promise_is_found(name: str) -> None:
    assert found(BROKEN[name])


def test_what_a_person_has_decided_is_the_end_of_a_parked_command() -> None:
    decision = Sent("", "person", "decide", "ResolveCommand", {"commandId": "model", "commandSource": "test"}, 0, 0.0)
    answer = replace(ended("decide"), data={"commandId": "decide", "commandSource": "person"})
    parked = ended("model", "parked", number=1)
    history = replace(SOUND, replies=(ENDS[0], parked, ENDS[1], ENDS[2]))
    told = [violation for violation in audit(history) if violation.subject == "test/model"]
    assert {violation.invariant for violation in told} == {"I1", "I3", "I4"}
    decided = replace(history, sent=(*SENT, decision), replies=(*history.replies, answer))
    told = [violation for violation in audit(decided) if violation.subject == "test/model"]
    assert [violation.invariant for violation in told] == ["I4"], "the changelog of these is not given"
    assert found(decided) == []
