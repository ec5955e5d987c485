"""Calls and searches: what is sent, when it may be sent, and what is learnt."""

import asyncio
import math
from typing import Any

import pytest

from schemas.operations import OPERATIONS
from schemas.records import Command, Job, Phase
from service.core.job import marker
from service.core.marker import strip
from service.core.observations import Found, Lost, Postponed, QuotaFull, Refused, Returned, SearchFailed
from service.core.rate_budget import Lane
from service.core.search import Request, list_request
from service.runtime.dispatch import CallTimeouts, Dispatch, RateLimitedApi
from service.runtime.limiter import Limiter
from service.runtime.ports import Cause, Failure, Reply
from tests.support import api as fake
from tests.support.clock import LoopClock
from tests.support.faulty_api import TwinApi
from tests.support.messages import request
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"
UPDATE = "UpdateConfiguredAudienceModel"


class Permission:
    """An intent that is open until a moment, and may be renewed for a while."""

    def __init__(self, clock: LoopClock, window: float = 2.0, *, renewable: bool = True) -> None:
        self.clock = clock
        self.window = window
        self.until = clock.monotonic() + window
        self.renewable = renewable
        self.renewals: list[float] = []
        self.delays: list[float] = []

    def open(self) -> bool:
        return self.clock.monotonic() <= self.until

    def permit(self) -> bool:
        return self.open() and not self.expired()

    def expired(self) -> bool:
        return False

    def delayed(self) -> None:
        self.delays.append(self.clock.monotonic())

    async def renew(self) -> bool:
        await asyncio.sleep(0.01)
        self.renewals.append(self.clock.monotonic())
        self.until = self.clock.monotonic() + self.window
        return self.renewable


class Bench:
    def __init__(self, writes: float = 20.0) -> None:
        self.clock = LoopClock()
        self.api = TwinApi(self.clock)
        self.story = Story()
        self.limiter = Limiter(self.clock, reads_per_second=50.0, writes_per_second=writes)
        deadlines = CallTimeouts(write=10.0, read=5.0)
        self.caller = RateLimitedApi(self.api, {"default": self.limiter}, self.clock, self.story, deadlines)
        self.dispatch = Dispatch(self.caller, self.clock)
        self.intent = Permission(self.clock)

    def job(self, operation: str, command_id: str = "c-1", **members: Any) -> Job:
        params = request(operation, **members)
        return Job(Command(command_id, "/tests", operation, "default", params, ""), Phase.INTENDED, accepted_at=0.0)

    async def made(self, operation: str, **members: Any) -> str:
        outcome = await self.api.call("default", operation, request(operation, **members), timeout=5.0)
        assert isinstance(outcome, Reply)
        return str(outcome.result[OPERATIONS[operation].resource.identity])

    async def configured(self, **members: Any) -> str:
        dataset = await self.made(CREATE)
        model = await self.made("CreateAudienceModel", trainingDatasetArn=dataset)
        await asyncio.sleep(10.0)
        return await self.made("CreateConfiguredAudienceModel", audienceModelArn=model, **members)


async def test_what_is_created_carries_the_marker() -> None:
    b = Bench()
    job = b.job(CREATE, description="films")
    outcome = await b.dispatch.call(job, b.intent)
    assert isinstance(outcome, Returned)
    (entry,) = b.api.log
    assert entry.params == job.command.params | {"description": f"films [crml:{marker(job.command)}]"}
    assert job.command.params["description"] == "films"
    assert b.story.calls == [("default", CREATE, "ok")]
    assert entry.cause == Cause(marker(job.command), "c-1")


async def test_a_search_has_no_single_cause() -> None:
    b = Bench()
    await b.dispatch.search(b.job(CREATE))
    assert [entry.cause for entry in b.api.log] == [None]


async def test_what_creates_nothing_is_sent_as_it_is() -> None:
    b = Bench()
    job = b.job("DeleteTrainingDataset", trainingDatasetArn=await b.made(CREATE))
    assert isinstance(await b.dispatch.call(job, b.intent), Returned)
    assert b.api.log[-1].params == job.command.params


async def test_an_update_puts_the_marker_back() -> None:
    b = Bench()
    token = "0" * 26
    arn = await b.configured(description=f"old [crml:{token}]")
    await b.dispatch.call(b.job(UPDATE, configuredAudienceModelArn=arn, description="new"), Permission(b.clock))
    assert b.api.item(arn).members["description"] == f"new [crml:{token}]"


async def test_an_update_without_description_reads_nothing() -> None:
    b = Bench()
    arn = await b.configured(description="old")
    await b.dispatch.call(b.job(UPDATE, configuredAudienceModelArn=arn), Permission(b.clock))
    assert b.api.counts()["GetConfiguredAudienceModel"] == 0
    assert b.api.item(arn).members["description"] == "old"


async def test_an_update_of_a_stranger_gets_no_marker() -> None:
    b = Bench()
    arn = await b.configured(description="old")
    await b.dispatch.call(b.job(UPDATE, configuredAudienceModelArn=arn, description="new"), Permission(b.clock))
    assert b.api.item(arn).members["description"] == "new"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [(fake.THROTTLED, Postponed), (fake.HANG_BEFORE, Postponed), (fake.UNAVAILABLE, Postponed), (None, Refused)],
)
async def test_an_update_that_cannot_be_read_is_not_sent(fault: fake.Fault | None, expected: type) -> None:
    """Sent without the marker, it would overwrite it; so even an unclear read is only a reason to wait."""
    b = Bench()
    arn = await b.configured()
    if fault is not None:
        b.api.inject("GetConfiguredAudienceModel", fault)
    job = b.job(UPDATE, configuredAudienceModelArn=arn if fault else arn + "9", description="new")
    assert isinstance(await b.dispatch.call(job, Permission(b.clock)), expected)
    assert b.api.counts()[UPDATE] == 0


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (fake.NOT_SENT, Postponed),
        (fake.THROTTLED, Postponed),
        (fake.QUOTA, QuotaFull),
        (fake.LOST_REQUEST, Lost),
        (fake.LOST_REPLY, Lost),
        (fake.HANG_AFTER, Lost),
        (fake.BROKEN_AFTER, Lost),
        (fake.INVALID, Lost),
    ],
)
async def test_one_request_whatever_the_outcome(fault: fake.Fault, expected: type) -> None:
    b = Bench()
    b.api.inject(CREATE, fault)
    assert isinstance(await b.dispatch.call(b.job(CREATE), b.intent), expected)
    assert b.api.counts()[CREATE] == (0 if fault is fake.NOT_SENT else 1)


async def test_a_throttle_slows_the_writes_and_no_other_failure_does() -> None:
    b = Bench(writes=8.0)
    for fault in (fake.LOST_REQUEST, fake.BROKEN_AFTER, fake.QUOTA, fake.NOT_SENT):
        b.api.inject(CREATE, fault)
        await b.dispatch.call(b.job(CREATE), Permission(b.clock))
    assert b.limiter.statistics()["writes_per_second"] == 8.0
    b.api.inject(CREATE, fake.THROTTLED)
    await b.dispatch.call(b.job(CREATE), Permission(b.clock))
    assert b.limiter.statistics()["writes_per_second"] == 4.0
    assert b.limiter.statistics()["reads_per_second"] == 50.0


async def test_a_long_wait_for_the_budget_renews_the_intent_before_the_request_leaves() -> None:
    b = Bench(writes=0.1)
    await b.limiter.take(Lane.CREATE)
    assert isinstance(await b.dispatch.call(b.job(CREATE), b.intent), Returned)
    assert len(b.intent.renewals) == 1
    assert b.intent.renewals[0] == pytest.approx(10.01, abs=0.02)
    assert b.api.log[0].time >= b.intent.renewals[0]


async def test_a_short_wait_does_not() -> None:
    b = Bench(writes=1.0)
    await b.limiter.take(Lane.CREATE)
    await b.dispatch.call(b.job(CREATE), b.intent)
    assert b.intent.renewals == []


async def test_nothing_leaves_when_the_job_ended_while_it_waited() -> None:
    b = Bench(writes=0.1)
    await b.limiter.take(Lane.CREATE)
    b.intent.renewable = False
    assert await b.dispatch.call(b.job(CREATE), b.intent) is None
    assert b.api.log == []


async def test_late_at_the_socket_renews_and_sends_once() -> None:
    """The wait for a connection outlasts the window; the next one is there already."""
    b = Bench()
    b.api.connect = 3.0

    async def faster() -> None:
        await asyncio.sleep(2.5)
        b.api.connect = 0.0

    hurry = asyncio.create_task(faster())
    assert isinstance(await b.dispatch.call(b.job(CREATE), b.intent), Returned)
    await hurry
    assert len(b.intent.renewals) == 1
    assert b.api.counts()[CREATE] == 1


async def test_a_read_needs_no_window() -> None:
    b = Bench()
    b.api.connect = 3.0
    b.intent.until = math.inf  # the intent of a read is always open: see Activities
    assert isinstance(await b.dispatch.call(b.job("ListTrainingDatasets"), b.intent), Returned)
    assert b.intent.renewals == []


async def pages(b: Bench, number: int) -> None:
    for n in range(number):
        await b.made(CREATE, name=f"n{n}")


async def read(b: Bench) -> list[Reply | Failure]:
    request_ = Request("ListTrainingDatasets", {"maxResults": 3}, pages=True)
    return [page async for page in b.caller.pages("default", request_, Lane.READ)]


async def test_a_list_is_read_to_its_end() -> None:
    b = Bench()
    await pages(b, 7)
    shown = [summary["name"] for page in await read(b) for summary in page.result["trainingDatasets"]]  # type: ignore[union-attr]
    assert shown == [f"n{n}" for n in range(7)]
    assert b.api.counts()["ListTrainingDatasets"] == 3


async def test_a_failed_page_ends_it() -> None:
    b = Bench()
    await pages(b, 7)
    good = fake.Fault(effect=True)
    b.api.inject("ListTrainingDatasets", good, fake.UNAVAILABLE)
    assert [type(page) for page in await read(b)] == [Reply, Failure]


async def test_a_search_finds_what_carries_the_marker_and_nothing_else() -> None:
    b = Bench()
    await pages(b, 3)
    job = b.job(CREATE, description="mine")
    alike = marker(job.command)[:-1] + ("0" if marker(job.command)[-1] != "0" else "1")
    b.api.by_hand(CREATE, name="alike", description=f"[crml:{alike}]")
    for other in ("c-0", "c-1", "c-2"):
        await b.dispatch.call(b.job(CREATE, other, name=f"of {other}"), Permission(b.clock))
    began = b.clock.wall()
    outcome = await b.dispatch.search(job)
    assert isinstance(outcome, Found)
    assert [match["name"] for match in outcome.matches] == ["of c-1"]
    assert outcome.searched_at == began
    assert "[crml:" not in str(strip(outcome.matches))


@pytest.mark.parametrize("fault", [fake.THROTTLED, fake.UNAVAILABLE, fake.HANG_BEFORE, fake.NOT_SENT, fake.INVALID])
async def test_a_search_that_broke_off_says_nothing(fault: fake.Fault) -> None:
    b = Bench()
    b.api.inject("ListTrainingDatasets", fault)
    assert isinstance(await b.dispatch.search(b.job(CREATE)), SearchFailed)


async def test_a_search_for_one_that_is_gone_finds_nothing() -> None:
    b = Bench()
    arn = await b.made(CREATE)
    await b.dispatch.call(b.job("DeleteTrainingDataset", trainingDatasetArn=arn), b.intent)
    outcome = await b.dispatch.search(b.job("DeleteTrainingDataset", trainingDatasetArn=arn))
    assert isinstance(outcome, Found)
    assert outcome.matches == ()


def test_a_search_asks_for_the_largest_pages() -> None:
    assert list_request(OPERATIONS[CREATE].resource).params == {"maxResults": 100}


async def test_a_long_wait_for_the_budget_is_told_once_and_a_short_one_not() -> None:
    b = Bench(writes=0.1)
    jobs = [b.job(CREATE, f"c-{number}", name=f"n-{number}") for number in range(3)]
    intents = [Permission(b.clock) for _ in jobs]
    await asyncio.gather(*(b.dispatch.call(job, intent) for job, intent in zip(jobs, intents, strict=True)))
    assert [len(intent.delays) for intent in intents] == [0, 1, 1]
    assert b.clock.monotonic() >= 20


async def test_a_target_that_does_not_answer_is_reported_ever_more_rarely_and_once_when_it_does() -> None:
    b = Bench()
    job = b.job("ListTrainingDatasets")
    assert (b.caller.unanswered(), b.caller.unanswered_words()) == ({"default": 0.0}, {"default": ""})
    b.api.inject("ListTrainingDatasets", *[fake.NOT_SENT] * 13)
    for _ in range(13):
        await b.dispatch.call(job, b.intent)
        await asyncio.sleep(10.0)
    assert b.story.told("target_unanswered") == 2
    assert b.caller.unanswered()["default"] == pytest.approx(130.0, abs=1.0)
    assert b.caller.unanswered_words()["default"] == "no answer for 2 min (ConnectFailed, 13 tries)"
    assert b.story.answering == []
    for _ in range(2):
        assert isinstance(await b.dispatch.call(job, b.intent), Returned)
    assert b.story.answering == [("default", 13)]
    assert b.caller.unanswered() == {"default": 0.0}


async def test_a_refusal_is_an_answer_and_what_was_not_sent_is_none() -> None:
    b = Bench()
    job = b.job("ListTrainingDatasets")
    unsent, denied = Failure("InvalidRequest", "", sent=False), Failure("AccessDeniedException", "", 403)
    b.api.inject("ListTrainingDatasets", fake.LOST_REQUEST, fake.Fault(unsent), fake.Fault(denied))
    for tries in (1, 1, 0):
        await b.dispatch.call(job, b.intent)
        await asyncio.sleep(1.0)
        assert (b.caller.unanswered()["default"] > 0) is bool(tries)
