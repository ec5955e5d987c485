"""Rows times seeds: one laboratory per seed, side by side, so that a broker's outage is paid for once."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from tests.faults.history import Violation
from tests.faults.lab import Lab, laboratory
from tests.faults.runner import Outcome, Row, run
from tests.faults.station import Station

Tell = Callable[[Row, list[Outcome]], None]
Wanted = Callable[[Row, int], bool]
_ATTEMPTS = 3
"""To set up a laboratory: on a busy machine a request of the setting-up may time out, which is no fault of ours."""
_CLOSED = 60.0
"""Seconds after which a laboratory that does not close is left to itself; its processes end with ours."""


class Campaign:
    """Laboratories that live through many rows; one that a row has spoilt is replaced."""

    def __init__(self, station: Station, seeds: Sequence[int]) -> None:
        self._station, self._seeds = station, list(seeds)
        self._labs: dict[int, tuple[Lab, AsyncExitStack]] = {}

    async def perform(self, row: Row, wanted: Wanted = lambda _row, _seed: True) -> list[Outcome]:
        """One run for each seed that is wanted."""
        runs = [(number, seed) for number, seed in enumerate(self._seeds) if wanted(row, seed)]
        await self._station.mend()
        self._station.meeting.expect(len(runs))
        return list(await asyncio.gather(*(self._perform(row, number, seed) for number, seed in runs)))

    async def close(self) -> None:
        """Ends all laboratories."""
        for number in list(self._labs):
            await self._discard(number)

    async def _perform(self, row: Row, number: int, seed: int) -> Outcome:
        began = time.monotonic()
        if row.settings:
            await self._discard(number)
        try:
            lab = await self._lab(number, dict(row.settings))
            outcome = await run(lab, row, seed)
        except Exception as error:  # a laboratory that can't be set up costs its run, not the campaign
            failure = Violation("I6", f"laboratory of seed {seed}", f"not set up: {error!r}")
            load = os.getloadavg()[0]
            outcome = Outcome(row.number, seed, (failure,), float("nan"), {}, 0, time.monotonic() - began, load)
        except BaseException:
            await self._discard(number)
            raise
        finally:
            self._station.meeting.leave()
        if row.spoils or row.settings or outcome.violations:
            await self._discard(number)
        return outcome

    async def _lab(self, number: int, settings: dict[str, str]) -> Lab:
        for attempt in range(_ATTEMPTS if number not in self._labs else 0):
            stack = AsyncExitStack()
            try:
                lab = await stack.enter_async_context(laboratory(self._station, number, settings))
            except BaseException as error:
                await stack.aclose()
                if attempt + 1 == _ATTEMPTS or not isinstance(error, Exception):
                    raise
            else:
                self._labs[number] = (lab, stack)
                break
        return self._labs[number][0]

    async def _discard(self, number: int) -> None:
        if number in self._labs:
            lab, stack = self._labs.pop(number)
            lab.stop()
            with suppress(TimeoutError):
                async with asyncio.timeout(_CLOSED):
                    await stack.aclose()


@asynccontextmanager
async def campaign(station: Station, seeds: Sequence[int]) -> AsyncIterator[Campaign]:
    """A campaign on a station."""
    found = Campaign(station, seeds)
    try:
        yield found
    finally:
        await found.close()


async def perform_all(
    station: Station, rows: Sequence[Row], seeds: Sequence[int], tell: Tell, wanted: Wanted, until: float
) -> None:
    """Every row, for as many seeds at a time as the station has lines; begins none after ``until``, monotonic."""
    width = len(station.lines)
    for first in range(0, len(seeds), width):
        group = seeds[first : first + width]
        async with campaign(station, group) as labs:
            for row in rows:
                if time.monotonic() < until and any(wanted(row, seed) for seed in group):
                    tell(row, await labs.perform(row, wanted))
