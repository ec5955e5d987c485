"""The request log proves how often a client sent a request."""

import json
from pathlib import Path

import aiobotocore.session
import pytest
from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.cleanroomsml.request_log import RequestLog
from tests.support.sandbox_account import World


def test_an_entry_says_who_asked_what_and_what_came_of_it(world: World) -> None:
    dataset = world.dataset(description="films [crml:0123456789ABCDEFGHJKMNPQRS]")
    [entry] = world.requests("CreateTrainingDataset")
    assert entry["arn"] == dataset
    assert entry["created"] is True
    assert (entry["account"], entry["region"], entry["status"]) == (world.account, "eu-west-1", 200)
    assert entry["marker"] == "0123456789ABCDEFGHJKMNPQRS"
    assert entry["name"] == "d"
    assert entry["session"] is None, "no role was assumed"
    assert len(entry["invocation_id"]) == 36
    assert entry["attempt"].startswith("attempt=1")
    with pytest.raises(ClientError):
        world.dataset()
    assert [each["error"] for each in world.requests("CreateTrainingDataset")] == [None, "ConflictException"]


def test_an_export_job_is_named_though_the_caller_never_hears_of_it(world: World) -> None:
    world.export(world.active_job())
    [entry] = world.requests("StartAudienceExportJob")
    assert ":audience-export-job/" in entry["arn"]


def test_entries_from_a_position(world: World) -> None:
    total = world.admin("GET", "requests")["total"]
    world.dataset()
    [entry] = world.admin("GET", f"requests?after={total}")["requests"]
    assert entry["operation"] == "CreateTrainingDataset"


def test_entries_and_resources_of_an_account(world: World) -> None:
    dataset = world.dataset()
    requests = world.admin("GET", f"requests?account={world.account}")["requests"]
    assert {each["account"] for each in requests} == {world.account}
    [resource] = world.admin("GET", f"state?account={world.account}")["resources"]
    assert resource["arn"] == dataset
    assert world.admin("GET", "requests?account=000000000000")["requests"] == []
    assert world.admin("GET", "state?account=000000000000")["resources"] == []


@pytest.mark.parametrize(("config", "sends"), [(None, 5), (AioConfig(retries={"total_max_attempts": 1}), 1)])
async def test_resends_of_aiobotocore_are_seen(
    world: World, config: AioConfig | None, sends: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retryhandler.random.random", lambda: 0.01)  # it scales the pauses between resends
    dataset = world.dataset()
    world.fault("close", "CreateAudienceModel", count=None)
    async with aiobotocore.session.get_session().create_client(
        "cleanroomsml",
        endpoint_url=world.url,
        region_name=world.region,
        aws_access_key_id=world.account,
        aws_secret_access_key="x",
        config=config,
    ) as client:
        with pytest.raises(ConnectionClosedError):
            await client.create_audience_model(name="m", trainingDatasetArn=dataset)
    entries = world.requests("CreateAudienceModel")
    assert len(entries) == sends
    assert len({each["invocation_id"] for each in entries}) == 1
    assert {each["status"] for each in entries} == {None}


def test_the_file_has_what_memory_has(tmp_path: Path) -> None:
    request_log = RequestLog(tmp_path / "requests.jsonl")
    entry = request_log.open("GetAudienceModel", "1" * 12, "eu-west-1")
    entry.describe({"name": "n"})
    request_log.append(entry)
    request_log.close()
    lines = (tmp_path / "requests.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == request_log.entries()
