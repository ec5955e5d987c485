"""A small history in which every promise is kept; tests break one at a time."""

from dataclasses import replace
from typing import Any

from tests.faults.history import Batch, History, Sent, Told

ARN = "arn:aws:cleanrooms-ml:eu-west-1:200000000001:audience-model/a"
_DIGEST = "abcdefghijklmnopqrstuvwxyz"
_IDENTITY = {"commandId": "model", "commandSource": "test", "operation": "CreateAudienceModel", "target": "main"}
RESULT = {"audienceModelArn": ARN, "status": "ACTIVE"}


def reply(number: int, kind: str, offset: int, **data: Any) -> Told:
    """A reply to the command."""
    headers = {"ce_id": f"{_DIGEST}/{number}-{kind}", "ce_type": f"cleanroomsml.reply.{kind}"}
    return Told("t.replies", 0, offset, "model", headers, {**_IDENTITY, **data})


def event(sequence: int, status: str, before: str | None, offset: int) -> Told:
    """A change of the model."""
    headers = {
        "ce_id": f"audience-model:{ARN}#{sequence}",
        "ce_type": "cleanroomsml.audience-model.status-changed",
        "ce_subject": ARN,
        "ce_sequence": f"{sequence:010d}",
    }
    return Told("t.events", 0, offset, ARN, headers, {"status": status, "previousStatus": before})


def job(phase: str, told: int, offset: int, **more: Any) -> Told:
    """A changelog record of the command."""
    return Told(
        "t.jobs", 0, offset, '["test","model"]', {}, {"command": {"id": "model"}, "phase": phase, "told": told, **more}
    )


def number(sequence: int, status: str, offset: int) -> Told:
    """A changelog record of the model."""
    data = {"kind": "audience-model", "id": ARN, "sequence": sequence, "status": status}
    return Told("t.resources", 0, offset, f'["resource","audience-model","{ARN}"]', {}, data)


def batch(
    offset: int, epoch: int = 0, *, control: bool = False, producer: int = 7, transactional: bool = True
) -> Batch:
    """What lies on the disk."""
    return Batch(0, offset, producer, epoch, transactional, control)


SENT = Sent("", "test", "model", "CreateAudienceModel", {"name": "model-1"}, 0, 0.0)
REQUEST = {"name": "model-1", "marker": "M" * 26, "created": True, "arn": ARN, "operation": "CreateAudienceModel"}

SOUND = History(
    sent=(SENT,),
    replies=(reply(1, "accepted", 0), reply(2, "started", 2), reply(3, "succeeded", 4, result=RESULT)),
    events=(event(1, "CREATE_PENDING", None, 0), event(2, "ACTIVE", "CREATE_PENDING", 2)),
    changelog=(job("intended", 1, 0), job("running", 2, 2), job("succeeded", 3, 4, reply={"result": RESULT})),
    numbers=(number(1, "CREATE_PENDING", 0), number(2, "ACTIVE", 2)),
    requests=(REQUEST,),
    resources={ARN: {"status": "ACTIVE"}},
    batches={"t.jobs": (batch(0), batch(1, control=True), batch(2), batch(3, control=True), batch(4, 1))},
    lag={"t.commands-0": 0},
)
TWICE = replace(SOUND, sent=(SENT, SENT), replies=(*SOUND.replies, replace(SOUND.replies[-1], offset=6)))
"""A deliberate copy was told the stored end again."""
