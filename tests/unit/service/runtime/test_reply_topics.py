"""A topic that a command names for its replies, and that is not there or takes none."""

import pytest

from service.runtime.ports import CommitUnknown, LogError, RecordRefused, Unfit
from tests.support import messages
from tests.support.api import late
from tests.support.cluster import Rig
from tests.support.messages import Heard, Subscriber

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
OTHER = "other.replies"


def told(rig: Rig, command_id: str) -> list[tuple[str, int, str]]:
    """What was replied: topic, number, kind."""
    heard: list[tuple[str, Heard]] = [
        (topic, reply) for topic in (messages.REPLIES, OTHER) for reply in Subscriber(rig.broker, topic).of(command_id)
    ]
    return [(topic, reply.number, reply.kind) for topic, reply in sorted(heard, key=lambda each: each[1].number)]


async def test_replies_to_a_topic_that_never_was_go_to_the_default_one() -> None:
    async with Rig() as rig:
        rig.broker.missing.add(OTHER)
        node = await rig.start()
        for command_id in ("first", "second"):
            rig.send(CREATE, command_id=command_id, replyto=OTHER, partition=0)
            await rig.end(command_id)
            assert [(topic, kind) for topic, _, kind in told(rig, command_id)] == [
                (messages.REPLIES, "accepted"),
                (messages.REPLIES, "succeeded"),
            ]
        assert [details["topic"] for _, details in node.story.problems] == [OTHER], "told once"


async def test_a_reply_topic_that_is_deleted_amid_a_command_stops_nobody() -> None:
    async with Rig() as rig:
        await rig.start()
        rig.api.inject(CREATE, late(1.5))
        rig.send(CREATE, command_id="mine", replyto=OTHER, partition=0)
        await rig.until(lambda: told(rig, "mine"))
        rig.broker.missing.add(OTHER)
        await rig.end("mine")
        rig.send(CREATE, command_id="others", partition=0)
        await rig.end("others")
        assert told(rig, "mine") == [(OTHER, 1, "accepted"), (messages.REPLIES, 2, "succeeded")]
        assert len(rig.creates("mine")) == len(rig.creates("others")) == 1


async def test_a_reply_topic_that_comes_later_is_used_from_then_on() -> None:
    async with Rig() as rig:
        rig.broker.missing.add(OTHER)
        await rig.start()
        rig.send(CREATE, command_id="early", replyto=OTHER)
        await rig.end("early")
        rig.broker.missing.clear()
        rig.send(CREATE, command_id="late", replyto=OTHER)
        await rig.until(lambda: [kind for *_, kind in told(rig, "late")] == ["accepted", "succeeded"])
        assert {topic for topic, *_ in told(rig, "late")} == {OTHER}


@pytest.mark.parametrize("what", [Unfit, CommitUnknown, RecordRefused])
async def test_a_reply_topic_that_refuses_stops_nobody(what: type[LogError]) -> None:
    """A right was taken away, no broker leads it, or it takes only small records."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        if what is RecordRefused:
            rig.broker.topic_bytes[OTHER] = 10
        else:
            rig.broker.refusing[OTHER] = what
        rig.send(CREATE, command_id="mine", replyto=OTHER)
        await rig.end("mine", 60.0)
        began = rig.clock.monotonic()
        assert (await rig.perform("ListTrainingDatasets")).kind == "succeeded"
        assert rig.clock.monotonic() - began < 5.0
        assert told(rig, "mine") == [(messages.REPLIES, 1, "accepted"), (messages.REPLIES, 2, "succeeded")]
        assert not any("halted" in what_happened for what_happened, _ in node.story.problems)
        refusals = [details for what_happened, details in node.story.problems if what_happened == "reply_topic_refused"]
        assert [details["topic"] for details in refusals] == [OTHER], "told once"
        assert len(rig.creates("mine")) == 1


async def test_the_services_own_topics_still_halt() -> None:
    """Also when a reply topic refuses in the same transaction."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        rig.broker.refusing |= {messages.CHANGES: Unfit, OTHER: Unfit}
        rig.send(CREATE, command_id="mine", replyto=OTHER)
        await rig.until(lambda: node.app.status()["halted"])
        rig.broker.refusing.clear()
        await rig.end("mine")
