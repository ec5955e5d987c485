"""The one queue through which a shard's state changes."""

import asyncio

import pytest

from schemas import sizes
from service.core.observations import Due
from service.runtime.inbox import Arrived, Inbox, Observed, Outdated, Passed, Resumed
from service.runtime.ports import InRecord

pytestmark = pytest.mark.looptime


def item(number: int) -> Observed:
    return Observed(bytes([number]), Due())


async def test_items_come_in_order_and_in_batches() -> None:
    inbox = Inbox()
    for number in range(5):
        inbox.put(item(number))
    assert await inbox.take(3) == [item(0), item(1), item(2)]
    assert len(inbox) == 2
    assert await inbox.take(3) == [item(3), item(4)]


async def test_taking_waits() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take(10))
    await asyncio.sleep(1.0)
    assert not taking.done()
    inbox.put(item(1))
    inbox.put(item(2))
    assert await taking == [item(1), item(2)]


async def test_a_closed_inbox_gives_what_it_has_and_takes_no_more() -> None:
    inbox = Inbox()
    inbox.put(item(1))
    inbox.close()
    inbox.put(item(2))
    assert await inbox.take(10) == [item(1)]
    assert await inbox.take(10) == []


async def test_closing_wakes_who_waits() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take(10))
    await asyncio.sleep(1.0)
    inbox.close()
    assert await taking == []


def record(value: bytes) -> InRecord:
    return InRecord("commands", 0, 0, 0.0, b"k", value, (("h", b"v"),))


async def test_the_bytes_of_records_that_wait_are_known() -> None:
    inbox = Inbox()
    for each in (Arrived(record(b"x" * 100)), item(1), Resumed(), Passed(7), Outdated(), Arrived(record(b""))):
        inbox.put(each)
    one, other = (sizes.record_size(b"k", value, (("h", b"v"),)) for value in (b"x" * 100, b""))
    assert inbox.bytes == one + other
    await inbox.take(1)
    assert inbox.bytes == other
    await inbox.take(10)
    assert (inbox.bytes, len(inbox)) == (0, 0)


async def test_what_comes_after_the_end_weighs_nothing() -> None:
    inbox = Inbox()
    inbox.close()
    inbox.put(Arrived(record(b"x" * 100)))
    assert (inbox.bytes, len(inbox)) == (0, 0)


async def test_who_is_cancelled_takes_nothing_along() -> None:
    inbox = Inbox()
    taking = asyncio.create_task(inbox.take(10))
    await asyncio.sleep(1.0)
    taking.cancel()
    inbox.put(item(1))
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert await inbox.take(10) == [item(1)]
