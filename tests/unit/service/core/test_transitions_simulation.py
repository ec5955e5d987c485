"""Random schedules of crashes, zombies and lost replies; a failing seed prints its whole schedule.

The promise is tested twice: with both laws nothing is done twice, and without either one the same schedules do it,
which shows that the simulation could have found a violation.
"""

from collections import Counter
from dataclasses import replace

import pytest

from tests.support.core_simulation import FLIGHT, HEALED, LIST_LAG, POLICY, Laws, World, simulate

NO_LAW_1 = Laws(window_from="never")
COUNTED_FROM_THE_ANSWER = Laws(window_from="learnt")
NO_LAW_2 = Laws(policy=replace(POLICY, settle=POLICY.call_window + 0.5))


def violations(seeds: range, laws: Laws) -> Counter[str]:
    found: Counter[str] = Counter()
    for seed in seeds:
        found.update(simulate(seed, laws).verdict())
    return found


def hold(seeds: range) -> Counter[str]:
    """Every schedule keeps every promise; returns what has happened in them."""
    happened: Counter[str] = Counter()
    for seed in seeds:
        world = simulate(seed)
        assert not world.verdict(), world.story()
        happened.update(world.counters)
    return happened


def test_the_policy_of_the_simulation_keeps_law_2() -> None:
    assert POLICY.settle > POLICY.call_window + FLIGHT + LIST_LAG


def test_nothing_twice_nothing_stuck_nothing_untrue() -> None:
    happened = hold(range(500))
    for what in ("crashes", "pauses", "takeovers", "fenced", "late", "zombie calls", "handovers", "foreign deletes"):
        assert happened[what] > 0, what


def test_without_law_1_zombies_create_again() -> None:
    assert violations(range(500), NO_LAW_1)["duplicates"] > 0


def test_without_law_2_a_lagging_list_creates_again() -> None:
    assert violations(range(500), NO_LAW_2)["duplicates"] > 0


def test_a_window_counted_from_the_commits_answer_is_too_long() -> None:
    """Why the window opens when the commit begins: a pause may lie between the commit and its answer."""
    assert violations(range(800, 1300), COUNTED_FROM_THE_ANSWER)["duplicates"] > 0


def test_a_seed_is_a_schedule() -> None:
    assert simulate(7).story() == simulate(7).story()
    assert simulate(7).story() != simulate(8).story()


def test_a_healed_world_comes_to_rest() -> None:
    """Liveness: the last command ends soon after the last fault."""
    assert max(ended_at(simulate(seed)) for seed in range(300)) < HEALED + 60


def ended_at(world: World) -> float:
    return max(when for when, what in world.trace if " -> " in what)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_many_schedules() -> None:
    happened = hold(range(1_000, 25_000))
    assert happened["zombie calls"] > 100


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("laws", [NO_LAW_1, NO_LAW_2], ids=["no law 1", "no law 2"])
def test_many_schedules_without_a_law(laws: Laws) -> None:
    assert violations(range(20_000), laws)["duplicates"] > 100
