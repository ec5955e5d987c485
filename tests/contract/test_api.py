"""One suite over both Api ports: the in-memory twin, and the real adapter against the sandbox.

What the runtime's tests believe of the twin is true as far as this suite goes.
"""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from schemas import answers
from service.adapters.aws import AwsApi, Clients
from service.runtime.ports import Api, Failure, Reply
from service.settings import Target
from tests.support import api as fake
from tests.support.api import FakeApi, Fault
from tests.support.sandbox_account import World

FAST = Options(port=0, timing=Timing(pending=0.05, floor=0.05), jobs_module="tests.support.quick_jobs")
MARK = "[crml:01hzy0contract0suite0marker]"
DATA = {
    "type": "INTERACTIONS",
    "inputConfig": {
        "schema": [
            {"columnName": "user_id", "columnTypes": ["USER_ID"]},
            {"columnName": "item_id", "columnTypes": ["ITEM_ID"]},
            {"columnName": "timestamp", "columnTypes": ["TIMESTAMP"]},
        ],
        "dataSource": {"glueDataSource": {"databaseName": "films", "tableName": "ratings"}},
    },
}
FAULTS: dict[str, Fault] = {
    "close": fake.LOST_REQUEST,
    "close_after_effect": fake.LOST_REPLY,
    "error_after_effect": fake.BROKEN_AFTER,
    "hang": fake.HANG_AFTER,
    "html": fake.INVALID,
    "bad_json": fake.INVALID,
    "throttle": fake.THROTTLED,
    "quota": fake.QUOTA,
}
ATTEMPTS = 500
_accounts = itertools.count(300_000_000_001)


@dataclass
class Bench:
    """An Api with an empty account behind it, and few words for what tests need."""

    api: Api
    account: str
    world: World | None = None

    @property
    def role(self) -> str:
        return f"arn:aws:iam::{self.account}:role/sandbox"

    def fault(self, name: str, operation: str) -> None:
        if self.world is not None:
            self.world.fault(name, operation)
        else:
            assert isinstance(self.api, FakeApi)
            self.api.inject(operation, FAULTS[name])

    def seed(self) -> str:
        return self.world.put_seed() if self.world is not None else "s3://seeds/seed.jsonl"

    async def call(self, operation: str, timeout: float = 5.0, **params: Any) -> Reply | Failure:
        return await self.api.call("default", operation, params, timeout=timeout)

    async def ok(self, operation: str, **params: Any) -> dict[str, Any]:
        outcome = await self.call(operation, **params)
        assert isinstance(outcome, Reply), outcome
        assert answers.misfit(operation, params, outcome.result) == ""
        return dict(outcome.result)

    async def refused(self, operation: str, timeout: float = 5.0, **params: Any) -> Failure:
        outcome = await self.call(operation, timeout, **params)
        assert isinstance(outcome, Failure), outcome
        return outcome

    async def dataset(self, name: str = "d", **more: Any) -> str:
        made = await self.ok("CreateTrainingDataset", name=name, roleArn=self.role, trainingData=[DATA], **more)
        return str(made["trainingDatasetArn"])

    async def until(self, operation: str, status: str, **params: Any) -> dict[str, Any]:
        for _ in range(ATTEMPTS):
            seen = await self.ok(operation, **params)
            if seen["status"] == status:
                return seen
            await asyncio.sleep(0.02)
        raise AssertionError(seen)

    async def until_gone(self, operation: str, **params: Any) -> None:
        async with asyncio.timeout(10):
            while isinstance(outcome := await self.call(operation, **params), Reply):
                assert outcome.result["status"].startswith("DELETE_")
                await asyncio.sleep(0.02)
        assert (outcome.code, outcome.http_status) == ("ResourceNotFoundException", 404)

    async def until_export(self, job: dict[str, Any]) -> None:
        for _ in range(ATTEMPTS):
            [export] = (await self.ok("ListAudienceExportJobs", **job))["audienceExportJobs"]
            if export["status"] == "ACTIVE":
                return
            await asyncio.sleep(0.02)
        raise AssertionError(export)

    async def model(self, **more: Any) -> str:
        made = await self.ok("CreateAudienceModel", name="m", trainingDatasetArn=await self.dataset(), **more)
        await self.until("GetAudienceModel", "ACTIVE", **made)
        return str(made["audienceModelArn"])

    async def configured(self, **more: Any) -> str:
        destination = {"s3Destination": {"s3Uri": f"s3://audiences-{self.account}/out/"}}
        made = await self.ok(
            "CreateConfiguredAudienceModel",
            name="c",
            audienceModelArn=await self.model(),
            outputConfig={"destination": destination, "roleArn": self.role},
            sharedAudienceMetrics=["ALL"],
            minMatchingSeedSize=25,
            **more,
        )
        return str(made["configuredAudienceModelArn"])


@pytest.fixture(scope="module")
def sandbox_url() -> Iterator[str]:
    asyncio.set_event_loop(None)
    with running_sandbox(FAST) as url:
        yield url


@pytest.fixture(params=["fake", "sandbox"])
async def bench(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    account = str(next(_accounts))
    if request.param == "fake":
        twin = FakeApi()
        twin.latency, twin.pending, twin.working = 0.001, 0.05, 0.05
        yield Bench(twin, twin.worlds["default"].account)
        return
    url = request.getfixturevalue("sandbox_url")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", account)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    world = World(url, account)
    api = AwsApi(Clients({"default": Target(region="eu-west-1", endpoint_url=url)}))
    yield Bench(api, account, world)
    await api.close()
    world.clear_faults()
    world.close()


async def test_a_dataset_is_made_described_listed_and_deleted(bench: Bench) -> None:
    arn = await bench.dataset(description=f"mine {MARK}", tags={"team": "a"})
    described = await bench.ok("GetTrainingDataset", trainingDatasetArn=arn)
    assert described["description"] == f"mine {MARK}"
    assert described["status"] == "ACTIVE"
    assert described["tags"] == {"team": "a"}
    assert described["createTime"].endswith("Z")
    [summary] = (await bench.ok("ListTrainingDatasets", maxResults=100))["trainingDatasets"]
    assert {"createTime", "updateTime", "trainingDatasetArn", "name", "status", "description"} == set(summary)
    assert summary["trainingDatasetArn"] == arn
    assert await bench.ok("DeleteTrainingDataset", trainingDatasetArn=arn) == {}
    gone = await bench.refused("DeleteTrainingDataset", trainingDatasetArn=arn)
    assert (gone.code, gone.http_status, gone.sent) == ("ResourceNotFoundException", 404, True)
    assert (await bench.ok("ListTrainingDatasets"))["trainingDatasets"] == []


async def test_a_second_dataset_of_the_same_name_is_a_conflict(bench: Bench) -> None:
    await bench.dataset()
    refused = await bench.refused("CreateTrainingDataset", name="d", roleArn=bench.role, trainingData=[DATA])
    assert (refused.code, refused.http_status) == ("ConflictException", 409)


async def test_pages_hold_every_resource_once(bench: Bench) -> None:
    made = {await bench.dataset(f"d{number}") for number in range(5)}
    seen: list[str] = []
    more: dict[str, Any] = {}
    while True:
        page = await bench.ok("ListTrainingDatasets", maxResults=2, **more)
        assert len(page["trainingDatasets"]) <= 2
        seen += [summary["trainingDatasetArn"] for summary in page["trainingDatasets"]]
        if "nextToken" not in page:
            break
        more = {"nextToken": page["nextToken"]}
    assert len(seen) == 5
    assert set(seen) == made


async def test_a_model_lives_and_leaves(bench: Bench) -> None:
    made = await bench.ok("CreateAudienceModel", name="m", trainingDatasetArn=await bench.dataset(), description=MARK)
    assert set(made) == {"audienceModelArn"}
    [summary] = (await bench.ok("ListAudienceModels"))["audienceModels"]
    assert summary["description"] == MARK
    assert summary["status"] in {"CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"}
    described = await bench.until("GetAudienceModel", "ACTIVE", **made)
    dataset = described["trainingDatasetArn"]
    in_use = await bench.refused("DeleteTrainingDataset", trainingDatasetArn=dataset)
    assert (in_use.code, in_use.http_status) == ("ConflictException", 409)
    assert await bench.ok("DeleteAudienceModel", **made) == {}
    await bench.until_gone("GetAudienceModel", **made)
    await bench.ok("DeleteTrainingDataset", trainingDatasetArn=dataset)


async def test_what_does_not_exist_cannot_be_used(bench: Bench) -> None:
    arn = await bench.dataset()
    await bench.ok("DeleteTrainingDataset", trainingDatasetArn=arn)
    refused = await bench.refused("CreateAudienceModel", name="m", trainingDatasetArn=arn)
    assert (refused.code, refused.http_status) == ("ResourceNotFoundException", 404)


async def test_updates_and_policies(bench: Bench) -> None:
    arn = await bench.configured(description=MARK)
    key: dict[str, Any] = {"configuredAudienceModelArn": arn}
    assert await bench.ok("UpdateConfiguredAudienceModel", **key, description="new") == key
    assert (await bench.ok("GetConfiguredAudienceModel", **key))["description"] == "new"
    missing = await bench.refused("GetConfiguredAudienceModelPolicy", **key)
    assert missing.code == "ResourceNotFoundException"
    policy = '{"Version":"2012-10-17","Statement":[]}'
    first = await bench.ok(
        "PutConfiguredAudienceModelPolicy",
        **key,
        configuredAudienceModelPolicy=policy,
        policyExistenceCondition="POLICY_MUST_NOT_EXIST",
    )
    assert set(first) == {"configuredAudienceModelPolicy", "policyHash"}
    again = await bench.refused(
        "PutConfiguredAudienceModelPolicy",
        **key,
        configuredAudienceModelPolicy=policy,
        policyExistenceCondition="POLICY_MUST_NOT_EXIST",
    )
    assert (again.code, again.http_status) == ("ValidationException", 400)
    denied = {"Sid": "x", "Effect": "Deny", "Principal": "*", "Action": "cleanrooms-ml:*", "Resource": arn}
    changed = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
    put: dict[str, Any] = {"configuredAudienceModelPolicy": changed, "previousPolicyHash": first["policyHash"]}
    await bench.ok("PutConfiguredAudienceModelPolicy", **key, **put)
    stale = await bench.refused("PutConfiguredAudienceModelPolicy", **key, **put)
    assert stale.code == "ValidationException"
    read = await bench.ok("GetConfiguredAudienceModelPolicy", **key)
    assert read["policyHash"] != first["policyHash"]
    assert await bench.ok("DeleteConfiguredAudienceModelPolicy", **key) == {}


async def test_jobs_and_exports(bench: Bench) -> None:
    configured = await bench.configured()
    seed = {"roleArn": bench.role, "dataSource": {"s3Uri": bench.seed()}}
    job = await bench.ok(
        "StartAudienceGenerationJob", name="g", configuredAudienceModelArn=configured, seedAudience=seed
    )
    await bench.until("GetAudienceGenerationJob", "ACTIVE", **job)
    listed = await bench.ok("ListAudienceGenerationJobs", configuredAudienceModelArn=configured)
    assert [summary["name"] for summary in listed["audienceGenerationJobs"]] == ["g"]
    size = {"type": "PERCENTAGE", "value": 5}
    assert await bench.ok("StartAudienceExportJob", name="e", audienceSize=size, description=MARK, **job) == {}
    [export] = (await bench.ok("ListAudienceExportJobs", **job))["audienceExportJobs"]
    assert (export["name"], export["description"], export["audienceSize"]) == ("e", MARK, size)
    assert export["audienceGenerationJobArn"] == job["audienceGenerationJobArn"]
    await bench.until_export(job)
    await bench.ok("DeleteAudienceGenerationJob", **job)
    await bench.until_gone("GetAudienceGenerationJob", **job)
    assert (await bench.ok("ListAudienceExportJobs"))["audienceExportJobs"] == []


async def test_tags(bench: Bench) -> None:
    arn = await bench.dataset(tags={"a": "1", "b": "2"})
    assert await bench.ok("TagResource", resourceArn=arn, tags={"b": "3", "c": "4"}) == {}
    assert await bench.ok("UntagResource", resourceArn=arn, tagKeys=["a", "z"]) == {}
    assert await bench.ok("ListTagsForResource", resourceArn=arn) == {"tags": {"b": "3", "c": "4"}}


async def test_a_closed_window_lets_nothing_out(bench: Bench) -> None:
    params = {"name": "d", "roleArn": bench.role, "trainingData": [DATA]}
    outcome = await bench.api.call("default", "CreateTrainingDataset", params, timeout=5, may_send=lambda: False)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("CallWindowClosed", False)
    assert (await bench.ok("ListTrainingDatasets"))["trainingDatasets"] == []


@pytest.mark.parametrize(
    ("fault", "code", "effect"),
    [
        ("close", {"ConnectionClosed"}, False),
        ("close_after_effect", {"ConnectionClosed"}, True),
        ("error_after_effect", {"500", "InternalServiceException", "InternalServerException"}, True),
        ("hang", {"ReadTimeout"}, True),
        ("html", {"InvalidResponse"}, True),
        ("bad_json", {"InvalidResponse"}, True),
        ("throttle", {"ThrottlingException"}, False),
        ("quota", {"ServiceQuotaExceededException"}, False),
    ],
)
async def test_a_lost_outcome_may_have_had_its_effect(bench: Bench, fault: str, code: set[str], effect: bool) -> None:
    dataset = await bench.dataset()
    bench.fault(fault, "CreateAudienceModel")
    params = {"name": "m", "trainingDatasetArn": dataset, "description": MARK}
    failure = await bench.refused("CreateAudienceModel", 0.5, **params)
    assert failure.sent
    assert failure.code in code
    models = (await bench.ok("ListAudienceModels"))["audienceModels"]
    assert [model["description"] for model in models] == [MARK] * effect
    if bench.world is not None:
        assert len(bench.world.requests("CreateAudienceModel")) == 1
