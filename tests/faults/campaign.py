"""Rows times seeds: one laboratory per seed, side by side, so that a broker's outage is paid for once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from tests.faults.lab import Lab, laboratory
from tests.faults.runner import Outcome, Row, run
from tests.faults.station import Station

Tell = Callable[[Row, list[Outcome]], None]


class Campaign:
    """Laboratories that live through many rows; one that a row has spoilt is replaced."""

    def __init__(self, station: Station, seeds: Sequence[int]) -> None:
        self._station, self._seeds = station, list(seeds)
        self._labs: dict[int, tuple[Lab, AsyncExitStack]] = {}

    async def perform(self, row: Row) -> list[Outcome]:
        """One run for each seed."""
        self._station.expect(len(self._seeds))
        numbers = range(len(self._seeds))
        return list(
            await asyncio.gather(*(self._perform(row, n, seed) for n, seed in zip(numbers, self._seeds, strict=True)))
        )

    async def close(self) -> None:
        """Ends all laboratories."""
        for number in list(self._labs):
            await self._discard(number)

    async def _perform(self, row: Row, number: int, seed: int) -> Outcome:
        if row.settings:
            await self._discard(number)
        lab = await self._lab(number, dict(row.settings))
        try:
            outcome = await run(lab, row, seed)
        except BaseException:
            await self._discard(number)
            raise
        if row.spoils or row.settings or outcome.violations:
            await self._discard(number)
        return outcome

    async def _lab(self, number: int, settings: dict[str, str]) -> Lab:
        if number not in self._labs:
            stack = AsyncExitStack()
            lab = await stack.enter_async_context(laboratory(self._station, number, settings))
            self._labs[number] = (lab, stack)
        return self._labs[number][0]

    async def _discard(self, number: int) -> None:
        if number in self._labs:
            _, stack = self._labs.pop(number)
            await stack.aclose()


@asynccontextmanager
async def campaign(station: Station, seeds: Sequence[int]) -> AsyncIterator[Campaign]:
    """A campaign on a station."""
    found = Campaign(station, seeds)
    try:
        yield found
    finally:
        await found.close()


async def perform_all(station: Station, rows: Sequence[Row], seeds: Sequence[int], tell: Tell) -> None:
    """Every row, for as many seeds at a time as the station has lines."""
    width = len(station.lines)
    for first in range(0, len(seeds), width):
        async with campaign(station, seeds[first : first + width]) as labs:
            for row in rows:
                tell(row, await labs.perform(row))
