"""What a replica has seen of commands, in bounded memory."""

import asyncio

from schemas.operations import OPERATIONS
from schemas.records import Fault, Phase
from service.core.command_state import CommandState
from service.core.job import replace
from service.runtime import history
from service.runtime.history import History
from tests.support.builders import NOW, job
from tests.support.clock import EPOCH, ManualClock

MODEL = OPERATIONS["CreateAudienceModel"]
KEY = b'["/shop","c-1"]'


def test_steps_are_kept_in_order_and_once() -> None:
    clock = ManualClock()
    seen = History(clock)
    intended = job(MODEL)
    queued = replace(intended, phase=Phase.QUEUED, reason="ConcurrencyLimit")
    failed = replace(queued, phase=Phase.FAILED, reason="", fault=Fault("Cancelled", "by its publisher"))
    before = None
    for after in (intended, queued, replace(queued, due=NOW + 60), failed):
        seen.changed(KEY, before, after)
        before = after
        clock.advance(1)
    steps = seen.steps(KEY)
    states = [CommandState.ACCEPTED, CommandState.WAITING, CommandState.FAILED]
    assert [step.state for step in steps] == states
    assert [step.at - EPOCH for step in steps] == [0, 1, 3]
    assert (steps[1].reason, steps[2].error) == ("ConcurrencyLimit", "Cancelled")
    assert seen.version == 4
    seen.changed(KEY, failed, None)
    assert seen.steps(KEY) == ()


def test_memory_is_bounded() -> None:
    seen = History(ManualClock())
    for attempt in range(history.STEPS + 50):
        seen.changed(KEY, None, job(MODEL, attempt=attempt))
    steps = seen.steps(KEY)
    assert len(steps) == history.STEPS
    assert (steps[0].attempt, steps[-1].attempt) == (0, history.STEPS + 49)
    for number in range(history.COMMANDS):
        seen.changed(str(number).encode(), None, job(MODEL))
    assert seen.steps(KEY) == ()
    assert seen.steps(b"0") != ()


def test_how_long_aws_took_is_counted_from_its_start() -> None:
    seen = History(ManualClock())
    running = job(MODEL, Phase.RUNNING, accepted_at=NOW, since=NOW + 100)
    for seconds in (10.0, 20.0, 30.0):
        seen.changed(KEY, running, replace(running, phase=Phase.SUCCEEDED, since=NOW + 100 + seconds))
    seen.changed(KEY, running, replace(running, phase=Phase.FAILED, since=NOW + 9000))
    usual = seen.durations.usual(MODEL.name)
    assert usual is not None
    assert (usual.seconds, usual.of) == (20.0, 3)


async def test_who_listens_hears_of_changes_and_of_none_afterwards() -> None:
    seen = History(ManualClock())
    with seen.listening() as event:
        seen.changed(b"resource", None, None)
        await asyncio.wait_for(event.wait(), 1)
        event.clear()
    seen.moved()
    assert not event.is_set()
    assert seen.version == 2
