"""Who owns what: asked for seldom, in the background, and never in the way."""

import asyncio

import pytest

from service.runtime.group_snapshot import KEPT, GroupSnapshot, GroupWatch, Replica
from service.runtime.ports import LogError, TopicPartition, Unfit
from tests.support.clock import ManualClock

ONE, TWO = TopicPartition("commands", 1), TopicPartition("commands", 2)


class Kafka:
    def __init__(self) -> None:
        self.asked = 0
        self.answer: GroupSnapshot | Exception = GroupSnapshot("Stable", (Replica("a", "m-1", frozenset({ONE})),))

    async def __call__(self) -> GroupSnapshot:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_it_is_asked_once_for_many_questions_and_again_after_a_while() -> None:
    kafka, clock = Kafka(), ManualClock()
    watch = GroupWatch(kafka, clock)
    assert watch.snapshot() == GroupSnapshot()
    for _ in range(50):
        watch.snapshot()
    for _ in range(5):
        found = await watch.settled()
    owner = found.owner(ONE)
    assert owner is not None
    assert (owner.name, found.owner(TWO), kafka.asked, found.asked_at) == ("a", None, 1, clock.wall())
    clock.advance(KEPT)
    await watch.settled()
    assert kafka.asked == 2
    await watch.close()


@pytest.mark.parametrize("error", [LogError("no answer"), RuntimeError("a defect")])
async def test_what_was_known_stays_known_with_the_reason(error: Exception) -> None:
    kafka, clock = Kafka(), ManualClock()
    watch = GroupWatch(kafka, clock)
    await watch.settled()
    kafka.answer = error
    clock.advance(KEPT)
    found = await watch.settled()
    assert found.owner(ONE) is not None
    assert found.error in ("no answer", "unexpected RuntimeError")
    await watch.close()
    clock.advance(KEPT)
    watch.snapshot()
    assert kafka.asked == 2


async def test_silence_is_counted_from_the_first_question_without_an_answer() -> None:
    kafka, clock, held = Kafka(), ManualClock(), asyncio.Event()

    async def ask() -> GroupSnapshot:
        await held.wait()
        return await kafka()

    watch = GroupWatch(ask, clock)
    assert watch.snapshot().unanswered == 0
    await asyncio.sleep(0)
    clock.advance(20)
    assert watch.snapshot().unanswered == 20  # the question is still under way
    kafka.answer = LogError("no answer")
    held.set()
    assert (await watch.settled()).unanswered == 20
    clock.advance(KEPT)
    assert (await watch.settled()).unanswered == 20 + KEPT
    kafka.answer = GroupSnapshot("Stable")
    clock.advance(KEPT)
    assert (await watch.settled()).unanswered == 0
    clock.advance(1000)
    assert watch.snapshot().unanswered == 0  # nothing was asked meanwhile
    await watch.close()


async def test_a_silence_does_not_go_on_while_nobody_asks() -> None:
    """A page that is opened hours after a short silence must not say that Kafka is silent for hours."""
    kafka, clock = Kafka(), ManualClock()
    kafka.answer = LogError("no answer")
    watch = GroupWatch(kafka, clock)
    await watch.settled()
    clock.advance(60)
    assert (await watch.settled()).unanswered == 60  # as often as metrics are read
    kafka.answer = GroupSnapshot("Stable")
    clock.advance(3600)
    assert watch.snapshot().unanswered == 0
    assert (await watch.settled()).unanswered == 0
    await watch.close()


@pytest.mark.parametrize("error", [Unfit("no right"), RuntimeError("a defect")])
async def test_a_refusal_is_an_answer(error: Exception) -> None:
    kafka, clock = Kafka(), ManualClock()
    kafka.answer = error
    watch = GroupWatch(kafka, clock)
    await watch.settled()
    clock.advance(100)
    assert watch._now_known().unanswered == 0
    assert watch._now_known().error
    await watch.close()


async def test_closing_ends_a_question_under_way() -> None:
    never = asyncio.Event()

    async def ask() -> GroupSnapshot:
        await never.wait()
        return GroupSnapshot()

    watch = GroupWatch(ask, ManualClock())
    watch.snapshot()
    await watch.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "group-snapshot"]
