"""One List serves all searches that wait for it: after a crash, many commands search for what their calls have made."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from schemas.operations import Resource
from schemas.records import Fault
from service.core import faults, search
from service.core.observations import Failure, Reply
from service.core.rate_budget import Lane
from service.core.search import Marked, Request
from service.runtime.ports import Clock

Pages = Callable[[str, Request, Lane], AsyncGenerator[Reply | Failure, None]]

MOST_BYTES: Final = 64 * 1024 * 1024
"""Bytes of all pages with resources of this service, which are held in memory, after which a search fails."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A List that has ended.

    Attributes:
        began: When its first page was asked for, as :attr:`service.core.observations.Found.searched_at`.
        found: What it showed, by marker; or why it broke off.
        stable: True when one answer showed all, so that nothing could shift between pages.
    """

    began: float
    found: Marked | Fault
    stable: bool = True


@dataclass(slots=True)
class _Waiting:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    ended: int = 0
    last: Listed | None = None


class SharedSearches:
    """Searches by List: at most one under way for each target and request.

    A search is served by the first List that ends after it has asked; when that List began is said with it, because
    nothing else counts as the time of the search. Who waits may be cancelled at any time: the next one in line lists.
    """

    def __init__(self, pages: Pages, clock: Clock) -> None:
        self._pages = pages
        self._clock = clock
        self._lines: dict[object, _Waiting] = {}

    async def list(self, target: str, request: Request, resource: Resource) -> Listed:
        """A List of this request that ends later."""
        key = (target, request.operation, *sorted(request.params.items()))
        line = self._lines.setdefault(key, _Waiting())
        asked = line.ended
        line.waiting += 1
        try:
            async with line.lock:
                if line.last is None or line.ended == asked:
                    line.last = await self._list(target, request, resource)
                    line.ended += 1
                return line.last
        finally:
            line.waiting -= 1
            if not line.waiting:
                self._lines.pop(key, None)

    async def _list(self, target: str, request: Request, resource: Resource) -> Listed:
        began, pages, size = self._clock.now(), 0, 0
        ours: search.Carrying = {}
        async with aclosing(self._pages(target, request, Lane.SEARCH)) as answered:
            async for page in answered:
                if isinstance(page, Failure):
                    return Listed(began, faults.fault(page, retryable=True))
                pages += 1
                carrying = search.carrying(resource, page.result[resource.summaries])
                size += page.size if carrying else 0
                if size > MOST_BYTES:
                    found = Failure(
                        "ListTooLarge", f"the pages with this service's resources have over {MOST_BYTES} bytes"
                    )
                    return Listed(began, faults.fault(found, retryable=True))
                ours |= carrying
        return Listed(began, search.marked(ours), stable=pages == 1)
