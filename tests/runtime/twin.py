"""The twin of AWS, made worse: targets that hang as a whole, faults by chance, and a witness of every call."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from schemas.operations import OPERATIONS
from service.runtime.ports import Cause, Clock, Failure, Reply
from tests.fakes.account import Item
from tests.fakes.api import Entry, FakeApi, Fault
from tests.runtime import messages

LONG = 10_000.0
"""Seconds since somebody else made what :meth:`TwinApi.by_hand` makes."""


class TwinApi(FakeApi):
    """What a test may do to it besides.

    Attributes:
        hung: Names of targets that answer nothing.
        chance: Asked for a fault of a request that nothing else was injected for; None for none.
        slowness: Asked for the seconds that an answer takes beyond ``latency``.
        lag: Asked, once for each resource, for the seconds for which lists lack it; None leaves it to ``list_lag``.
        sent: Told of each request as it leaves.
        carried_out: Told of each request that had its effect.
    """

    def __init__(self, clock: Clock | None = None, targets: tuple[str, ...] = ("default",)) -> None:
        super().__init__(clock, targets)
        self.hung: set[str] = set()
        self.chance: Callable[[str], Fault | None] = lambda _: None
        self.slowness: Callable[[], float] = lambda: 0.0
        self.lag: Callable[[], float] | None = None
        self.sent: Callable[[Entry], None] = lambda _: None
        self.carried_out: Callable[[Entry], None] = lambda _: None
        self._lags: dict[str, float] = {}

    async def call(
        self,
        target: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
        may_send: Callable[[], bool] | None = None,
        cause: Cause | None = None,
    ) -> Reply | Failure:
        if target in self.hung:
            await asyncio.sleep(timeout)
            return Failure("ReadTimeout", "hung")
        return await super().call(target, operation, params, timeout=timeout, may_send=may_send, cause=cause)

    def by_hand(self, operation: str, target: str = "default", **members: Any) -> str:
        """Somebody else makes a resource with a creating operation, long ago; returns its id."""
        world, resource = self.worlds[target], OPERATIONS[operation].resource
        members = {**messages.request(operation), **members}
        key, before = world.arn(resource, next(self._numbers)), self.clock.monotonic() - LONG
        world.items[key] = Item(resource, key, members, before, [(before, "ACTIVE")])
        return key

    def _attempt(self, entry: Entry, fault: Fault) -> Reply | Failure:
        self.sent(entry)
        outcome = super()._attempt(entry, fault)
        if entry.effect:
            self.carried_out(entry)
        return outcome

    def _slowness(self) -> float:
        return self.latency + self.slowness()

    def _lag(self, item: Item) -> float:
        if self.lag is None:
            return super()._lag(item)
        if item.key not in self._lags:
            self._lags[item.key] = self.lag()
        return self._lags[item.key]

    def _fault(self, operation: str) -> Fault:
        return self.chance(operation) or super()._fault(operation)
