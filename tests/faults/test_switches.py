"""The sandbox's switches that these faults brought with them."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.cleanroomsml.options import Options, Timing
from sandbox.embedded import running_sandbox
from tests.faults.lab import release, stuck
from tests.support.sandbox_account import World


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with running_sandbox(Options(timing=Timing(0.02, 0.02), jobs_module="tests.support.quick_jobs")) as url:
        yield url


@pytest.fixture
def world(url: str) -> Iterator[World]:
    world = World(url, "310000000001")
    yield world
    world.clear_faults()
    world.close()


def test_overlapping_pages_repeat_a_resource_and_end(world: World) -> None:
    made = [world.dataset(f"d{number}") for number in range(6)]
    world.fault("overlap", "ListTrainingDatasets", count=None)
    pages = [
        [each["trainingDatasetArn"] for each in page["trainingDatasets"]]
        for page in world.ml.get_paginator("list_training_datasets").paginate()
    ]
    assert all(len(page) <= 3 for page in pages)
    assert all(later[0] == former[-1] for former, later in pairwise(pages))
    assert list(dict.fromkeys(arn for page in pages for arn in page)) == made


def test_a_wrong_clock_is_refused_at_the_door(world: World) -> None:
    world.fault("clock_skew", "GetTrainingDataset")
    arn = world.dataset("skewed")
    with pytest.raises(ClientError) as error:
        world.ml.get_training_dataset(trainingDatasetArn=arn)
    response: Any = error.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert response["Error"]["Code"] == "InvalidSignatureException"


def test_somebody_else_removes_what_is_being_made(world: World) -> None:
    world.fault("stuck", "CreateAudienceModel")
    arn = world.model(world.dataset("stuck"))
    world.admin("POST", "remove", {"arn": arn})
    with pytest.raises(world.ml.exceptions.ResourceNotFoundException):
        world.ml.get_audience_model(audienceModelArn=arn)
    with pytest.raises(AssertionError):
        world.admin("POST", "remove", {"arn": arn})


def test_what_a_switch_keeps_from_ending_is_removed_and_the_switch_is_disarmed(world: World) -> None:
    """A switch that outlives its fault strikes a command of the load, which then has no end."""
    other, dataset = World(world.url, "310000000002"), world.dataset("released")
    usual = world.model(dataset)
    for each in (world, other):
        each.fault("stuck", "CreateAudienceModel", count=2)
    held = {world.model(dataset), other.model(other.dataset("released"))}
    assert stuck([world, other]) == held
    assert release([world, other]) == held
    assert stuck([world, other]) == set()
    other.close()
    assert world.admin("GET", "faults")["faults"] == []
    world.until_model(usual)
    world.until_model(world.model(dataset))


def test_one_accounts_switches_are_cleared_alone(world: World) -> None:
    other = World(world.url, "310000000002")
    for each in (world, other):
        each.fault("throttle", "ListAudienceModels", count=None)
    world.admin("DELETE", f"faults?account={world.account}")
    world.ml.list_audience_models()
    with pytest.raises(ClientError):
        other.ml.list_audience_models()
    other.close()
