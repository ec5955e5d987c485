"""The twin of AWS, made worse: targets that hang as a whole, faults by chance, and a witness of every call."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from schemas.operations import OPERATIONS, Operation
from service.runtime.ports import Cause, Clock, Failure, Reply
from tests.support import messages
from tests.support.account import Item, World
from tests.support.api import Entry, FakeApi, Fault, Refusal

Page = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Answers a List with the members given."""

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
        turn: Asked for the fault of one particular request that met none by chance, when it arrives.
        distort: Given each answer and its operation; returns what is answered.
        paging: Given a List, its request and who answers one; answers it.
        staleness: Asked for the age of what a read shows.
        denies: Asked whether a Get or a deletion of a resource says that it is not there although it is.
        undeletable: Ids of resources whose deletion fails.
        place: Names the world in which the process that calls has a target.
        taken_back: Ids of resources whose deletion begins and ends with what was before, and after how many seconds.
    """

    def __init__(self, clock: Clock | None = None, targets: tuple[str, ...] = ("default",)) -> None:
        super().__init__(clock, targets)
        self.hung: set[str] = set()
        self.chance: Callable[[str], Fault | None] = lambda _: None
        self.slowness: Callable[[], float] = lambda: 0.0
        self.lag: Callable[[], float] | None = None
        self.sent: Callable[[Entry], None] = lambda _: None
        self.carried_out: Callable[[Entry], None] = lambda _: None
        self.turn: Callable[[Entry], Fault | None] = lambda _: None
        self.distort: Callable[[str, Any], Any] = lambda _, result: result
        self.paging: Callable[[str, Mapping[str, Any], Page], dict[str, Any]] = lambda _, params, page: page(params)
        self.staleness: Callable[[], float] = lambda: 0.0
        self.denies: Callable[[str, str], bool] = lambda _, __: False
        self.undeletable: set[str] = set()
        self.place: Callable[[str], str] = lambda target: target
        self.taken_back: dict[str, float] = {}
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
        target = self.place(target)
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
        turned = None if fault.failure or fault.hang else self.turn(entry)
        outcome = super()._attempt(entry, turned or fault)
        if entry.effect:
            self.carried_out(entry)
        if turned is not None and turned.failure is not None:
            return turned.failure
        return Reply(self.distort(entry.operation, outcome.result)) if isinstance(outcome, Reply) else outcome

    def _list(self, world: World, row: Operation, params: dict[str, Any]) -> dict[str, Any]:
        def page(asked: Mapping[str, Any]) -> dict[str, Any]:
            return FakeApi._list(self, world, row, dict(asked))

        return self.paging(row.name, params, page)

    def _describe(self, world: World, row: Operation, item: Item) -> dict[str, Any]:
        if self.denies(row.name, item.key):
            raise Refusal("ResourceNotFoundException", 404, f"{item.key} is not seen")
        return super()._describe(world, row, item)

    def _shown(self, world: World, item: Item, members: frozenset[str]) -> dict[str, Any]:
        shown = super()._shown(world, item, members)
        if "status" in shown:
            shown["status"] = item.status(self.clock.monotonic() - self.staleness())
        return shown

    def _delete(self, world: World, row: Operation, item: Item) -> dict[str, Any]:
        if self.denies(row.name, item.key):
            raise Refusal("ResourceNotFoundException", 404, f"{item.key} is not seen")
        result = super()._delete(world, row, item)
        if item.key in self.undeletable and item.gone is not None:
            now, item.gone = self.clock.monotonic(), None
            item.schedule = [(now, "DELETE_PENDING"), (now + 0.1, "DELETE_FAILED")]
            item.details = {"statusCode": "X", "message": "a bucket is locked"}
        if item.key in self.taken_back and item.gone is not None:
            now, item.gone = self.clock.monotonic(), None
            item.schedule = [(now, "DELETE_PENDING"), (now + self.taken_back[item.key], "ACTIVE")]
        return result

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
