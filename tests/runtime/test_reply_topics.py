"""A topic that a command names for its replies, and that is not there."""

import pytest

from tests.fakes.api import late
from tests.runtime import messages
from tests.runtime.messages import Heard, Subscriber
from tests.runtime.rig import Rig

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
