"""A reply topic that refused records is tried again, each time later."""

import asyncio

import pytest

from service.runtime.ports import Unfit
from service.runtime.reply_redirects import FIRST, LONGEST, ReplyRedirects
from tests.support import messages
from tests.support.cluster import Rig
from tests.unit.service.runtime.test_reply_topics import OTHER, told

pytestmark = pytest.mark.looptime

CREATE, READ = "CreateTrainingDataset", "ListTrainingDatasets"


async def test_a_topic_that_takes_records_again_is_used_again() -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.broker.refusing[OTHER] = Unfit
        await rig.end(rig.send(READ, command_id="first", replyto=OTHER))
        await asyncio.sleep(FIRST)
        await rig.end(rig.send(READ, command_id="second", replyto=OTHER))
        rig.broker.refusing.clear()
        await asyncio.sleep(FIRST)
        await rig.end(rig.send(READ, command_id="third", replyto=OTHER))
        assert {topic for topic, *_ in told(rig, "third")} == {messages.REPLIES}, (
            "the second trial failed: twice as long"
        )
        await asyncio.sleep(FIRST)
        rig.send(READ, command_id="fourth", replyto=OTHER)
        await rig.until(lambda: len(told(rig, "fourth")) == 2)
        assert {topic for topic, *_ in told(rig, "fourth")} == {OTHER}
        assert sum(what == "reply_topic_refused" for what, _ in node.story.problems) == 2


def test_detours() -> None:
    detours = ReplyRedirects()
    assert detours.avoided({"t"}, 0.0) == set()
    assert detours.refused("t", 0.0) == FIRST
    assert detours.avoided({"t", "u"}, FIRST - 1) == {"t"}
    assert detours.avoided({"t"}, FIRST) == set()
    assert detours.refused("t", FIRST) == 2 * FIRST
    assert [detours.refused("t", 0.0) for _ in range(20)][-1] == LONGEST
    assert detours.refused("t", 2 * LONGEST) == FIRST, "that was long ago"


async def test_a_topic_that_takes_only_small_records_is_tried_ever_more_rarely() -> None:
    """What it takes between two refusals proves nothing, and each refusal costs the partition a restart."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        for _ in range(10):
            await rig.made(CREATE)
        rig.broker.topic_bytes[OTHER] = 1000  # an acceptance, but not the list
        for _ in range(12):
            rig.send(READ, replyto=OTHER)
            await asyncio.sleep(FIRST + 10.0)
        assert sum(what == "reply_topic_refused" for what, _ in node.story.problems) == 4
