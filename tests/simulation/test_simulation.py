"""Many bad days of the real shard code: whatever happened, every promise was kept at every step, and all came to rest.

A seed that fails is told by ``python -m tests.simulation SEED``; what it has found is kept as a scripted test in
``tests/scenarios``, because a seed means another schedule as soon as schedules are drawn otherwise.
"""

import os
import subprocess
import sys
from collections import Counter

import pytest

from tests.simulation import campaign
from tests.simulation.campaign import Summary, run, run_apart
from tests.simulation.families import EFFECTS, ON
from tests.simulation.faults import FAULTS, FLIGHT, LAG
from tests.simulation.schedule import ACTIONS, BOUND
from tests.simulation.simulate import Outcome, simulate
from tests.support.process import POLICY

QUICK, PARTS = 1500, 20
MUST_HAPPEN = (
    *(each.name for each in ACTIONS.values() if each.family is None or each.family in ON),
    *(what for family in ON for what in EFFECTS.get(family, ())),
    *FAULTS,
    "commit decided late",
    "commit left open",
    "commit unanswered",
    "delayed reply",
    "evictions",
    "faults for long",
    "fences by nobody",
    "foreign deletes",
    "forgotten",
    "late request",
    "list lag",
    "markers apart",
    "misuses",
    "quota",
    "zombie calls",
    "zombies that stood still",
)
"""Faults that must take effect, and not only be drawn, in the quick set; each more than once."""

happened: Counter[str] = Counter()


def test_the_faults_stay_within_what_law_2_assumes() -> None:
    assert POLICY.settle > POLICY.call_window + FLIGHT + LAG


@pytest.mark.timeout(900)  # a loaded machine has made 100 schedules take minutes
@pytest.mark.parametrize("part", range(PARTS))
def test_schedules(part: int) -> None:
    summary = run(range(part, QUICK, PARTS))
    happened.update(summary.counters)
    assert not summary.violations, summary
    assert summary.healed_in[0] < BOUND


def test_every_fault_has_happened() -> None:
    """A simulation that never tears a transaction proves nothing about torn transactions."""
    if not happened:
        pytest.skip("runs with the schedules")
    rare = {what: happened[what] for what in MUST_HAPPEN if happened[what] < 3}
    assert not rare, happened


def test_a_violation_is_printed_when_it_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    printed: list[str] = []

    def violated(seed: int, _: object) -> Outcome:
        printed.append(capsys.readouterr().out)
        return Outcome(seed, violation="a promise\nand its situation" if seed == 1 else "")

    monkeypatch.setattr(campaign, "simulate", violated)
    assert run(range(3)).violations == {1: "a promise"}
    assert printed == ["", "", "\nseed 1: a promise\n"]


def test_a_seed_is_a_schedule() -> None:
    assert simulate(7).digest == simulate(7).digest
    assert simulate(7).digest != simulate(8).digest


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_a_seed_is_the_same_schedule_in_every_process(hash_seed: str) -> None:
    """Neither the hashes of strings nor where objects lie in memory may decide anything."""
    script = (
        "import sys; from tests.simulation.simulate import simulate; print(*(simulate(s).digest for s in range(40)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    told = subprocess.run([sys.executable, "-c", script], env=environment, check=True, capture_output=True, text=True)
    assert told.stdout.split() == [simulate(seed).digest for seed in range(40)]


@pytest.mark.long
@pytest.mark.timeout(0)
def test_many_schedules() -> None:
    """100,000, or as many as SCHEDULES says, on all processors."""
    count, summary = int(os.environ.get("SCHEDULES", "100000")), Summary()
    for summary in run_apart(range(10_000, 10_000 + count)):
        if summary.violations:
            break
    print(summary)  # noqa: T201
    assert not summary.violations, summary
    assert summary.healed_in[0] < BOUND
