"""Searches: one List for all that wait, lists that overlap, shift or never end, and searches that always fail."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from schemas.operations import OPERATIONS
from schemas.records import Command, Fault
from service.core import search
from service.core.job import MARKER_LENGTH, marker
from service.core.rate_budget import Lane
from service.core.search import Request
from service.runtime.dispatch import ENDLESS, MOST_IDLE_PAGES, CallTimeouts, RateLimitedApi
from service.runtime.limiter import Limiter
from service.runtime.ports import Failure, Reply
from service.runtime.searches import MOST_BYTES, Listed, SharedSearches
from tests.support import api as fake
from tests.support import messages
from tests.support.clock import LoopClock
from tests.support.cluster import Rig
from tests.support.faulty_api import TwinApi
from tests.support.messages import request
from tests.support.process import POLICY
from tests.support.recording_telemetry import Story

pytestmark = pytest.mark.looptime

DATASET, MODEL, UPDATE = "CreateTrainingDataset", "CreateAudienceModel", "UpdateConfiguredAudienceModel"
LIST = "ListTrainingDatasets"
TOKEN = "0" * MARKER_LENGTH
DENIED = fake.Fault(Failure("AccessDeniedException", "not authorized", http_status=403))


# One List for all


async def test_searches_that_wait_share_a_list_and_who_comes_later_has_another() -> None:
    clock, lists = LoopClock(), [0]

    async def pages(*_: Any) -> AsyncGenerator[Reply, None]:
        lists[0] += 1
        await asyncio.sleep(1.0)
        yield Reply({"trainingDatasets": []})

    resource = OPERATIONS[DATASET].resource
    shared, asked = SharedSearches(pages, clock), search.list_request(resource)
    first = asyncio.create_task(shared.list("default", asked, resource))
    await asyncio.sleep(0.5)
    others = [asyncio.create_task(shared.list("default", asked, resource)) for _ in range(20)]
    elsewhere = asyncio.create_task(shared.list("other", asked, resource))
    began = {listed.began for listed in await asyncio.gather(first, *others)}
    await elsewhere
    assert (lists[0], len(began)) == (2, 1)
    assert clock.now() - began.pop() >= 1.0, "what a search is told began when the List did, not when it asked"
    await shared.list("default", asked, resource)
    assert lists[0] == 3


async def test_who_lists_for_others_may_be_cancelled() -> None:
    lists = [0]

    async def pages(*_: Any) -> AsyncGenerator[Reply, None]:
        lists[0] += 1
        await asyncio.sleep(1.0)
        yield Reply({"trainingDatasets": []})

    resource = OPERATIONS[DATASET].resource
    shared, asked = SharedSearches(pages, LoopClock()), search.list_request(resource)
    tasks = [asyncio.create_task(shared.list("default", asked, resource)) for _ in range(3)]
    await asyncio.sleep(0.5)
    tasks[0].cancel()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [True, False, False]
    assert lists[0] == 2


async def test_after_a_crash_the_lists_are_few_however_many_creations_are_searched_for() -> None:
    async with Rig(partitions=1) as rig:
        rig.api.latency, rig.api.list_lag = 5.0, 8.0
        node = await rig.start()
        ids = [rig.send(DATASET) for _ in range(40)]
        await rig.until(lambda: len(rig.api.log) == len(ids))
        assert not rig.ended()
        await node.crash()
        rig.api.latency = 0.05
        await rig.start()
        assert [rig.phase(command_id) for command_id in ids] == ["uncertain"] * len(ids)
        await rig.until(lambda: len(rig.ended()) == len(ids), 600)
        assert rig.api.counts()[LIST] <= 8, "one for each round of searches, not one for each command"
        rig.audit()


# Pages


class Pages:
    """An Api that gives the pages of a List as a function of the token says."""

    def __init__(self, page: Callable[[str], Mapping[str, Any]], size: int = 0) -> None:
        self.page = page
        self.size = size
        self.asked: list[str] = []

    async def call(self, target: str, operation: str, params: Mapping[str, Any], **_: Any) -> Reply | Failure:
        await asyncio.sleep(0.01)
        self.asked.append(params.get("nextToken", ""))
        return Reply(self.page(self.asked[-1]), size=self.size)

    def caller(self, reads_per_second: float = 1e6, listing: float = 3600.0) -> RateLimitedApi:
        clock = LoopClock()
        limiter = Limiter(clock, reads_per_second=reads_per_second, writes_per_second=1.0)
        timeouts = CallTimeouts(1.0, 1.0, listing=listing)
        return RateLimitedApi(self, {"default": limiter}, clock, Story(), timeouts)

    async def read(self, **settings: float) -> list[Reply | Failure]:
        request = search.list_request(OPERATIONS[DATASET].resource)
        return [page async for page in self.caller(**settings).pages("default", request, Lane.SEARCH)]

    async def search(self) -> Listed:
        resource = OPERATIONS[DATASET].resource
        searches = SharedSearches(self.caller().pages, LoopClock())
        return await searches.list("default", search.list_request(resource), resource)


@pytest.mark.parametrize("tokens", [{"": "a", "a": "a"}, {"": "a", "a": "b", "b": "a"}])
async def test_a_token_that_comes_again_ends_the_list(tokens: dict[str, str]) -> None:
    pages = Pages(lambda token: {"trainingDatasets": [], "nextToken": tokens[token]})
    outcome = (await pages.read())[-1]
    assert isinstance(outcome, Failure)
    assert outcome.code == ENDLESS
    assert len(pages.asked) == len(tokens)


@pytest.mark.parametrize("number", [0, 1], ids=["empty", "the same"])
async def test_pages_that_show_nothing_new_are_read_up_to_a_limit(number: int) -> None:
    shown = [summary("same")] * number
    pages = Pages(lambda _: {"trainingDatasets": shown, "nextToken": str(len(pages.asked))})
    outcome = (await pages.read())[-1]
    assert isinstance(outcome, Failure)
    assert outcome.code == ENDLESS
    assert len(pages.asked) == MOST_IDLE_PAGES + number


async def test_a_list_may_have_any_number_of_pages() -> None:
    """An account of 300,000 resources: all pages are read, and what the last one shows is found."""
    last, mine = 3 * MOST_IDLE_PAGES, summary("mine", f"[crml:{TOKEN}]")

    def page(token: str) -> dict[str, Any]:
        number = int(token or 0)
        if number == last:
            return {"trainingDatasets": [mine]}
        return {"trainingDatasets": [summary(token or "0")], "nextToken": str(number + 1)}

    answered = await Pages(page).read()
    assert len(answered) == last + 1
    assert all(isinstance(each, Reply) for each in answered)
    assert (await Pages(page).search()).found == {TOKEN: (mine,)}


async def test_a_list_that_takes_too_long_counts_as_endless() -> None:
    clock, pages = LoopClock(), Pages(lambda _: {"trainingDatasets": [], "nextToken": f"{clock.monotonic()}"})
    began = clock.monotonic()
    outcome = (await pages.read(reads_per_second=2.0, listing=30.0))[-1]
    assert isinstance(outcome, Failure)
    assert outcome.code == ENDLESS
    assert 30.0 < clock.monotonic() - began < 32.0


MISSED = fake.Fault(Failure("ResourceNotFoundException", "not seen", http_status=404))
DELETIONS = [
    ("DeleteTrainingDataset", DATASET, "trainingDatasetArn"),
    ("DeleteAudienceModel", MODEL, "audienceModelArn"),
]


@pytest.mark.parametrize(("delete", "create", "identity"), DELETIONS)
@pytest.mark.parametrize("crash", [False, True], ids=["lost", "crash"])
async def test_a_repeated_deletion_that_misses_what_is_there_deletes_it(
    delete: str, create: str, identity: str, crash: bool
) -> None:
    """One read that missed the resource published a final `deleted`, and nothing was deleted."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = rig.api.by_hand(create, name="d")
        rig.api.inject(delete, *([] if crash else [fake.LOST_REQUEST]), MISSED)
        rig.api.connect = 1.0 if crash else 0.0
        command = rig.send(delete, {identity: arn}, key="k")
        if crash:
            await rig.until(lambda: rig.phase(command))
            await asyncio.sleep(0.3)
            await rig.restart(node)
        assert (await rig.end(command)).kind == "succeeded"
        await rig.numbered()
        assert rig.statuses(arn)[-1] == "deleted"
        assert sum(entry.effect for entry in rig.api.log if entry.operation == delete) == 1
        assert not rig.api.item(arn).exists(rig.clock.monotonic())
        rig.audit()


@pytest.mark.parametrize("stale", [False, True], ids=["missed", "stale"])
async def test_a_conditional_write_that_a_read_lags_behind_has_succeeded(stale: bool) -> None:
    put, get = "PutConfiguredAudienceModelPolicy", "GetConfiguredAudienceModelPolicy"
    async with Rig(partitions=1) as rig:
        await rig.start()
        model = rig.api.by_hand("CreateConfiguredAudienceModel", name="m")
        asked = {"configuredAudienceModelArn": model, "configuredAudienceModelPolicy": '{"Statement": []}'}
        first = await rig.perform(put, {**asked, "policyExistenceCondition": "POLICY_MUST_NOT_EXIST"})
        rig.api.inject(put, fake.LOST_REPLY)
        older = [{"configuredAudienceModelPolicy": "{}", "policyHash": "a" * 64}] if stale else []
        if not stale:
            rig.api.inject(get, MISSED)
        rig.api.distort = lambda op, shown: {**shown, **older.pop()} if op == get and older else shown
        asked |= {"configuredAudienceModelPolicy": "{}", "previousPolicyHash": first.data["result"]["policyHash"]}
        assert (await rig.perform(put, {**asked, "configuredAudienceModelPolicy": '{"a": 1}'})).kind == "succeeded"
        await rig.numbered()
        assert rig.statuses(model, "configured-audience-model-policy") == ["updated", "updated"]
        rig.audit()


async def test_a_search_that_never_ends_is_parked_within_the_stated_time() -> None:
    """What each List takes counts, and not only the waits between them."""
    async with Rig(partitions=1, reads_per_second=1.0) as rig:
        await rig.start()
        rig.api.paging = lambda _, params, page: {**page(params), "nextToken": f"{len(rig.api.log)}"}
        rig.api.inject(DATASET, fake.LOST_REPLY)
        lost = rig.send(DATASET)
        limit = POLICY.search_limit
        parked = await rig.end(lost, 1.3 * limit)
        assert (parked.kind, parked.code) == ("parked", "SearchFailed")
        assert ENDLESS in parked.data["error"]["message"]
        rig.api.paging = lambda _, params, page: page(params)
        rig.audit()


async def test_a_search_that_shows_too_much_to_be_held_fails() -> None:
    shown = [summary("mine", f"[crml:{TOKEN}]")]
    pages = Pages(lambda _: {"trainingDatasets": shown, "nextToken": str(len(pages.asked))}, MOST_BYTES // 10)
    found = (await pages.search()).found
    assert isinstance(found, Fault)
    assert found.code == "ListTooLarge"
    assert len(pages.asked) == 11


def summary(number: str, description: str = "") -> dict[str, Any]:
    arn = f"arn:aws:cleanrooms-ml:eu-west-1:111122223333:training-dataset/{number}"
    moment = "2026-01-01T00:00:00Z"
    return {
        "trainingDatasetArn": arn,
        "name": number,
        "status": "ACTIVE",
        "createTime": moment,
        "updateTime": moment,
        "description": description,
    }


async def test_what_two_pages_show_is_one() -> None:
    command = Command("c", "/s", DATASET, "default", {"name": "n"}, "")
    mine, other = summary("mine", f"[crml:{marker(command)}]"), summary("other")
    shown: dict[str, dict[str, Any]] = {
        "": {"trainingDatasets": [other, mine], "nextToken": "2"},
        "2": {"trainingDatasets": [mine, other]},
    }
    listed = await Pages(lambda token: shown[token]).search()
    assert listed.found == {marker(command): (mine,)}
    assert not listed.stable


async def test_a_deletion_between_two_pages_makes_nothing_twice() -> None:
    """The first search after settling misses what a deletion has shifted to the first page."""
    async with Rig(partitions=1) as rig:
        await rig.start()
        old = [rig.api.by_hand(MODEL, name=f"old{n}") for n in range(100)]
        arn = rig.api.by_hand(DATASET, name="data")
        rig.api.inject(MODEL, fake.LOST_REPLY)
        rig.api.list_lag = rig.options.policy.settle - 1.0
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=arn))
        await rig.until(lambda: rig.creates(command))
        settled = rig.clock.monotonic() + rig.options.policy.settle
        plain = rig.api._list

        def shifting(world: Any, row: Any, params: dict[str, Any]) -> dict[str, Any]:
            page = plain(world, row, params)
            if (
                old
                and row.name == "ListAudienceModels"
                and "nextToken" not in params
                and rig.clock.monotonic() >= settled
            ):
                rig.api.remove(old.pop())
                old.clear()
            return page

        rig.api._list = shifting  # type: ignore[method-assign]
        assert (await rig.end(command)).kind == "succeeded"
        assert not old
        rig.audit()


# Searches that always fail


def ask(rig: Rig, operation: str, command_id: str, data: Mapping[str, Any]) -> None:
    """Publishes a command of the service's own to the only partition."""
    key, value, headers = messages.command(operation, command_id, data)
    rig.broker.produce(messages.COMMANDS, key, value, headers, 0)


async def test_a_search_that_is_denied_for_ever_parks_its_command_and_lets_the_others_go_on() -> None:
    async with Rig(partitions=1, policy=replace(POLICY, search_limit=60.0)) as rig:
        node = await rig.start()
        arn = await rig.made(DATASET)
        rig.api.always("ListAudienceModels", DENIED)
        rig.api.inject(MODEL, fake.LOST_REPLY)
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=arn), key="same")
        behind = rig.send(LIST, key="same")
        await rig.until(lambda: rig.phase(command) == "uncertain")
        about = {"commandId": command, "commandSource": "/tests"}
        assert rig.kinds(behind) == ["accepted"]
        ask(rig, "CancelCommand", "early", about)
        assert (await rig.end("early")).code == "TooLate"
        limit = rig.options.policy.search_limit
        assert (await rig.end(command, limit + 60)).code == "SearchFailed"
        assert "AccessDeniedException" in rig.replies(command)[-1].data["error"]["message"]
        assert (await rig.end(behind)).kind == "succeeded"
        assert node.app.slots()["default/audience-models"]["taken"] == 0
        ask(rig, "ResolveCommand", "late", {**about, "resolution": "fail"})
        assert (await rig.end("late")).kind == "succeeded"


# Refused repeats


async def test_a_write_that_was_performed_and_whose_repeat_is_refused_has_succeeded() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        model = rig.api.by_hand(MODEL, name="m")
        configured = await rig.made("CreateConfiguredAudienceModel", audienceModelArn=model)
        rig.api.inject(UPDATE, fake.LOST_REPLY, DENIED)
        command = rig.send(UPDATE, {"configuredAudienceModelArn": configured, "minMatchingSeedSize": 100})
        assert (await rig.end(command)).kind == "succeeded"
        await rig.numbered()
        assert rig.statuses(configured) == ["created", "updated"]
        rig.audit()


@pytest.mark.parametrize("code", ["SlowDown", "Throttling", "RequestLimitExceeded"])
@pytest.mark.parametrize("status", [400, 429, 503])
async def test_a_throttle_slows_the_budget_whatever_its_status(code: str, status: int) -> None:
    clock, api = LoopClock(), TwinApi()
    api.inject(LIST, fake.Fault(Failure(code, "slow down", http_status=status)))
    limiter = Limiter(clock, reads_per_second=10.0, writes_per_second=10.0)
    caller = RateLimitedApi(api, {"default": limiter}, clock, Story(), CallTimeouts(1.0, 1.0))
    await caller.read("default", Request(LIST, {}), Lane.POLL)
    assert limiter.budgets()["reads"].rate == 5.0


async def test_reads_of_publishers_do_not_starve_polls() -> None:
    async with Rig(partitions=1, reads_per_second=5.0) as rig:
        await rig.start()
        arn = await rig.made(DATASET)
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=arn))
        await rig.until(lambda: rig.phase(command) == "running")
        began = rig.clock.monotonic()
        flood = [rig.send(LIST) for _ in range(300)]
        await rig.end(command)
        assert rig.clock.monotonic() - began < 15.0
        assert not rig.ending(flood[-1])


# Other operations that fail for good


@pytest.mark.parametrize("fault", [fake.UNAVAILABLE, fake.THROTTLED, DENIED])
async def test_an_update_whose_read_always_fails_ends(fault: fake.Fault) -> None:
    async with Rig(partitions=1, policy=replace(POLICY, write_retry_limit=60.0)) as rig:
        await rig.start()
        configured = rig.api.by_hand("CreateConfiguredAudienceModel", name="c")
        rig.api.always("GetConfiguredAudienceModel", fault)
        command = rig.send(UPDATE, {"configuredAudienceModelArn": configured, "description": "new"}, key="same")
        behind = rig.send(LIST, key="same")
        assert (await rig.end(command, 120.0)).kind == "failed"
        assert (await rig.end(behind)).kind == "succeeded"
        assert rig.api.counts()[UPDATE] == 0


async def test_outages_before_take_overs_do_not_add_up() -> None:
    async with Rig(partitions=1, policy=replace(POLICY, search_limit=240.0)) as rig:
        rig.api.working = 10_000.0
        node = await rig.start()
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=await rig.made(DATASET)))
        await rig.until(lambda: rig.phase(command) == "running")
        for _ in range(4):
            for operation in ("GetAudienceModel", "ListAudienceModels"):
                rig.api.always(operation, DENIED)
            await asyncio.sleep(100.0)
            assert rig.job(command).tried >= 60.0  # type: ignore[union-attr]
            await node.crash()
            for operation in ("GetAudienceModel", "ListAudienceModels"):
                rig.api.always(operation, None)
            node = await rig.start()
            await rig.until(lambda: rig.job(command).tried == 0.0, 60.0)  # type: ignore[union-attr]
        assert rig.phase(command) == "running"


async def test_a_job_whose_status_can_t_be_read_is_parked_and_its_slot_is_free() -> None:
    async with Rig(partitions=1, policy=replace(POLICY, search_limit=240.0)) as rig:
        node = await rig.start()
        arn = await rig.made(DATASET)
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=arn))
        await rig.until(lambda: rig.phase(command) == "running")
        for operation in ("GetAudienceModel", "ListAudienceModels"):
            rig.api.always(operation, DENIED)
        node = await rig.restart(node)
        assert (await rig.end(command, 400.0)).code == "StatusUnknown"
        assert node.app.slots()["default/audience-models"]["taken"] == 0
        for operation in ("GetAudienceModel", "ListAudienceModels"):
            rig.api.always(operation, None)
        about = {"commandId": command, "commandSource": "/tests", "resourceArn": rig.job(command).resource_id}  # type: ignore[union-attr]
        ask(rig, "ResolveCommand", "again", {**about, "resolution": "adopt"})
        await rig.until(lambda: rig.kinds(command)[-1] == "succeeded")
