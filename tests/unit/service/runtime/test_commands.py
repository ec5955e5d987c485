"""A record of the commands topic: every outcome, and the transaction that it becomes."""

import json
from typing import Any

import pytest

from schemas import records
from schemas.records import Phase, job_key
from service.core import transitions
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, COMMANDS, DEAD_LETTERS, REPLIES, command, request
from tests.support.shard_internals import CREATE, Bench

pytestmark = pytest.mark.looptime


async def test_accepted_is_one_transaction_of_record_and_reply() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    job = b.job()
    assert job is not None
    assert (job.phase, job.told) == (Phase.INTENDED, 1)
    (record,) = b.out(CHANGELOG)
    assert (record.partition, record.key, record.value) == (1, job_key("/tests", "c-1"), records.encode(job))
    (reply,) = b.told()
    assert (reply.kind, reply.number, reply.key) == ("accepted", 1, "c-1")
    assert list(b.batch.acting) == [job_key("/tests", "c-1")]
    assert b.batch.out()[0].topic == CHANGELOG


async def test_telemetry_hears_only_of_what_is_committed() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    assert b.story.replies == {}
    assert b.story.transitions == []
    b.batch.committed()
    assert b.story.replies == {"accepted": 1}
    assert b.story.transitions == [("", "intended")]


async def test_a_duplicate_while_it_runs_is_acknowledged_under_the_same_id() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    first = b.told()
    b.next()
    b.receive(CREATE, request(CREATE))
    assert b.told() == first
    assert b.out(CHANGELOG) == []
    assert not b.batch.acting
    assert b.story.commands == {"accepted": 1, "duplicate": 1}


async def test_a_duplicate_in_the_same_batch() -> None:
    b = Bench()
    for _ in range(2):
        b.receive(CREATE, request(CREATE))
    assert [reply.kind for reply in b.told()] == ["accepted", "accepted"]
    assert len(b.out(CHANGELOG)) == 1
    assert len(b.batch.acting) == 1


async def test_a_duplicate_after_the_end_gets_the_terminal_reply_again() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    b.end()
    b.receive(CREATE, request(CREATE))
    (reply,) = b.told()
    assert (reply.kind, reply.number, reply.data["result"]) == ("succeeded", 2, {"x": 1})
    assert b.out(CHANGELOG) == []
    assert not b.batch.acting


@pytest.mark.parametrize("formatted", [True, False])
async def test_formatting_is_not_content(formatted: bool) -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    b.next()
    key, value, headers = command(CREATE, "c-1", request(CREATE))
    again = json.dumps(json.loads(value), indent=2 if formatted else None, sort_keys=True).encode()
    b.raw(key, again, headers)
    assert [reply.kind for reply in b.told()] == ["accepted"]


@pytest.mark.parametrize("ended", [True, False])
async def test_another_content_under_a_known_id_is_a_misuse(ended: bool) -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    before = b.job()
    if ended:
        b.end()
        before = b.job()
    b.next()
    for name in ("other", "another"):
        b.receive(CREATE, request(CREATE, name=name))
    one, two = b.told()
    assert (one.kind, one.code) == ("rejected", "IdMisuse")
    assert one.id != two.id
    assert [each["path"] for each in one.data["error"]["violations"]] == ["id", "data"]
    assert "with other content (data, or whether it names its target);" in one.data["error"]["message"]
    assert b.job() == before
    assert b.out(CHANGELOG) == []
    assert b.out(DEAD_LETTERS) == []


async def test_a_repeat_that_names_the_default_target_is_not_told_that_its_data_differs() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    before = b.job()
    assert before
    b.next()
    b.receive(CREATE, request(CREATE), target=before.command.target)
    (reply,) = b.told()
    _, differing = reply.data["error"]["violations"]
    assert reply.code == "IdMisuse"
    assert "or only one of the two names the target" in differing["message"]


async def test_a_misuse_is_answered_to_whom_it_names_itself() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE), replyto="other.replies", correlationid="first")
    b.next()
    b.receive(CREATE, request(CREATE, name="other"), correlationid="second")
    (reply,) = b.told(REPLIES)
    assert reply.extensions["correlationid"] == "second"
    assert b.out("other.replies") == []


async def test_replies_go_where_the_command_wants_them() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE), replyto="other.replies", correlationid="mine")
    (reply,) = b.told("other.replies")
    assert reply.extensions["correlationid"] == "mine"
    assert b.told(REPLIES) == []


@pytest.mark.parametrize(
    ("operation", "data", "extensions", "code"),
    [
        (CREATE, {}, {}, "ValidationFailed"),
        (CREATE, {"unknown": 1}, {}, "ValidationFailed"),
        ("MakeCoffee", {}, {}, "UnknownOperation"),
        (CREATE, None, {"target": "nowhere"}, ""),
        (CREATE, None, {"priority": "ten"}, ""),
        (CREATE, None, {"replyto": "secret"}, ""),
    ],
)
async def test_rejected_is_answered_and_set_aside(
    operation: str, data: Any, extensions: dict[str, str], code: str
) -> None:
    b = Bench()
    b.receive(operation, request(operation) if data is None else data, **extensions)
    (reply,) = b.told()
    assert reply.kind == "rejected"
    assert reply.data["error"]["violations"]
    assert code in ("", reply.code)
    (letter,) = b.out(DEAD_LETTERS)
    assert dict(letter.headers)["dlq_reason"] == reply.code.encode()
    job = b.job()
    assert job is not None
    assert job.phase is Phase.REJECTED
    assert job.command.params == {}
    assert b.story.commands == {"rejected": 1}


async def test_a_rejected_one_again_is_answered_again() -> None:
    b = Bench()
    b.receive(CREATE, {})
    first = b.told()
    b.next()
    b.receive(CREATE, {})
    assert b.told() == first
    assert len(b.out(DEAD_LETTERS)) == 1
    assert b.out(CHANGELOG) == []


@pytest.mark.parametrize(
    ("key", "value", "headers"),
    [
        (None, None, ()),
        (b"k", b"", ()),
        (b"k", b"\xff\x00", ()),
        (b"k", b"{}", ((b"ce_id".decode(), b"x"),)),
        (b"k", b"{}", (("ce_id", None), ("ce_source", b"s"))),
        (b"k", b"[" * 100_000, (("content-type", b"application/cloudevents+json"),)),
    ],
)
async def test_what_names_no_command_is_set_aside_untouched(key: Any, value: Any, headers: Any) -> None:
    b = Bench()
    b.raw(key, value, headers)
    (letter,) = b.batch.out()
    assert (letter.topic, letter.key, letter.value) == (DEAD_LETTERS, key, value)
    assert letter.headers[: len(headers)] == headers
    added = dict(letter.headers)
    assert added["dlq_topic"] == COMMANDS.encode()
    assert (added["dlq_partition"], added["dlq_offset"]) == (b"1", b"1")
    assert b.story.commands == {"undecodable": 1}


async def test_a_record_that_breaks_the_service_is_set_aside_and_the_next_is_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = transitions.accept

    def accept(command: records.Command, *rest: Any) -> Any:
        if command.id == "poison":
            raise RuntimeError(f"a bug, and a secret: {command.params}")
        return real(command, *rest)

    monkeypatch.setattr(transitions, "accept", accept)
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.send(CREATE, command_id="poison")
        assert (await rig.perform(CREATE)).kind == "succeeded"
        (letter,) = rig.broker.read_committed(DEAD_LETTERS)
        assert letter.key == b"poison"
        assert dict(letter.headers)["dlq_reason"] == b"ServiceError"
        assert "secret" not in str(letter.headers) + str(node.story.problems)
        assert node.story.told("record_error") == 1
