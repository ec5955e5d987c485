"""When the Kafka client shows that it lives: while Kafka can't be reached too, but not while it hangs itself."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.group.membership import GroupMember, Session
from service.adapters.kafka.incidents import Incident, Incidents
from service.adapters.kafka.reconnection import BACKOFF_CAP
from service.runtime.ports import Assignee, LogError

pytestmark = pytest.mark.looptime

HOUR = 3600.0
SETTINGS = KafkaSettings("127.0.0.1:1", "group")


class Member(GroupMember):
    """A member whose sessions are the test's."""

    def __init__(self, session: Any) -> None:
        self.beats: list[float] = []
        self.incidents = Incidents()
        self.session = session
        super().__init__(
            SETTINGS, ["commands"], self.incidents, lambda: self.beats.append(asyncio.get_running_loop().time())
        )

    async def _run_session(self, assignee: Assignee) -> None:
        await self.session(self)

    @property
    def longest_silence(self) -> float:
        """Seconds between two signs of life, up to now."""
        times = [*self.beats, asyncio.get_running_loop().time()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))


@asynccontextmanager
async def consuming(session: Any) -> AsyncIterator[Member]:
    member = Member(session)
    task = asyncio.create_task(member.consume(cast(Assignee, None)))
    await asyncio.sleep(HOUR)
    yield member
    task.cancel()
    await asyncio.wait([task])


async def test_kafka_that_is_away_is_no_reason_to_restart() -> None:
    async def session(_: Member) -> None:
        await asyncio.sleep(SETTINGS.open_deadline)
        raise LogError("no broker answers")

    async with consuming(session) as member:
        assert member.longest_silence < SETTINGS.open_deadline + BACKOFF_CAP + 1
        assert member.incidents == {Incident.SESSION_LOST: len(member.beats) - 1}


class Delivery:
    """Polls in a second; once, after some rounds, it ignores that it is cancelled for two hours."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds

    async def poll(self) -> None:
        self.rounds -= 1
        if self.rounds:
            await asyncio.sleep(1.0)
            return
        until = asyncio.get_running_loop().time() + 2 * HOUR
        while (left := until - asyncio.get_running_loop().time()) > 0:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(left)


async def polled(member: Member, rounds: int) -> None:
    session = Session(None, cast(Any, Delivery(rounds)))
    await member._poll(session)


async def test_each_poll_is_a_sign_of_life() -> None:
    async with consuming(lambda member: polled(member, 10_000)) as member:
        assert member.longest_silence == pytest.approx(1.0)


async def test_a_client_that_hangs_in_spite_of_its_deadline_falls_silent() -> None:
    async with consuming(lambda member: polled(member, 100)) as member:
        assert member.longest_silence > 2 * SETTINGS.poll_deadline
        await asyncio.sleep(2 * HOUR)  # it ends after all
