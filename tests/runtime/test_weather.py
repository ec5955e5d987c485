"""Many bad days: whatever happened, every promise was kept."""

from collections import Counter

import pytest

from schemas.operations import OPERATIONS, Kind
from tests.runtime.rig import Rig
from tests.runtime.weather import Weather

pytestmark = pytest.mark.looptime


async def survive(seed: int) -> Counter[str]:
    async with Rig(stop_deadline=2.0) as rig:
        rig.api.quotas = {"audience-models": 2}
        weather = Weather(rig, seed)
        await weather.pass_over()
        rig.audit()
        for command_id, operation in rig.sent.items():
            ending = rig.ending(command_id)
            assert ending is not None
            if OPERATIONS[operation].creates:
                assert (ending.kind == "succeeded") == (len(rig.creates(command_id)) == 1), (command_id, ending)
            elif OPERATIONS[operation].kind is Kind.REMOVAL:
                assert ending.kind == "succeeded", ending
        problems = [what for node in rig.nodes for what, _ in node.story.problems]
        assert not [what for what in problems if "broke the service" in what], problems
        return weather.happened


@pytest.mark.parametrize("seed", range(50))
async def test_a_bad_day(seed: int) -> None:
    happened = await survive(seed)
    assert happened["create"] + happened["command"] > 5


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1000, 2000))
async def test_many_bad_days(seed: int) -> None:
    await survive(seed)
