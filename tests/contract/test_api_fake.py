"""What only the twin can do, on virtual time: a day takes no time."""

import asyncio
from typing import Any

import pytest

from schemas.operations import AUDIENCE_MODEL
from service.runtime.ports import Failure, Reply
from tests.support.api import HANG_BEFORE, NOT_SENT, THROTTLED, FakeApi, late

pytestmark = pytest.mark.looptime


async def dataset(api: FakeApi) -> dict[str, Any]:
    params = {"name": "d", "roleArn": "r", "trainingData": []}
    made = await api.call("default", "CreateTrainingDataset", params, timeout=5)
    assert isinstance(made, Reply)
    return dict(made.result)


async def listed(api: FakeApi) -> list[str]:
    outcome = await api.call("default", "ListAudienceModels", {}, timeout=5)
    assert isinstance(outcome, Reply)
    return [summary["status"] for summary in outcome.result["audienceModels"]]


async def create(api: FakeApi, timeout: float = 5.0) -> Reply | Failure:
    params = {"name": "m", "description": "[crml:x]", **await dataset(api)}
    return await api.call("default", "CreateAudienceModel", params, timeout=timeout)


async def test_a_day_passes() -> None:
    api = FakeApi()
    api.pending, api.working = 600, 80_000
    await create(api)
    assert await listed(api) == ["CREATE_PENDING"]
    await asyncio.sleep(700)
    assert await listed(api) == ["CREATE_IN_PROGRESS"]
    await asyncio.sleep(80_000)
    assert await listed(api) == ["ACTIVE"]


async def test_what_was_not_sent_is_not_in_the_log() -> None:
    api = FakeApi()
    api.inject("CreateAudienceModel", NOT_SENT)
    outcome = await create(api)
    assert isinstance(outcome, Failure)
    assert not outcome.sent
    assert api.counts()["CreateAudienceModel"] == 0


async def test_a_late_effect() -> None:
    api = FakeApi()
    api.inject("CreateAudienceModel", late(100))
    assert isinstance(await create(api), Failure)
    assert await listed(api) == []
    await asyncio.sleep(101)
    assert len(await listed(api)) == 1
    assert len(api.effects("[crml:x]")) == 1


async def test_lists_lag() -> None:
    api = FakeApi()
    api.list_lag = 30
    await create(api)
    assert await listed(api) == []
    await asyncio.sleep(31)
    assert len(await listed(api)) == 1


async def test_a_hang_ends_at_the_callers_deadline() -> None:
    api = FakeApi()
    api.inject("CreateAudienceModel", HANG_BEFORE)
    before = api.clock.monotonic()
    outcome = await create(api, timeout=60)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ReadTimeout", True)
    assert 60 <= api.clock.monotonic() - before < 61
    assert api.items(AUDIENCE_MODEL) == []


async def test_a_storm_lasts_until_it_ends() -> None:
    api = FakeApi()
    api.always("ListAudienceModels", THROTTLED)
    for _ in range(3):
        assert isinstance(await api.call("default", "ListAudienceModels", {}, timeout=5), Failure)
    api.always("ListAudienceModels", None)
    assert await listed(api) == []


async def test_quotas_and_commands() -> None:
    api = FakeApi()
    api.quotas = {"audience-models": 1}
    made = await create(api)
    assert isinstance(made, Reply)
    params = {"name": "n", "trainingDatasetArn": api.item("d").key}
    again = await api.call("default", "CreateAudienceModel", params, timeout=5)
    assert isinstance(again, Failure)
    assert (again.http_status, again.extra) == (402, {"quotaName": "audience-models", "quotaValue": 1.0})
    arn = made.result["audienceModelArn"]
    api.set_status(arn, "CREATE_FAILED", {"statusCode": "X"})
    described = await api.call("default", "GetAudienceModel", {"audienceModelArn": arn}, timeout=5)
    assert isinstance(described, Reply)
    assert described.result["statusDetails"] == {"statusCode": "X"}
    api.remove(arn)
    assert api.items(AUDIENCE_MODEL) == []
