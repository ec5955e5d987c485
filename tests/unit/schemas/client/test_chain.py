"""A chain is checked whole before its first command is sent, and sent in order under one key."""

import asyncio
from typing import Any

import pytest

from schemas.client import ClientSettings, InvalidCommandError, ListAudienceModels, SendUnknownError
from schemas.client.chain import Chain
from schemas.client.client import Client
from schemas.cloudevents import decode
from schemas.events import Message


class Recorded:
    """Notes what is sent; may fail at one."""

    def __init__(self, fails_at: int = -1) -> None:
        self.sent: list[Message] = []
        self.fails_at = fails_at
        self.client = Client(ClientSettings(bootstrap_servers="", source="/planner"))

    async def publish(self, message: Message) -> tuple[str, int, int]:
        await asyncio.sleep(0)
        if len(self.sent) == self.fails_at:
            raise SendUnknownError("no answer")
        self.sent.append(message)
        return "commands", 0, len(self.sent)

    def chain(self, **attributes: Any) -> Chain:
        return Chain(self.client.prepare, self.publish, "campaign-7", attributes)  # type: ignore[arg-type]

    def envelopes(self) -> list[Any]:
        return [decode(each.key, each.value, each.headers) for each in self.sent]


async def test_all_are_sent_in_order_with_one_key() -> None:
    recorded = Recorded()
    async with recorded.chain(correlation_id="week-48") as chain:
        first = chain.add(ListAudienceModels(), id="first")
        assert first.reference == "command:first"
        chain.add(ListAudienceModels(maxResults=2), id="second", priority=5)
        assert recorded.sent == []
    assert {each.key for each in recorded.sent} == {b"campaign-7"}
    assert [each.id for each in recorded.envelopes()] == ["first", "second"]
    assert recorded.envelopes()[1].extensions == {"correlationid": "week-48", "priority": "5"}
    assert [job.id for job in chain.jobs] == ["first", "second"]


async def test_nothing_is_sent_when_one_is_invalid() -> None:
    recorded = Recorded()

    async def two() -> None:
        async with recorded.chain() as chain:
            chain.add(ListAudienceModels(), id="first")
            chain.add(ListAudienceModels(maxResults=-1), id="second")

    with pytest.raises(InvalidCommandError):
        await two()
    assert recorded.sent == []


async def test_an_id_stands_once() -> None:
    async with Recorded().chain() as chain:
        chain.add(ListAudienceModels(), id="first")
        with pytest.raises(InvalidCommandError, match="two commands with the id first"):
            chain.add(ListAudienceModels(), id="first")


async def test_a_chain_that_broke_off_is_sent_again() -> None:
    recorded = Recorded(fails_at=1)
    for fails_at in (1, -1):
        recorded.fails_at = fails_at
        try:
            async with recorded.chain() as chain:
                jobs = [chain.add(ListAudienceModels(), id=f"{number}") for number in range(3)]
        except SendUnknownError:
            assert fails_at == 1
    assert [each.id for each in recorded.envelopes()] == ["0", "0", "1", "2"]
    assert len(jobs) == 3
