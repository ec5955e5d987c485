"""The simulator's books: who is late, and what may be forgotten."""

from collections.abc import Callable
from typing import cast

import pytest

from schemas.records import Command, Job, Phase
from service.runtime.ports import TopicPartition
from tests.simulation.families import ON
from tests.simulation.promises import Asked, Promises
from tests.support.cluster import Rig

LIMIT = 1000.0
DATASET, EXPORT = "CreateTrainingDataset", "StartAudienceExportJob"
PARTITION = TopicPartition("commands", 0)


def demanded(kept: object, what: str) -> None:
    assert kept, what


@pytest.fixture
def promises() -> Promises:
    return Promises(cast(Rig, None), demanded, ON)


@pytest.fixture
def publish(promises: Promises) -> Callable[..., Asked]:
    def published(key: str, operation: str = DATASET) -> Asked:
        number = len(promises.commands) + 1
        asked = Asked(f"c-{number}", operation, {}, PARTITION, number, key.encode())
        promises.asked(asked)
        return asked

    return published


def late(promises: Promises, now: float) -> set[str]:
    return {found.split()[0] for found in promises.overdue(0.0, now, LIMIT)}


def test_a_command_has_its_time_from_when_faults_end(promises: Promises, publish: Callable[..., Asked]) -> None:
    publish("one")
    assert late(promises, LIMIT) == set()
    assert late(promises, LIMIT + 1) == {"c-1"}


def test_each_command_of_a_key_has_its_time_after_the_one_before(
    promises: Promises, publish: Callable[..., Asked]
) -> None:
    first, second = publish("one"), publish("one")
    assert late(promises, LIMIT + 1) == {first.id}
    first.ended = LIMIT - 10
    assert late(promises, 2 * LIMIT - 10) == set()
    assert late(promises, 2 * LIMIT) == {second.id}


def test_an_end_in_another_key_gives_no_time(promises: Promises, publish: Callable[..., Asked]) -> None:
    other, waiting = publish("other"), publish("one")
    other.ended = LIMIT - 10
    assert late(promises, LIMIT + 1) == {waiting.id}


def test_a_quota_is_a_queue_across_keys(promises: Promises, publish: Callable[..., Asked]) -> None:
    holder, queued = publish("other", EXPORT), publish("one", EXPORT)
    holder.ended = LIMIT - 10
    assert late(promises, LIMIT + 1) == set()
    assert late(promises, 2 * LIMIT) == {queued.id}


def test_what_ended_before_the_faults_did_gives_no_time_either(
    promises: Promises, publish: Callable[..., Asked]
) -> None:
    publish("one").ended = -500.0
    waiting = publish("one")
    assert late(promises, LIMIT + 1) == {waiting.id}


def recorded(promises: Promises, asked: Asked, phase: Phase, now: float) -> None:
    promises.recorded(Job(Command(asked.id, "/tests", asked.operation, "default", {}, ""), phase, now), now)


def test_a_command_may_be_forgotten_when_the_retention_has_passed_since_its_end(
    promises: Promises, publish: Callable[..., Asked]
) -> None:
    asked = publish("one")
    recorded(promises, asked, Phase.SUCCEEDED, 500.0)
    with pytest.raises(AssertionError, match="is forgotten 3599 s after its end"):
        promises.forgotten(asked.id, 4099.0, 3600.0)
    assert not asked.forgotten
    promises.forgotten(asked.id, 4100.0, 3600.0)
    assert asked.forgotten


def test_a_command_that_is_open_may_not_be_forgotten(promises: Promises, publish: Callable[..., Asked]) -> None:
    asked = publish("one")
    recorded(promises, asked, Phase.UNCERTAIN, 0.0)
    with pytest.raises(AssertionError, match="is forgotten 0 s after its end"):
        promises.forgotten(asked.id, 9999.0, 3600.0)
