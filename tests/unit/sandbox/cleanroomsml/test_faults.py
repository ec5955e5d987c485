"""Fault switches: what the client sees, and what nevertheless happened."""

import json
import math
import re
import time
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

from sandbox.cleanroomsml.faults import FAULTS, Faults, Stage, mistyped
from tests.support.sandbox_account import World


def made(world: World) -> int:
    return len(world.ml.list_training_datasets()["trainingDatasets"])


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("throttle", 429, "ThrottlingException"),
        ("quota", 402, "ServiceQuotaExceededException"),
        ("error", 500, "InternalServiceException"),
        ("deny", 403, "AccessDeniedException"),
    ],
)
def test_refused_before_any_effect(world: World, fault: str, status: int, code: str) -> None:
    world.fault(fault, "CreateTrainingDataset", count=2)
    for _ in range(2):
        with pytest.raises(ClientError) as error:
            world.dataset()
        response: Any = error.value.response
        assert (response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]) == (status, code)
    assert made(world) == 0
    world.dataset()
    assert [each["fault"] for each in world.requests("CreateTrainingDataset")] == [fault, fault, None]


def test_closed_before_any_effect(world: World) -> None:
    world.fault("close", "CreateTrainingDataset")
    with pytest.raises(ConnectionClosedError):
        world.dataset()
    assert made(world) == 0


def test_closed_after_the_effect(world: World) -> None:
    world.fault("close_after_effect", "CreateTrainingDataset")
    with pytest.raises(ConnectionClosedError):
        world.dataset()
    assert made(world) == 1
    [entry] = world.requests("CreateTrainingDataset")
    assert (entry["status"], entry["created"], entry["fault"]) == (None, True, "close_after_effect")


def test_an_error_after_the_effect(world: World) -> None:
    world.fault("error_after_effect", "Create*")
    with pytest.raises(ClientError, match="InternalServiceException"):
        world.dataset()
    assert made(world) == 1


def test_hang(world: World) -> None:
    world.ml = world.client("cleanroomsml", config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    world.fault("hang", "CreateTrainingDataset")
    with pytest.raises(ReadTimeoutError):
        world.dataset()
    assert made(world) == 1


def test_a_hang_ends_by_closing(world: World) -> None:
    world.fault("hang", "CreateTrainingDataset", seconds=0.1)
    with pytest.raises(ConnectionClosedError):
        world.dataset()


def test_delay(world: World) -> None:
    world.fault("delay", "CreateTrainingDataset", seconds=0.2)
    began = time.monotonic()
    assert world.dataset()
    assert time.monotonic() - began >= 0.2


@pytest.mark.parametrize("fault", ["bad_json", "html", "empty"])
def test_a_success_without_its_answer(world: World, fault: str) -> None:
    dataset = world.dataset()
    world.fault(fault, "CreateAudienceModel")
    try:
        answer = world.ml.create_audience_model(name="m", trainingDatasetArn=dataset)
    except ResponseParserError:
        assert fault == "bad_json"
    else:
        assert "audienceModelArn" not in answer
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert len(world.ml.list_audience_models()["audienceModels"]) == 1


def test_list_lag(world: World) -> None:
    world.fault("list_lag", "ListTrainingDatasets", seconds=2, count=None)
    arn = world.dataset()
    assert made(world) == 0
    assert world.ml.get_training_dataset(trainingDatasetArn=arn)["status"] == "ACTIVE"
    time.sleep(2)
    assert made(world) == 1


def test_stuck(world: World) -> None:
    world.fault("stuck", "CreateAudienceModel")
    arn = world.model()
    time.sleep(0.2)
    assert world.ml.get_audience_model(audienceModelArn=arn)["status"] == "CREATE_IN_PROGRESS"
    assert [each["fault"] for each in world.requests("CreateAudienceModel")] == ["stuck"]


def test_switches_are_listed_and_cleared(world: World) -> None:
    world.fault("throttle", "Get*", count=3)
    [armed] = world.admin("GET", "faults")["faults"]
    assert (armed["fault"], armed["operation"], armed["count"], armed["fired"]) == ("throttle", "Get*", 3, 0)
    world.clear_faults()
    assert world.admin("GET", "faults")["faults"] == []


@pytest.mark.parametrize(
    "spec", [{}, {"fault": "banana"}, {"fault": "close", "colour": 1}, {"fault": "close", "count": "many"}]
)
def test_wrong_specifications_are_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"unknown|wrong type"):
        Faults().arm(spec)


@pytest.mark.parametrize(
    ("member", "value"),
    [
        *(("seconds", value) for value in (math.nan, math.inf, -math.inf, -1, 10**400)),
        *(("skip", -1), ("count", 0), ("count", -3)),
    ],
)
def test_times_and_counts_that_are_none_are_refused(member: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{member} must be "):
        Faults().arm({"fault": "delay", "operation": "*", member: value})


@pytest.mark.parametrize(
    ("fault", "operation", "near"),
    [
        ("close", "CreateAudienceModels", "near are CreateAudienceModel, "),
        ("close", "createaudiencemodel", "near are "),
        ("close", "StartAudienceGenerationjob", "near are StartAudienceGenerationJob"),
        ("throttle", "Make*", "known are "),
        ("throttle", "", "known are "),
        ("stuck", "GetAudienceModel", "near are "),
        ("list_lag", "CreateTrainingDataset", "near are ListTrainingDatasets"),
    ],
)
def test_operations_that_do_not_exist_are_refused_by_name(fault: str, operation: str, near: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"unknown operation {operation!r}: expected")) as caught:
        Faults().arm({"fault": fault, "operation": operation})
    assert near in str(caught.value)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_can_strike_all_operations_or_those_it_is_about(fault: str) -> None:
    faults = Faults()
    for operation in ("*", {"life": "StartAudienceExportJob", "list": "ListAudienceModels"}.get(FAULTS[fault], "Tag*")):
        faults.arm({"fault": fault, "operation": operation})
    assert len(faults.listing()) == 2


def test_a_switch_is_limited_by_operation_count_and_account() -> None:
    faults = Faults()
    faults.arm({"fault": "close", "operation": "Create*", "count": 1, "account": "1"})
    assert faults.take(Stage.BEFORE, "GetX", "1") is None
    assert faults.take(Stage.BEFORE, "CreateX", "2") is None
    assert faults.take(Stage.AFTER, "CreateX", "1") is None
    assert faults.take(Stage.BEFORE, "CreateX", "1") is not None
    assert faults.take(Stage.BEFORE, "CreateX", "1") is None


@pytest.mark.parametrize(
    ("fault", "status"), [("unknown_status", "CREATE_CONTEMPLATING"), ("backward_status", "CREATE_PENDING")]
)
def test_strange_statuses(world: World, fault: str, status: str) -> None:
    arn = world.active_model()
    world.fault(fault, "*AudienceModel*", count=2)
    assert world.ml.get_audience_model(audienceModelArn=arn)["status"] == status
    assert world.ml.list_audience_models()["audienceModels"][0]["status"] == status
    assert world.ml.get_audience_model(audienceModelArn=arn)["status"] == "ACTIVE"


def test_an_expired_token(world: World) -> None:
    for n in range(3):
        world.dataset(name=f"d{n}")
    world.fault("expired_token", "ListTrainingDatasets", skip=1)
    token = world.ml.list_training_datasets(maxResults=2)["nextToken"]
    with pytest.raises(world.ml.exceptions.ValidationException, match="expired"):
        world.ml.list_training_datasets(maxResults=2, nextToken=token)


def test_what_is_there_is_not_found(world: World) -> None:
    arn = world.dataset()
    world.fault("not_found", "GetTrainingDataset")
    with pytest.raises(world.ml.exceptions.ResourceNotFoundException):
        world.ml.get_training_dataset(trainingDatasetArn=arn)
    assert world.ml.get_training_dataset(trainingDatasetArn=arn)["status"] == "ACTIVE"


def test_members_of_other_types_than_the_models() -> None:
    content = b'{"audienceModelArn": "arn", "audienceModels": [{"a": 1}], "metrics": {"a": 1}, "size": 7}'
    assert json.loads(mistyped(content)) == {
        "audienceModelArn": {"code": 17},
        "audienceModels": "a list",
        "metrics": [{"a": 1}],
        "size": "another type",
    }


def test_every_fault_has_a_test() -> None:
    tested = {"throttle", "quota", "error", "deny", "close", "close_after_effect", "error_after_effect", "hang"}
    tested |= {"delay", "bad_json", "html", "empty", "list_lag", "stuck", "create_failed", "delete_failed"}
    tested |= {"unknown_status", "backward_status", "expired_token"}
    tested |= {"not_found", "wrong_types"}
    tested |= {"clock_skew", "overlap"}  # in tests/faults/test_switches.py
    assert tested == set(FAULTS)
