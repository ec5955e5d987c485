"""What the demo concludes from replies and events."""

from typing import Any

import pytest

from sandbox.demo.records import DEAD_LETTERS, EVENTS, REPLIES, Command, Record
from sandbox.demo.timeline import Row, Timeline, UnwantedError

COMMAND = Command("c-1", "CreateAudienceModel", {}, time=100.0)


def reply(kind: str, seconds: float = 1.0, **data: Any) -> Record:
    data = {"commandId": "c-1", "operation": "CreateAudienceModel"} | data
    return Record(REPLIES, 100.0 + seconds, {"type": f"cleanroomsml.reply.{kind}"}, data)


def event(status: str, seconds: float = 1.0, sequence: str = "0001") -> Record:
    headers = {"type": "cleanroomsml.audience-model.status-changed", "sequence": sequence}
    return Record(EVENTS, 100.0 + seconds, headers, {"commandId": "c-1", "status": status})


def timeline(*records: Record) -> Timeline:
    return Timeline([COMMAND], list(records))


def test_a_command_is_settled_when_reply_and_event_are_there_in_any_order() -> None:
    ended, active = reply("succeeded", result={"audienceModelArn": "a"}), event("ACTIVE")
    assert not timeline().settled(COMMAND)
    assert not timeline(reply("accepted"), ended).settled(COMMAND)
    assert not timeline(event("CREATE_PENDING"), ended).settled(COMMAND)
    assert not timeline(active).settled(COMMAND)
    assert timeline(active, ended).settled(COMMAND)
    assert timeline(ended, event("created")).settled(COMMAND)
    assert timeline(ended).result(COMMAND) == {"audienceModelArn": "a"}


def test_what_belongs_to_other_commands_does_not_count() -> None:
    other = Command("c-2", "CreateAudienceModel", {})
    both = timeline(reply("failed"), event("ACTIVE"))
    assert not both.settled(other)
    assert (both.phase(other), both.result(other)) == ("sent", {})


def test_phases() -> None:
    told = [reply("accepted"), reply("started", status="CREATE_PENDING"), event("CREATE_IN_PROGRESS")]
    seen = [timeline(*told[:number]).phase(COMMAND) for number in range(4)]
    assert seen == ["sent", "accepted", "CREATE_PENDING", "CREATE_IN_PROGRESS"]
    assert timeline(*told, reply("succeeded"), event("ACTIVE")).phase(COMMAND) == "succeeded"


@pytest.mark.parametrize("kind", ["failed", "rejected", "parked"])
def test_another_end_than_success_is_said_in_the_service_s_words(kind: str) -> None:
    violations = [{"path": "name", "rule": "pattern", "message": "too long"}]
    error = {"code": "Bad", "message": "that won't do", "violations": violations}
    with pytest.raises(UnwantedError, match=rf"CreateAudienceModel {kind}: Bad, that won't do\n  name: too long"):
        timeline(reply(kind, error=error)).settled(COMMAND)


def test_a_dead_letter_is_no_success() -> None:
    headers = {"id": "c-1", "dlq_reason": "Oversize", "dlq_message": "2 MiB"}
    with pytest.raises(UnwantedError, match="dead letter: Oversize, 2 MiB"):
        timeline(Record(DEAD_LETTERS, 101.0, headers, {})).settled(COMMAND)


def test_rows_are_ordered_by_time_and_replies_come_before_events_of_the_same_moment() -> None:
    late = event("ACTIVE", 2.0, "0012")
    rows = timeline(late, reply("succeeded", 2.0), reply("started", 0.5, status="CREATE_PENDING")).rows()
    assert rows == [
        Row(0.0, "command", "CreateAudienceModel", ""),
        Row(0.5, "reply", "CreateAudienceModel", "started (CREATE_PENDING)"),
        Row(2.0, "reply", "CreateAudienceModel", "succeeded"),
        Row(2.0, "event", "audience-model", "ACTIVE", "12"),
    ]
    assert Timeline().rows() == []
    assert timeline(late).count(EVENTS) == 1
