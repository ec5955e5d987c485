"""What a handle keeps: the order, each change once, the real end."""

from dataclasses import replace
from typing import Any

from schemas.client.changes import Received, ReplyReceived, decode
from schemas.client.job import JobHandle
from schemas.docs import examples
from schemas.events import ReplyKind


def job(digest: str = "") -> JobHandle[Any]:
    async def cancel(*_: Any) -> Any:
        raise AssertionError("unused")

    return JobHandle("one", "/x", b"k", digest, cancel)


def reply(kind: ReplyKind, number: int, **data: Any) -> ReplyReceived:
    message = examples.reply_message(kind)
    found = decode(Received("t", 0, number, 0.0, message.key, message.value, message.headers))
    assert isinstance(found, ReplyReceived)
    return replace(found, id=f"d/{number}-{kind}", data={**found.data, **data})


async def test_each_change_counts_once() -> None:
    one = job()
    for _ in range(2):
        one.add(reply(ReplyKind.ACCEPTED, 1))
    assert len(one.changes) == 1


async def test_what_is_read_while_the_past_is_read_comes_behind_it() -> None:
    one = job()
    one.hold()
    one.add(reply(ReplyKind.SUCCEEDED, 3))
    assert one.end is None
    one.add(reply(ReplyKind.ACCEPTED, 1), earlier=True)
    one.add(reply(ReplyKind.STARTED, 2), earlier=True)
    one.release()
    assert [each.record.offset for each in one.changes] == [1, 2, 3]


async def test_an_operators_decision_is_the_real_end() -> None:
    one = job()
    one.add(reply(ReplyKind.PARKED, 2))
    assert (await one.outcome(1)).kind is ReplyKind.PARKED
    end = reply(ReplyKind.SUCCEEDED, 3)
    one.add(end)
    one.add(reply(ReplyKind.FAILED, 4))
    assert await one.outcome(1) is end, "the first one that is no guess"
    assert await one.result(1) == end.data["result"]


async def test_a_misuse_of_the_id_is_the_misusers() -> None:
    digest = "00000000002a" + "0" * 52
    mine, theirs, unknown = job(digest), job("1" * 64), job()
    for each in (mine, theirs, unknown):
        each.add(reply(ReplyKind.REJECTED, 42, error={"code": "IdMisuse", "message": "other content"}))
    assert [each.end is not None for each in (mine, theirs, unknown)] == [True, False, False]
