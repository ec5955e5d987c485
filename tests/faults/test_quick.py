"""The most telling faults, three seeds each, side by side on one Kafka; `make test-faults` runs all of them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults import report
from tests.faults.campaign import Campaign, campaign
from tests.faults.matrix import ROWS
from tests.faults.runner import Row
from tests.faults.station import station

SEEDS = (0, 1, 2)
QUICK = [row for row in ROWS if row.quick]

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def laboratories(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Campaign]:
    async with station(tmp_path_factory.mktemp("faults"), len(SEEDS)) as ground, campaign(ground, SEEDS) as found:
        yield found


@pytest.mark.timeout(180)
@pytest.mark.parametrize("row", QUICK, ids=[f"{row.number} {row.name}" for row in QUICK])
async def test_no_promise_is_broken(laboratories: Campaign, row: Row) -> None:
    outcomes = await laboratories.perform(row)
    assert not any(outcome.violations for outcome in outcomes), report.line(row, outcomes)
    assert all(outcome.commands > 20 for outcome in outcomes), "there was no load to speak of"
