"""The group as its coordinator describes it."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.coordinator.protocol import ConsumerProtocol, ConsumerProtocolMemberAssignment

from service.adapters.kafka.client_options import KafkaSettings
from service.adapters.kafka.group.description import GroupDescription, owned
from service.runtime.ports import LogError, TopicPartition, Unfit

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
SETTINGS = KafkaSettings("127.0.0.1:1", "group", client_id="svc")


def assignment(*partitions: tuple[str, list[int]]) -> bytes:
    encoded: bytes = ConsumerProtocolMemberAssignment(0, list(partitions), b"").encode()
    return encoded


class Helper:
    """Stands for the helper's connection."""

    def __init__(self, code: int = 0, members: tuple[Any, ...] = ()) -> None:
        self.closed = 0
        self._answer = SimpleNamespace(groups=[(code, "group", "Stable", "consumer", "even-sticky", members, 0)])

    async def numbers(self, topic: str) -> frozenset[int]:
        return frozenset({0, 1} if topic == "commands" else ())

    async def ends(self, partitions: list[TopicPartition]) -> dict[TopicPartition, int]:
        return {each: 10 + each.partition for each in partitions}

    async def ask_coordinator(self, _request: Any) -> Any:
        return self._answer

    async def close(self) -> None:
        self.closed += 1


def described(helper: Helper) -> GroupDescription:
    return GroupDescription(SETTINGS, ["commands", "absent"], helper)  # type: ignore[arg-type]


async def test_members_have_the_name_that_an_operator_knows() -> None:
    """A static member's is its instance id; another one is known by its address alone."""
    members = (
        (f"crml-0-{UUID}", "svc-group", "/10.1.2.3", b"", assignment(("commands", [0]))),
        (f"svc-group-{UUID}", "svc-group", "/10.1.2.4", b"", assignment(("commands", [1]), ("changes", [0, 1]))),
        ("odd", "other", "/10.1.2.5", b"", b""),
    )
    found = await described(Helper(members=members)).snapshot()
    assert [each.name for each in found.replicas] == ["crml-0", "10.1.2.4", "odd"]
    assert found.state == "Stable"
    assert found.ends == {TopicPartition("commands", 0): 10, TopicPartition("commands", 1): 11}
    owner = found.owner(TopicPartition("changes", 1))
    assert owner is not None
    assert owner.name == "10.1.2.4"
    assert found.owner(TopicPartition("changes", 2)) is None


@pytest.mark.parametrize(("code", "closed"), [(16, 1), (15, 1), (30, 0)])
async def test_a_refusal_is_named_and_a_coordinator_that_moved_is_searched_for_again(code: int, closed: int) -> None:
    helper = Helper(code)
    with pytest.raises(LogError, match=r"the group can't be described: \w+") as refused:
        await described(helper).snapshot()
    assert isinstance(refused.value, Unfit) == (code == 30)  # a refusal is an answer, and not silence
    assert helper.closed == closed


def test_an_assignment_is_read() -> None:
    assert owned(b"") == frozenset()
    assert owned(assignment(("a", [2]), ("b", []))) == {TopicPartition("a", 2)}
    assert ConsumerProtocol.ASSIGNMENT is ConsumerProtocolMemberAssignment
