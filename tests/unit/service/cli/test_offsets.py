"""``python -m service offsets``: where a partition is read on, why it halts, and what setting it would mean."""

from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError

from schemas.operations import OPERATIONS
from schemas.records import POSITION_KEY, Phase, Position, encode, key_of
from service.adapters.kafka.client_options import KafkaSettings
from service.core.position import PartitionOffsets, position_at
from service.operator.repair.changelog_writer import GroupState
from service.runtime.ports import LogError, TopicPartition
from tests.support import builders
from tests.support.command_line import CommandLine
from tests.support.one_partition import COMMANDS, JOBS, PLACE, OnePartition

GROUP = "cleanroomsml-service"
JOB = builders.job(OPERATIONS["CreateAudienceModel"], Phase.RUNNING)


def offsets(committed: int | None = 12) -> PartitionOffsets:
    return PartitionOffsets(GROUP, committed, 5, 20, 0, f"id-{COMMANDS}", f"id-{JOBS}")


class Kafka(OnePartition):
    """One partition of commands with its changelog, and a group that is stopped."""

    def __init__(self) -> None:
        super().__init__()
        self.group = GroupState("Empty", 0, {PLACE: 12})
        self.groups: dict[str, GroupState] = {}
        self.written: list[tuple[TopicPartition, str, Mapping[bytes, Any], int | None]] = []
        self.missing_log = False

    async def group_state(self, settings: KafkaSettings) -> GroupState:
        return self.groups.get(settings.group_id, self.group)

    async def write(
        self,
        _settings: KafkaSettings,
        place: TopicPartition,
        changelog: str,
        content: Mapping[bytes, Any],
        *,
        consumed: int | None = None,
    ) -> None:
        self.written.append((place, changelog, content, consumed))


@pytest.fixture
def kafka(environment: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    environment.setattr("service.cli.offsets.group_state", kafka.group_state)
    environment.setattr("service.operator.repair.partition_standing.reader", kafka.reader)
    environment.setattr("service.operator.repair.partition_standing.Offsets", lambda _settings: kafka)
    environment.setattr("service.cli.offsets.write_changelog", kafka.write)
    return kafka


def test_show(kafka: Kafka, type_: CommandLine) -> None:
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 13)))
    ended = type_("offsets", "show")
    assert ended.code == 0
    assert ended.lines[0] == (
        f"{COMMANDS} partition 0 has the offsets 5 to 19 (next: 20); the group's offset is 12, the changelog's is 13:"
        " continues at 13"
    )
    kafka.put(b"bad", b"?")
    ended = type_("offsets", "show")
    assert (ended.code, "halts: " in ended.out) == (3, True)


def set_(type_: CommandLine, to: str, *more: str, topic: str = COMMANDS, partition: str = "0") -> Any:
    return type_("offsets", "set", "--topic", topic, "--partition", partition, "--to", to, *more)


def test_without_apply_nothing_is_written(kafka: Kafka, type_: CommandLine) -> None:
    ended = set_(type_, "15")
    assert (ended.code, kafka.written) == (0, [])
    assert "Offsets 12 to 14 would be skipped: commands among them are never performed." in ended.out
    assert "--apply sets it" in ended.out


@pytest.mark.parametrize(("to", "offset"), [("15", 15), ("earliest", 5), ("latest", 20), ("5", 5), ("20", 20)])
def test_position_and_offset_are_set_together(kafka: Kafka, type_: CommandLine, to: str, offset: int) -> None:
    assert set_(type_, to, "--apply", "--i-understand").code == 0
    assert kafka.written == [(PLACE, JOBS, {POSITION_KEY: position_at(offsets(), offset)}, offset)]


def test_what_is_read_again_may_be_billed(kafka: Kafka, type_: CommandLine) -> None:
    assert "Offsets 7 to 11 would be read again." in set_(type_, "7").out
    assert "PERFORMED AGAIN" in set_(type_, "7").out
    assert "would be" not in set_(type_, "12").out


@pytest.mark.parametrize("to", ["7", "earliest"])
def test_what_was_consumed_is_read_again_only_if_an_operator_insists(kafka: Kafka, type_: CommandLine, to: str) -> None:
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 12)))
    ended = set_(type_, to, "--apply")
    assert (ended.code, kafka.written) == (3, [])
    assert ended.err == (
        f"{COMMANDS} partition 0: would read again what was consumed; add --i-understand if that is what you want\n"
    )
    assert "Nothing was written; --apply --i-understand sets it." in set_(type_, to).out
    assert set_(type_, to, "--apply", "--i-understand").code == 0


def test_nor_is_a_full_changelog_without_a_position_read_from_the_beginning(kafka: Kafka, type_: CommandLine) -> None:
    kafka.group = GroupState("Empty", 0, {})
    kafka.put(key_of(JOB), encode(JOB))
    assert (set_(type_, "earliest", "--apply").code, kafka.written) == (3, [])
    assert set_(type_, "latest", "--apply").code == 0


def test_without_a_partition_all_that_halt_are_set(kafka: Kafka, type_: CommandLine) -> None:
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 12)))
    ended = type_("offsets", "set", "--topic", COMMANDS, "--to", "latest", "--apply")
    assert (ended.code, kafka.written) == (0, [])
    assert ended.lines == [f"no partition of {COMMANDS} halts: there is nothing to set"]
    kafka.put(POSITION_KEY, encode(Position(12, "former")))
    assert type_("offsets", "set", "--topic", COMMANDS, "--to", "13", "--apply").code == 0
    assert [(place, to) for place, _, _, to in kafka.written] == [(PLACE, 13)]


def test_reset_sets_what_is_certain(kafka: Kafka, type_: CommandLine) -> None:
    """The group was renamed: its changelog says how far it was."""
    kafka.put(POSITION_KEY, encode(Position(13, "former", f"id-{COMMANDS}", 0, f"id-{JOBS}")))
    ended = type_("offsets", "reset")
    assert (ended.code, kafka.written) == (0, [])
    assert ended.lines[-2:] == ["  continues at 13", "Nothing was written; --apply sets it."]
    assert type_("offsets", "reset", "--apply").code == 0
    assert kafka.written == [(PLACE, JOBS, {POSITION_KEY: position_at(offsets(), 13)}, 13)]


def test_reset_reads_nothing_again_that_the_former_group_had_consumed(kafka: Kafka, type_: CommandLine) -> None:
    """A release that records no positions has consumed more, before the group was renamed."""
    kafka.put(POSITION_KEY, encode(Position(11, "former", f"id-{COMMANDS}", 0, f"id-{JOBS}")))
    kafka.groups["former"] = GroupState("Empty", 0, {PLACE: 14})
    kafka.group = GroupState("Empty", 0, {})
    assert set_(type_, "13", "--apply").code == 3
    ended = type_("offsets", "reset", "--apply")
    assert ended.code == 0
    assert not [line for line in ended.lines if "skipped" in line or "again" in line]
    assert [to for *_, to in kafka.written] == [14]


def test_reset_says_what_was_deleted_unread(kafka: Kafka, type_: CommandLine) -> None:
    kafka.group = GroupState("Empty", 0, {PLACE: 2})
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 3)))
    ended = type_("offsets", "reset", "--apply")
    assert "  Offsets 3 to 4 were deleted before they were read: they can't be performed." in ended.lines
    assert [to for *_, to in kafka.written] == [5]


def test_reset_leaves_to_an_operator_what_is_not_certain(kafka: Kafka, type_: CommandLine) -> None:
    kafka.group = GroupState("Empty", 0, {})
    kafka.put(key_of(JOB), encode(JOB))
    ended = type_("offsets", "reset", "--apply")
    assert (ended.code, kafka.written) == (3, [])
    setting = f"python -m service offsets set --topic {COMMANDS} --partition 0 --to OFFSET"
    assert ended.lines[-1] == f"  left as it is: you must decide: {setting}"
    kafka.put(b"bad", b"?")
    assert type_("offsets", "reset").lines[-1].endswith("skip-corrupt")


def test_reset_of_a_lost_changelog_names_what_comes_first(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("offsets", "reset", "--apply")
    assert (ended.code, kafka.written) == (3, [])
    assert ended.lines[-1] == "  left as it is: the changelog comes first: python -m service backfill"


def test_reset_has_nothing_to_do_while_all_go_on(kafka: Kafka, type_: CommandLine) -> None:
    kafka.put(POSITION_KEY, encode(position_at(offsets(), 13)))
    kafka.group = GroupState("Stable", 2, {PLACE: 13})
    ended = type_("offsets", "reset", "--apply")
    assert (ended.code, ended.lines) == (0, ["no partition halts: there is nothing to reset"])


def test_reset_waits_until_the_service_is_stopped(kafka: Kafka, type_: CommandLine) -> None:
    kafka.put(POSITION_KEY, encode(Position(13, "former")))
    kafka.groups["former"] = GroupState("Stable", 1, {})
    ended = type_("offsets", "reset", "--apply")
    assert (ended.code, kafka.written) == (3, [])
    assert ended.lines[-1] == "  left as it is: group former is Stable with 1 member: stop the service first"
    kafka.group = GroupState("Stable", 2, {})
    ended = type_("offsets", "reset", "--apply")
    assert (ended.code, ended.err) == (3, f"group {GROUP} is Stable with 2 members: stop the service first\n")


def test_where_nobody_knows_it_is_said(kafka: Kafka, type_: CommandLine) -> None:
    kafka.group = GroupState("Empty", 0, {})
    assert "It is unknown what was consumed: records from offset 7 on are read" in set_(type_, "7").out


@pytest.mark.parametrize("to", ["4", "21", "-1", "soon", "²"])
def test_what_is_no_offset_of_the_partition_is_refused(kafka: Kafka, type_: CommandLine, to: str) -> None:
    ended = set_(type_, to, "--apply")
    assert (ended.code, kafka.written) == (2, [])
    assert "not an offset from 5 to 20" in ended.err


def test_a_topic_or_partition_that_is_not_consumed_is_refused(kafka: Kafka, type_: CommandLine) -> None:
    ended = set_(type_, "7", topic="other")
    assert ended.code == 2
    assert ended.err.startswith("other is not consumed by this service; it consumes: ")
    ended = set_(type_, "7", partition="9")
    assert (ended.code, ended.err) == (2, f"{COMMANDS} has no partition 9\n")


def test_a_service_that_runs_must_be_stopped_first(kafka: Kafka, type_: CommandLine) -> None:
    kafka.group = GroupState("Stable", 2, {})
    ended = set_(type_, "7", "--apply")
    assert (ended.code, kafka.written) == (3, [])
    assert ended.err == f"group {GROUP} is Stable with 2 members: stop the service first\n"


def test_so_must_the_group_that_was_there_before(kafka: Kafka, type_: CommandLine) -> None:
    kafka.put(POSITION_KEY, encode(Position(13, group="former")))
    kafka.groups["former"] = GroupState("Stable", 1, {})
    ended = set_(type_, "13", "--apply")
    assert (ended.code, kafka.written) == (3, [])
    assert ended.err == "group former is Stable with 1 member: stop the service first\n"
    kafka.groups["former"] = GroupState("Dead", 0, {})
    assert set_(type_, "13", "--apply").code == 0


def test_a_former_group_that_must_not_be_seen_is_named(
    kafka: Kafka, type_: CommandLine, environment: pytest.MonkeyPatch
) -> None:
    """Its name is in the changelog only, so that no list of rights has it."""

    async def state(settings: KafkaSettings) -> GroupState:
        if settings.group_id == "former":
            raise LogError("refused") from GroupAuthorizationFailedError("former")
        return kafka.group

    environment.setattr("service.cli.offsets.group_state", state)
    kafka.put(POSITION_KEY, encode(Position(13, "former")))
    ended = set_(type_, "13", "--apply")
    assert (ended.code, kafka.written) == (3, [])
    assert ended.err.endswith("this user can't see whether it is: grant it Describe on group former\n")
