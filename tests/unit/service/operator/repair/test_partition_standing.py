"""How a partition stands, judged from Kafka alone: where its shard goes on, or why it halts."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from schemas.operations import OPERATIONS
from schemas.records import POSITION_KEY, Phase, Position, encode, key_of
from service.adapters.kafka.client_options import KafkaSettings
from service.core.position import PartitionOffsets, position_at
from service.operator.repair import partition_standing as module
from service.operator.repair.changelog_writer import GroupState
from service.operator.repair.partition_standing import Standing, find, halted
from tests.support import builders
from tests.support.one_partition import COMMANDS, JOBS, PLACE, OnePartition

GROUP = "cleanroomsml-service"
JOB = builders.job(OPERATIONS["CreateAudienceModel"], Phase.RUNNING)
KAFKA = KafkaSettings("b", GROUP)


def offsets(committed: int | None = 12, start: int = 5, end: int = 20) -> PartitionOffsets:
    return PartitionOffsets(GROUP, committed, start, end, 0, f"id-{COMMANDS}", f"id-{JOBS}")


class Kafka(OnePartition):
    """One partition of commands with its changelog; ``between`` happens before each look but the first."""

    def __init__(self) -> None:
        super().__init__()
        self.group = GroupState("Stable", 1, {PLACE: 12})
        self.between: Callable[[], None] = lambda: None
        self.looks = 0

    async def group_state(self, _settings: KafkaSettings) -> GroupState:
        self.looks += 1
        if self.looks > 1:
            self.between()
        return self.group


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    monkeypatch.setattr(module, "group_state", kafka.group_state)
    monkeypatch.setattr(module, "reader", kafka.reader)
    monkeypatch.setattr(module, "Offsets", lambda _settings: kafka)
    return kafka


def test_a_standing_says_where_its_shard_goes_on() -> None:
    assert str(Standing(offsets(), position_at(offsets(), 13), 3)) == (
        "has the offsets 5 to 19 (next: 20); the group's offset is 12, the changelog's is 13: continues at 13"
    )
    assert str(Standing(offsets(None), None, 0)).endswith(
        "the group's offset is none, the changelog's is none: continues at 5"
    )


def test_an_empty_partition_is_called_empty() -> None:
    assert str(Standing(replace(offsets(None), start=7, end=7), None, 0)).startswith("is empty (next: 7); ")


def test_a_standing_says_why_its_shard_halts() -> None:
    lost = Standing(offsets(None), None, 3)
    assert lost.halts
    assert str(lost).endswith(f"halts: {lost.halts}")
    unreadable = Standing(offsets(), None, 3, "a record can't be read")
    assert unreadable.halts == "a record can't be read"


async def test_every_partition_is_found_with_what_its_changelog_records(kafka: Kafka) -> None:
    kafka.put(key_of(JOB), encode(JOB))
    kafka.put(POSITION_KEY, encode(Position(11)))
    kafka.put(POSITION_KEY, encode(Position(13, group=GROUP)))
    found = await find(KAFKA, {COMMANDS: JOBS}, kafka.group)
    assert found == {PLACE: Standing(offsets(), Position(13, group=GROUP), 3)}


async def test_what_cannot_be_read_halts_until_it_has_a_successor(kafka: Kafka) -> None:
    kafka.put(b"bad", b"?")
    [standing] = (await find(KAFKA, {COMMANDS: JOBS}, kafka.group)).values()
    assert standing.halts == f"{JOBS} partition 0 has a record at offset 0 that can't be read; see skip-corrupt"
    kafka.put(b"bad", None)
    [standing] = (await find(KAFKA, {COMMANDS: JOBS}, kafka.group)).values()
    assert standing.unreadable == ""


async def test_one_look_is_enough_where_none_halts(kafka: Kafka) -> None:
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 13)))
    assert await halted(KAFKA, {COMMANDS: JOBS}) == (1, {})
    assert kafka.looks == 1


async def test_a_halted_partition_halts_at_a_second_look_too(kafka: Kafka) -> None:
    kafka.put(b"bad", b"?")
    count, found = await halted(KAFKA, {COMMANDS: JOBS})
    assert (count, list(found), kafka.looks) == (1, [PLACE], 2)
    assert "offset 0" in found[PLACE].halts


async def test_a_partition_at_work_is_not_taken_for_a_halted_one(kafka: Kafka) -> None:
    """Its end was asked for before its changelog was read, which says more by then."""
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 25)))
    assert Standing(offsets(), position_at(offsets(), 25), 1).halts

    def works() -> None:
        kafka.span = (5, 30)

    kafka.between = works
    assert await halted(KAFKA, {COMMANDS: JOBS}) == (1, {})


async def test_a_partition_that_seems_to_halt_twice_but_moves_is_at_work(kafka: Kafka) -> None:
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 25)))

    def works() -> None:
        kafka.span = (5, 26)
        kafka.put(POSITION_KEY, encode(position_at(offsets(), 31)))

    kafka.between = works
    assert await halted(KAFKA, {COMMANDS: JOBS}) == (1, {})
