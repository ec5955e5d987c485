"""The whole fleet: what needs a person, targets, partitions, replicas, who answers."""

from typing import Any

import pytest

from schemas.records import Phase, job_key
from service.core.observations import Failure
from service.runtime.fleet_view import KAFKA_SILENT, SHOWN
from service.runtime.group_snapshot import GroupSnapshot, Replica
from service.runtime.ports import TopicPartition
from tests.page.example import ACCOUNTS, ended, job
from tests.support.clock import ManualClock
from tests.support.cluster import Rig
from tests.support.fleet_scene import Scene
from tests.support.messages import CHANGES, COMMANDS
from tests.unit.service.runtime.test_fleet_commands import view_of

MODEL = "CreateAudienceModel"


def scene() -> Scene:
    return Scene(ManualClock(), accounts=ACCOUNTS)


def kinds(here: Scene) -> list[tuple[str, str]]:
    return [(each.kind, each.subject) for each in here.view.overview().attention]


def test_nothing_needs_a_person() -> None:
    assert kinds(scene()) == []


def test_who_answers_is_always_said() -> None:
    identity = scene().view.identity()
    assert (identity.replica, identity.version, identity.group) == ("crml-0", "0.1.0", "cleanroomsml-service")
    assert identity.targets == ("default 111122223333 eu-west-1", "sales 444455556666 us-east-1")


def test_parked_commands_come_with_the_command_lines() -> None:
    here = scene()
    now = here.clock.wall()
    for number in range(SHOWN + 5):
        here.put(ended(now, f"p-{number}", MODEL, Phase.PARKED, 1000.0 - number, 1.0, reply={"searched": "nothing"}))
    overview = here.view.overview()
    assert len(overview.attention) == SHOWN
    assert overview.parked == SHOWN + 5
    assert overview.attention[0].subject == "p-0"
    assert overview.attention[0].remedies[1].endswith("--source /teams/marketing --retry")
    assert "nothing" in overview.attention[0].message


def test_a_target_without_answers_needs_a_person() -> None:
    here = scene()
    health, began = here.health["sales"], here.clock.wall()
    for _ in range(3):
        health.observe("ListAudienceModels", Failure("ConnectFailed", "no"), here.clock.wall())
        health.reachability, _ = health.reachability.failed("ConnectFailed", here.clock.monotonic())
        here.clock.advance(280)  # type: ignore[attr-defined]
    assert kinds(here) == [("silent", "sales")]
    (attention,) = here.view.overview().attention
    assert attention.message == "no answer for 14 min (ConnectFailed, 3 tries)"
    assert attention.since is not None
    assert attention.since.timestamp() == pytest.approx(began)
    sales = here.view.targets().targets[1]
    assert (sales.silent, sales.error, sales.unanswered, sales.error_http_status) == (True, "ConnectFailed", 3, 0)
    assert sales.no_answer == attention.message
    assert here.view.targets().targets[0].no_answer == ""


@pytest.mark.parametrize(("unanswered", "said"), [(0.0, False), (KAFKA_SILENT - 0.1, False), (KAFKA_SILENT, True)])
def test_a_kafka_without_answers_needs_a_person(unanswered: float, said: bool) -> None:
    here = scene()
    here.group = GroupSnapshot("Stable", error="listing: no answer from Kafka within 30 s", unanswered=unanswered)
    overview = here.view.overview()
    assert kinds(here) == ([("kafka", "Kafka")] if said else [])
    assert (overview.kafka_silent_since is not None) == said
    if said:
        (attention,) = overview.attention
        assert attention.since == overview.kafka_silent_since
        assert attention.since is not None
        assert attention.since.timestamp() == pytest.approx(here.clock.wall() - unanswered)
        assert "within 30 s" in attention.message


async def test_a_process_without_its_instance_id_needs_a_person() -> None:
    here = scene()
    await here.assignment.superseded_by_peer("another process has it")
    assert kinds(here) == [("superseded", "crml-0")]


def test_targets_have_budgets_and_slots_of_their_own() -> None:
    here = scene()
    now = here.clock.wall()
    for number in range(4):
        phase = Phase.RUNNING if number < 2 else Phase.QUEUED
        here.put(job(now, f"c-{number}", MODEL, phase, 60.0), partition=number % 2)
    default, sales = here.view.targets().targets
    assert [(each.quota, each.taken, each.limit, each.waiting) for each in default.slots] == [
        ("audience-models", 2, 2, 2)
    ]
    assert sales.slots == ()
    assert [(each.calls, each.per_second, each.limit, each.throttled) for each in default.budgets] == [
        ("reads", 5.0, 5.0, False),
        ("writes", 1.0, 1.0, False),
    ]
    assert (default.account, default.region) == ACCOUNTS["default"]


def test_partitions_have_owner_lag_and_state() -> None:
    here = scene()
    here.put(job(here.clock.wall(), "c", MODEL, Phase.RUNNING, 60.0), partition=1)
    one, other = TopicPartition(COMMANDS, 0), TopicPartition(COMMANDS, 1)
    here.group = GroupSnapshot(
        "Stable", (Replica("crml-9", "m", frozenset({one})),), {one: 40, other: 41}, "late", here.clock.wall()
    )
    answer = here.view.partitions()
    found = {(each.topic, each.number): each for each in answer.partitions}
    assert set(found) == {(topic, number) for topic in (COMMANDS, CHANGES) for number in (0, 1)}
    assert (found[one].owner, found[one].state, found[one].here, found[one].lag) == ("crml-9", "copied", False, None)
    assert (found[other].owner, found[other].open, found[other].records) == ("", 1, 1)
    assert answer.error == "late"
    here.standby.lost(other)
    here.standby.wanted(other)
    state = {each.number: each.state for each in here.view.partitions().partitions if each.topic == COMMANDS}
    assert state == {0: "copied", 1: "copying"}
    assert not here.view.overview().complete


@pytest.mark.looptime
async def test_of_a_running_process() -> None:
    """Own partitions, lag by the position that was committed, and a halted partition."""
    async with Rig(partitions=2) as rig:
        node = await rig.start()
        await rig.perform("CreateTrainingDataset")
        view = view_of(node).view
        overview = view.overview()
        assert (overview.ready, overview.complete, overview.states["succeeded"]) == (True, True, 1)
        one = TopicPartition(COMMANDS, 0)
        view._group = view.commands._group = lambda: GroupSnapshot(ends={one: node.shard(0).consumed + 7})
        [answer] = [each for each in view.partitions().partitions if (each.topic, each.number) == tuple(one)]
        assert (answer.owner, answer.here, answer.state, answer.lag) == ("crml-0", True, "running", 7)
        node.assignment._unread[one] = "jobs-0: key x can't be read; python -m service skip-corrupt"
        attention = view.overview().attention
        assert [(each.kind, each.subject) for each in attention] == [("halted", f"{COMMANDS}-0")]
        assert "skip-corrupt" in attention[0].message
        [answer] = [each for each in view.partitions().partitions if (each.topic, each.number) == tuple(one)]
        assert (answer.state, answer.reason) == ("halted", attention[0].message)
        del node.assignment._unread[one]


def test_what_is_forgotten_is_shown_no_more() -> None:
    here = scene()
    one = job(here.clock.wall(), "c", MODEL, Phase.RUNNING, 60.0)
    here.put(one)
    assert here.view.overview().states["started"] == 1
    here.forget(one)
    states: dict[str, Any] = here.view.overview().states
    assert set(states.values()) == {0}
    assert here.history.steps(job_key("/teams/marketing", "c")) == ()
