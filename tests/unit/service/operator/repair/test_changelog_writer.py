"""The consumer group as the repairs see it: a broker that has just started is given a moment."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    NotCoordinatorForGroupError,
)

from service.adapters.kafka.client_options import KafkaSettings
from service.operator.repair import changelog_writer
from service.runtime.ports import LogError, TopicPartition, Unfit

SETTINGS = KafkaSettings("broker", "group")


class Admin:
    """Answers after so many failures."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.codes: list[int] = []

    async def describe_consumer_groups(self, _names: list[str]) -> list[Any]:
        if self.codes:
            return [SimpleNamespace(groups=[(self.codes.pop(0), "group", "", "", "", [])])]
        if self.failures:
            raise self.failures.pop()
        return [SimpleNamespace(groups=[(0, "group", "Empty", "", "", [])])]

    async def list_consumer_group_offsets(self, _name: str) -> dict[Any, Any]:
        return {TopicPartition("commands", 0): SimpleNamespace(offset=7)}


def use(monkeypatch: pytest.MonkeyPatch, client: Admin) -> None:
    @asynccontextmanager
    async def admin(_settings: KafkaSettings) -> AsyncIterator[Admin]:
        yield client

    monkeypatch.setattr(changelog_writer, "admin", admin)
    monkeypatch.setattr(changelog_writer, "_POLL_INTERVAL", 0.0)


async def test_a_group_without_a_coordinator_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Admin(GroupCoordinatorNotAvailableError(), GroupCoordinatorNotAvailableError())
    use(monkeypatch, client)
    state = await changelog_writer.group_state(SETTINGS)
    assert client.failures == []
    assert state.stopped
    assert state.offsets == {TopicPartition("commands", 0): 7}


async def test_a_broker_that_does_not_coordinate_the_group_yet_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so within its answer; `check` met it right after a broker's start."""
    client = Admin()
    client.codes = [NotCoordinatorForGroupError.errno, GroupCoordinatorNotAvailableError.errno]
    use(monkeypatch, client)
    assert (await changelog_writer.group_state(SETTINGS)).stopped
    client.codes = [GroupAuthorizationFailedError.errno]
    with pytest.raises(LogError, match="can't be described: Kafka's error 30"):
        await changelog_writer.group_state(SETTINGS)


async def test_a_group_that_finds_no_coordinator_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Admin()
    client.codes = [NotCoordinatorForGroupError.errno] * 1_000_000
    use(monkeypatch, client)
    with pytest.raises(LogError, match="asking for group group"):
        await changelog_writer.group_state(replace(SETTINGS, admin_deadline=0.05))


async def test_a_refusal_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, Admin(GroupAuthorizationFailedError("group")))
    with pytest.raises(Unfit) as raised:
        await changelog_writer.group_state(SETTINGS)
    assert isinstance(raised.value.__cause__, GroupAuthorizationFailedError)
