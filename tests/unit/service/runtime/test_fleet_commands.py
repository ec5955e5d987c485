"""Commands in the page's terms: queue, next poll, usual duration, timeline."""

import asyncio
from datetime import timedelta

import pytest

from schemas.records import Fault, Phase
from service.core.command_state import CommandState, NextStep, moment
from service.core.job import replace
from service.runtime.catalogue import Query
from service.runtime.fleet_answers import CommandName
from service.runtime.group_snapshot import GroupSnapshot, Replica
from service.runtime.ports import TopicPartition
from tests.page.example import SECRET, ended, job
from tests.support.clock import ManualClock
from tests.support.cluster import Rig
from tests.support.fleet_scene import Scene
from tests.support.messages import COMMANDS, request
from tests.support.process import Node
from tests.unit.service.runtime.test_standby import caught_up, owned, pair

MODEL, DATASET = "CreateAudienceModel", "CreateTrainingDataset"
EVERY = Query(states=frozenset(CommandState))


def scene() -> Scene:
    return Scene(ManualClock())


async def test_who_waits_for_a_slot_sees_its_position_and_who_has_the_slots() -> None:
    here = scene()
    now = here.clock.wall()
    for number in range(2):
        here.put(job(now, f"runs-{number}", MODEL, Phase.RUNNING, 60.0), partition=number)
    waits = {"reason": "ConcurrencyLimit", "due": now + 41}
    for number in range(3):
        here.put(job(now, f"waits-{number}", MODEL, Phase.QUEUED, 50.0 - number, **waits), partition=number % 2)
    answer = await here.view.commands.command("/teams/marketing", "waits-1")
    assert answer is not None
    assert (answer.position, answer.waiting, answer.slots_taken, answer.slots_limit) == (2, 3, 2, 2)
    assert set(answer.holders) == {CommandName(id=f"runs-{number}", source="/teams/marketing") for number in range(2)}
    assert (answer.state, answer.next_step, answer.next_at) == (CommandState.WAITING, NextStep.RETRY, moment(now + 41))
    assert answer.attempts == 0
    page = await here.view.commands.commands(EVERY)
    assert [each.position for each in page.commands if each.state is CommandState.WAITING] == [1, 2, 3]


async def test_what_waits_for_its_start_time_has_called_nothing() -> None:
    here = scene()
    now = here.clock.wall()
    here.put(job(now, "later", MODEL, Phase.INTENDED, 10.0, reason="NotBefore", due=now + 3600))
    here.put(job(now, "throttled", MODEL, Phase.INTENDED, 10.0, retries=1, due=now + 5))
    found = [await here.view.commands.command("/teams/marketing", each) for each in ("later", "throttled")]
    assert [answer and answer.attempts for answer in found] == [0, 1]


async def test_the_usual_duration_is_made_of_what_aws_says_until_enough_was_seen() -> None:
    here = scene()
    now = here.clock.wall()
    for number in range(3):
        here.put(ended(now, f"old-{number}", MODEL, Phase.SUCCEEDED, 100.0 * number, 2700.0))
    running = job(now, "runs", MODEL, Phase.RUNNING, 60.0)
    here.put(running)
    page = await here.view.commands.commands(Query())
    assert page.commands[0].usual_seconds == 2700.0
    for number in range(7):
        one = job(now, f"new-{number}", MODEL, Phase.RUNNING, 60.0)
        here.put(one)
        here.put(replace(one, phase=Phase.SUCCEEDED, since=now + 40, finished_at=now + 40))
    answer = await here.view.commands.command("/teams/marketing", "runs")
    assert answer is not None
    assert (answer.usual_seconds, answer.usual_of) == (100.0, 10)


async def test_a_timeline_has_what_was_seen_what_was_not_and_what_is_next() -> None:
    here = scene()
    now = here.clock.wall()
    old = job(now, "old", MODEL, Phase.RUNNING, 900.0, status="CREATE_IN_PROGRESS")
    here.put(old)
    answer = await here.view.commands.command("/teams/marketing", "old")
    assert answer is not None
    assert [step.what for step in answer.timeline] == ["received", "accepted", "unseen", "started", "next"]
    new = job(now, "new", MODEL, Phase.INTENDED, 0.0)
    here.put(new)
    for changes in ({"phase": Phase.QUEUED, "reason": "ConcurrencyLimit"}, {"phase": Phase.RUNNING}):
        here.clock.advance(30)  # type: ignore[attr-defined]
        new = replace(new, **{"reason": "", **changes})
        here.put(new)
    here.put(replace(new, phase=Phase.FAILED, finished_at=now + 60, fault=Fault("CREATE_FAILED", "no")))
    answer = await here.view.commands.command("/teams/marketing", "new")
    assert answer is not None
    assert [step.what for step in answer.timeline] == ["received", "accepted", "waiting", "started", "failed"]
    waiting, failed = answer.timeline[2], answer.timeline[4]
    assert (waiting.reason, waiting.at, failed.error) == ("ConcurrencyLimit", moment(now + 30), "CREATE_FAILED")
    fresh = job(now, "fresh", MODEL, Phase.INTENDED, 0.0)
    here.put(fresh)
    answer = await here.view.commands.command("/teams/marketing", "fresh")
    assert answer is not None
    assert [step.what for step in answer.timeline] == ["received", "accepted", "next"]


async def test_nothing_of_a_payload_is_in_any_answer() -> None:
    here = scene()
    now = here.clock.wall()
    quoting = Fault("AccessDeniedException", f"no {SECRET}", http_status=403)
    for number, phase in enumerate(Phase):
        here.put(job(now, f"c-{number}", MODEL, phase, 10.0, finished_at=now, fault=quoting))
        answer = await here.view.commands.command("/teams/marketing", f"c-{number}")
        assert answer is not None
        assert SECRET not in repr(answer)
    assert SECRET not in repr(await here.view.commands.commands(EVERY))
    assert SECRET not in repr(here.view.overview())
    page = await here.view.commands.commands(replace_text(SECRET))
    assert page.commands == ()


def replace_text(text: str) -> Query:
    return Query(states=EVERY.states, text=text)


async def test_the_owner_is_this_replica_another_or_unknown() -> None:
    here = scene()
    now = here.clock.wall()
    here.put(job(now, "c", MODEL, Phase.RUNNING, 10.0), partition=1)
    answer = await here.view.commands.command("/teams/marketing", "c")
    assert answer is not None
    assert answer.owner == ""
    mine = frozenset({TopicPartition(COMMANDS, 1)})
    here.group = GroupSnapshot("Stable", (Replica("crml-7", "m", mine),))
    answer = await here.view.commands.command("/teams/marketing", "c")
    assert answer is not None
    assert (answer.owner, answer.poll_seconds, answer.next_at, answer.seen_at) == ("crml-7", 15.0, None, None)


async def test_a_resource_and_its_commands() -> None:
    here = scene()
    now = here.clock.wall()
    made = ended(now, "made", DATASET, Phase.SUCCEEDED, 10.0, 1.0)
    here.put(made)
    answer = await here.view.commands.resource(made.resource_id, EVERY)
    assert answer is not None
    assert [each.id for each in answer.commands.commands] == ["made"]
    assert answer.console == "https://eu-west-1.console.aws.amazon.com/cleanrooms/home?region=eu-west-1"
    assert await here.view.commands.resource("arn:aws:other", EVERY) is None
    assert await here.view.commands.command("/x", "y") is None


@pytest.mark.parametrize(
    "arn", ["x", "arn:aws:cleanrooms-ml:eu/west:1:a/b", "arn:aws:c:evil.example#:1:a/b", "arn:a:b:é:c:d"]
)
async def test_no_console_is_linked_for_what_is_no_arn(arn: str) -> None:
    here = scene()
    here.put(job(here.clock.wall(), "c", MODEL, Phase.RUNNING, 10.0, resource_id=arn))
    answer = await here.view.commands.resource(arn, EVERY)
    assert answer is not None
    assert answer.console == ""


async def test_a_command_in_two_partitions_says_so() -> None:
    here = scene()
    now = here.clock.wall()
    here.put(ended(now, "c", MODEL, Phase.SUCCEEDED, 10.0, 1.0), partition=0)
    here.put(job(now, "c", MODEL, Phase.RUNNING, 10.0), partition=1)
    answer = await here.view.commands.command("/teams/marketing", "c")
    assert answer is not None
    assert answer.state is CommandState.STARTED
    assert [each.number for each in answer.also_in] == [0]


def view_of(node: Node) -> Scene:
    """A view of a process that runs."""
    made = Scene(node.clock)
    view = made.view
    for part in (view, view.commands):
        part._app = node.app
    view._standby = node.standby
    view._catalogue._stores = node.standby
    view.commands._history = node.history
    return made


@pytest.mark.looptime
async def test_each_replica_shows_all_commands_and_its_own_polls() -> None:
    """Two processes, each the owner of one partition: both show the same commands, live."""
    async with Rig() as rig:
        rig.api.working = 500.0
        first, second = await pair(rig)
        await caught_up(rig, first)
        await caught_up(rig, second)
        dataset = {"trainingDatasetArn": await rig.made("CreateTrainingDataset")}
        sent = {node: rig.send(MODEL, request(MODEL, **dataset), partition=owned(node)[0]) for node in (first, second)}
        await rig.until(lambda: {rig.phase(command_id) for command_id in sent.values()} == {Phase.RUNNING})
        await asyncio.sleep(20)
        for node, other in ((first, second), (second, first)):
            view = view_of(node).view
            page = await view.commands.commands(Query())
            shown = {each.id: each for each in page.commands}
            assert set(sent.values()) == set(shown)
            own, away = shown[sent[node]], shown[sent[other]]
            assert own.next_at is not None
            assert own.seen_at is not None
            now = moment(node.clock.wall())
            assert now is not None
            assert now - timedelta(seconds=12) <= own.seen_at <= now <= own.next_at <= now + timedelta(seconds=12)
            assert (away.next_at, away.seen_at) == (None, None)
            answer = await view.commands.command("/tests", sent[other])
            assert answer is not None
            assert "started" in [step.what for step in answer.timeline]
        await first.crash()
        await rig.until(lambda: second.ready and len(second.assignment.shards) == 4)
        page = await view_of(second).view.commands.commands(Query())
        assert {each.id for each in page.commands} == set(sent.values())
