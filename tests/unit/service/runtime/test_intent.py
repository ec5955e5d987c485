"""A permission to call, and the commits that renew it or put its call off."""

import asyncio

import pytest

from service.runtime.inbox import Inbox
from service.runtime.intent import Intent
from tests.support.shard_internals import Bench

pytestmark = pytest.mark.looptime


def calling() -> tuple[Intent, asyncio.Task[None]]:
    """A call that waits for its connection."""
    intent = Intent(b"key", 0.0, Inbox(), Bench().context, lambda: False, read=False)
    task = intent.task = asyncio.create_task(asyncio.sleep(1.0))
    return intent, task


async def test_a_commit_that_puts_a_call_off_ends_it_unless_it_has_left() -> None:
    waiting, stopped = calling()
    left, going_on = calling()
    assert left.permit()
    for intent in (waiting, left):
        intent.committed(0.0, permitted=False)
    await asyncio.wait((stopped, going_on))
    assert (waiting.over, stopped.cancelled()) == (True, True)
    assert (left.over, going_on.cancelled()) == (False, False)


async def test_a_commit_that_permits_a_call_leaves_it_under_way() -> None:
    waiting, going_on = calling()
    waiting.committed(0.0, permitted=True)
    assert waiting.permit()
    await going_on
    assert not waiting.over


async def test_a_call_that_a_commit_has_put_off_is_not_permitted_by_a_later_one() -> None:
    """Cancelled in the commit in which its turn came: what permits it later needs an intent of its own."""
    intent = Intent(b"key", 0.0, Inbox(), Bench().context, lambda: False, read=False)
    intent.committed(0.0, permitted=False)
    assert not intent.permit()
    intent.committed(0.0, permitted=True)
    assert not intent.permit()
