"""An in-memory twin of the ``Api`` port: a tiny Clean Rooms ML with faults to inject and a log of what arrived.

The contract suite keeps it honest against the sandbox. Under looptime a day takes no time.
"""

import asyncio
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from typing import Any

import botocore.session
from botocore.model import StructureShape

from schemas.operations import (
    AUDIENCE_MODEL,
    CONFIGURED_AUDIENCE_MODEL,
    CONFIGURED_AUDIENCE_MODEL_POLICY,
    EXPORT_JOB,
    GENERATION_JOB,
    OPERATIONS,
    TAGS,
    TRAINING_DATASET,
    Change,
    Kind,
    Operation,
    Resource,
)
from service.runtime.ports import Cause, Clock, Failure, Reply
from tests.support.account import Item, World
from tests.support.clock import LoopClock

PARENTS = {
    AUDIENCE_MODEL.kind: TRAINING_DATASET,
    CONFIGURED_AUDIENCE_MODEL.kind: AUDIENCE_MODEL,
    GENERATION_JOB.kind: CONFIGURED_AUDIENCE_MODEL,
    EXPORT_JOB.kind: GENERATION_JOB,
}
"""Which resource a resource is made from."""

UNIQUE_NAMES = frozenset({TRAINING_DATASET.kind, GENERATION_JOB.kind})
"""Kinds whose names AWS documents as unique."""


@cache
def output(operation: str) -> StructureShape:
    service = botocore.session.get_session().get_service_model("cleanroomsml")
    shape = service.operation_model(operation).output_shape
    assert shape is not None
    return shape


@cache
def listed(operation: str, summaries: str) -> frozenset[str]:
    """What a List tells of each resource."""
    return frozenset(output(operation).members[summaries].member.members)  # type: ignore[attr-defined]


class Refusal(Exception):
    """AWS says no."""

    def __init__(self, code: str, status: int, message: str = "", **extra: Any) -> None:
        super().__init__(message or code)
        self.failure = Failure(code, message or code, http_status=status, extra=extra or None)


@dataclass(frozen=True)
class Fault:
    """What happens to a request instead of the usual.

    ``failure``: the answer. ``effect``: whether it is carried out, ``late``: seconds later. ``hang``: no answer.
    """

    failure: Failure | None = None
    effect: bool = False
    hang: bool = False
    late: float = 0.0


NOT_SENT = Fault(Failure("ConnectFailed", "no route", sent=False))
LOST_REQUEST = Fault(Failure("ConnectionClosed", "closed before it was read"))
LOST_REPLY = Fault(Failure("ConnectionClosed", "closed after it was carried out"), effect=True)
HANG_BEFORE = Fault(hang=True)
HANG_AFTER = Fault(hang=True, effect=True)
THROTTLED = Fault(Failure("ThrottlingException", "slow down", http_status=429))
UNAVAILABLE = Fault(Failure("ServiceUnavailable", "try again", http_status=503))
BROKEN_AFTER = Fault(Failure("InternalServiceException", "oops", http_status=500), effect=True)
INVALID = Fault(Failure("InvalidResponse", "the answer lacks everything", http_status=200), effect=True)
QUOTA = Fault(
    Failure("ServiceQuotaExceededException", "full", http_status=402, extra={"quotaName": "jobs", "quotaValue": 2.0})
)


def late(seconds: float) -> Fault:
    """The caller hears of a closed connection; the effect comes later all the same."""
    return Fault(Failure("ConnectionClosed", "delayed in the network"), effect=True, late=seconds)


def copied(value: Any) -> Any:
    """A copy of JSON's types; not through JSON, in which not every string can be written."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value


@dataclass
class Entry:
    """A request that left, and what became of it."""

    time: float
    target: str
    operation: str
    params: dict[str, Any]
    outcome: str = "pending"
    effect: bool = False
    cause: Cause | None = None

    @property
    def trace(self) -> str:
        """The marker of the command behind it; empty when there is none."""
        return self.cause.marker if self.cause else ""


class FakeApi:
    """The twin. Attributes may be changed at any time.

    Attributes:
        latency: Seconds from sending to the answer.
        connect: Seconds before ``may_send`` is asked.
        list_lag: Seconds for which a new resource is missing from lists.
        pending: Seconds in the pending state.
        working: Seconds in the working state.
        quotas: Most jobs at once by slot; none by default.
        fail_jobs: Kinds whose jobs end badly.
        fail_removals: Kinds whose removals end badly.
        log: Every request that left.
    """

    def __init__(self, clock: Clock | None = None, targets: tuple[str, ...] = ("default",)) -> None:
        self.clock = clock or LoopClock()
        self.worlds = {name: World(account=f"{111122223333 + i}") for i, name in enumerate(targets)}
        self.latency = 0.05
        self.connect = 0.0
        self.list_lag = 0.0
        self.pending = 1.0
        self.working = 5.0
        self.quotas: dict[str, int] = {}
        self.fail_jobs: set[str] = set()
        self.fail_removals: set[str] = set()
        self.log: list[Entry] = []
        self._faults: dict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self._numbers = iter(range(1, 10**8))

    # What a test asks and commands

    def inject(self, operation: str, *faults: Fault) -> None:
        """The next requests of this operation meet these faults, one each."""
        self._faults[operation].extend(faults)

    def always(self, operation: str, fault: Fault | None) -> None:
        """Every request of this operation meets the fault, until it is None."""
        if fault is None:
            self._always.pop(operation, None)
        else:
            self._always[operation] = fault

    def effects(self, marker: str = "") -> list[Entry]:
        """Creating requests that were carried out and whose description contains the marker."""
        created = [entry for entry in self.log if entry.effect and OPERATIONS[entry.operation].creates]
        return [entry for entry in created if marker in entry.params.get("description", "")]

    def counts(self) -> Counter[str]:
        """How many requests of each operation left."""
        return Counter(entry.operation for entry in self.log)

    def items(self, resource: Resource, target: str = "default") -> list[Item]:
        """What exists now."""
        now = self.clock.monotonic()
        return [i for i in self.worlds[target].items.values() if i.resource is resource and i.exists(now)]

    def item(self, key: str, target: str = "default") -> Item:
        """A resource by its ARN, or by its name if it has no ARN."""
        items = self.worlds[target].items
        return items.get(key) or next(i for i in items.values() if i.members["name"] == key)

    def set_status(self, key: str, status: str, details: dict[str, str] | None = None, target: str = "default") -> None:
        """From now on the resource has this status."""
        item = self.item(key, target)
        item.schedule = [(self.clock.monotonic(), status)]
        item.details = details

    def remove(self, key: str, target: str = "default") -> None:
        """Somebody else deletes the resource, at once."""
        self.item(key, target).gone = self.clock.monotonic()

    # The port

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
        if target not in self.worlds:
            return Failure("InvalidRequest", f"no target {target}", sent=False)
        await asyncio.sleep(self.connect)
        if may_send is not None and not may_send():
            return Failure("CallWindowClosed", "the time in which this call may leave has passed", sent=False)
        fault = self._fault(operation)
        if fault.failure is not None and not fault.failure.sent:
            return fault.failure
        entry = Entry(self.clock.monotonic(), target, operation, copied(dict(params)), cause=cause)
        self.log.append(entry)
        outcome = self._attempt(entry, fault)
        latency = self._slowness()
        if fault.hang or latency >= timeout:
            await asyncio.sleep(timeout)
            entry.outcome = "ReadTimeout"
            return Failure("ReadTimeout", f"no outcome within {timeout:g} s")
        await asyncio.sleep(latency)
        outcome = fault.failure or outcome
        entry.outcome = outcome.code if isinstance(outcome, Failure) else "ok"
        return outcome

    def _slowness(self) -> float:
        return self.latency

    def _fault(self, operation: str) -> Fault:
        waiting = self._faults[operation]
        return waiting.popleft() if waiting else self._always.get(operation, Fault(effect=True))

    def _attempt(self, entry: Entry, fault: Fault) -> Reply | Failure:
        if not fault.effect:
            return fault.failure or Failure("ReadTimeout", "hung")
        try:
            result = self._perform(self.worlds[entry.target], OPERATIONS[entry.operation], entry.params, fault.late)
        except Refusal as refusal:
            return refusal.failure
        entry.effect = True
        return Reply(copied(result))

    # The tiny Clean Rooms ML

    def _perform(self, world: World, row: Operation, params: dict[str, Any], delay: float) -> dict[str, Any]:
        resource = row.resource
        if resource is TAGS:
            return self._tagging(world, row, params)
        if resource is CONFIGURED_AUDIENCE_MODEL_POLICY:
            return self._policy(world, row, params)
        if row.creates:
            return self._create(world, row, params, self.clock.monotonic() + delay)
        if row.name == resource.list_operation:
            return self._list(world, row, params)
        item = self._find(world, resource, params[resource.identity])
        if row.change is Change.DELETED or row.kind is Kind.REMOVAL:
            return self._delete(world, row, item)
        if row.kind is Kind.READ:
            return self._describe(world, row, item)
        item.members |= params
        item.updated = self.clock.monotonic()
        return {resource.identity: item.key}

    def _find(self, world: World, resource: Resource, key: str) -> Item:
        item = world.items.get(key)
        if item is None or item.resource is not resource or not item.exists(self.clock.monotonic()):
            raise Refusal("ResourceNotFoundException", 404, f"{resource.kind} {key} does not exist")
        return item

    def _create(self, world: World, row: Operation, params: dict[str, Any], now: float) -> dict[str, Any]:
        resource = row.resource
        parent = PARENTS.get(resource.kind)
        if parent is not None and self._find(world, parent, params[parent.identity]).status(now) != "ACTIVE":
            raise Refusal("ValidationException", 400, f"{parent.kind} is not ACTIVE")
        alive = [i for i in world.items.values() if i.resource is resource and i.exists(now)]
        if resource.kind in UNIQUE_NAMES and any(i.members["name"] == params["name"] for i in alive):
            raise Refusal("ConflictException", 409, f"{params['name']} exists")
        limit = self.quotas.get(resource.slot)
        if limit is not None and len(self._busy(alive, now)) >= limit:
            told = {"quotaName": resource.slot, "quotaValue": float(limit)}
            raise Refusal("ServiceQuotaExceededException", 402, "full", **told)
        key = world.arn(resource, next(self._numbers))
        world.items[key] = Item(resource, key, params, now, self._schedule(row, now), now)
        if "tags" in params:
            world.tags[key] = dict(params["tags"])
        return {resource.identity: key} if resource.identity else {}

    @staticmethod
    def _busy(items: list[Item], now: float) -> list[Item]:
        return [item for item in items if item.status(now) in {"CREATE_PENDING", "CREATE_IN_PROGRESS"}]

    def _schedule(self, row: Operation, now: float) -> list[tuple[float, str]]:
        if row.kind is not Kind.JOB:
            return [(now, "ACTIVE")]
        end = "CREATE_FAILED" if row.resource.kind in self.fail_jobs else "ACTIVE"
        working = now + self.pending
        return [(now, "CREATE_PENDING"), (working, "CREATE_IN_PROGRESS"), (working + self.working, end)]

    def _delete(self, world: World, row: Operation, item: Item) -> dict[str, Any]:
        now = self.clock.monotonic()
        if self._busy([item], now) or any(self._children(world, item, now)):
            raise Refusal("ConflictException", 409, "another resource depends on this resource")
        if row.kind is Kind.REMOVAL:
            if not item.status(now).startswith("DELETE_") or item.status(now) == "DELETE_FAILED":
                item.schedule = [(now, "DELETE_PENDING"), (now + self.pending, "DELETE_IN_PROGRESS")]
                ended = now + self.pending + self.working
                if row.resource.kind in self.fail_removals:
                    item.schedule.append((ended, "DELETE_FAILED"))
                else:
                    item.gone = ended
        else:
            item.gone = now
        for other in world.items.values():
            if other.resource is EXPORT_JOB and other.members.get(item.resource.identity) == item.key:
                other.gone = item.gone
        return {}

    @staticmethod
    def _children(world: World, item: Item, now: float) -> Iterator[Item]:
        for other in world.items.values():
            made_from = PARENTS.get(other.resource.kind)
            if made_from is item.resource and other.resource is not EXPORT_JOB and other.exists(now):
                yield from [other] if other.members[made_from.identity] == item.key else []

    def _list(self, world: World, row: Operation, params: dict[str, Any]) -> dict[str, Any]:
        now, resource = self.clock.monotonic(), row.resource
        found = [
            item
            for item in world.items.values()
            if item.resource is resource
            and item.exists(now)
            and item.created + self._lag(item) <= now
            and all(item.members.get(name) == params[name] for name in resource.list_filters if name in params)
        ]
        size, start = params.get("maxResults", 100), int(params.get("nextToken", "0"))
        page = found[start : start + size]
        members = listed(row.name, resource.summaries)
        result: dict[str, Any] = {resource.summaries: [self._shown(world, item, members) for item in page]}
        return result | ({"nextToken": str(start + size)} if start + size < len(found) else {})

    def _lag(self, item: Item) -> float:
        return self.list_lag

    def _describe(self, world: World, row: Operation, item: Item) -> dict[str, Any]:
        return self._shown(world, item, frozenset(output(row.name).members))

    def _shown(self, world: World, item: Item, members: frozenset[str]) -> dict[str, Any]:
        everything = {
            **item.members,
            "createTime": self._time(item.created),
            "updateTime": self._time(max(item.updated, item.created)),
            "status": item.status(self.clock.monotonic()),
            "statusDetails": item.details,
            "tags": world.tags.get(item.key),
            item.resource.identity or "key": item.key,
        }
        return {name: value for name, value in everything.items() if name in members and value is not None}

    def _time(self, moment: float) -> str:
        wall = datetime.fromtimestamp(self.clock.wall() - self.clock.monotonic() + moment, UTC)
        return wall.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def _policy(self, world: World, row: Operation, params: dict[str, Any]) -> dict[str, Any]:
        identity, member = row.resource.identity, "configuredAudienceModelPolicy"
        key = params[identity]
        self._find(world, CONFIGURED_AUDIENCE_MODEL, key)
        known = world.policies.get(key)
        digest = sha256((known or "").encode()).hexdigest()
        if row.change is Change.UPDATED:
            condition = params.get("policyExistenceCondition", "")
            demanded = {"POLICY_MUST_EXIST": True, "POLICY_MUST_NOT_EXIST": False}.get(condition, known is not None)
            if demanded is not (known is not None) or (params.get("previousPolicyHash") or digest) != digest:
                raise Refusal("ValidationException", 400, "the policy is not in the expected state")
            world.policies[key] = known = params[member]
            return {member: known, "policyHash": sha256(known.encode()).hexdigest()}
        if known is None:
            raise Refusal("ResourceNotFoundException", 404, "there is no policy")
        if row.change is Change.DELETED:
            del world.policies[key]
            return {}
        return {identity: key, member: known, "policyHash": digest}

    def _tagging(self, world: World, row: Operation, params: dict[str, Any]) -> dict[str, Any]:
        key = params[TAGS.identity]
        item = world.items.get(key)
        if item is None or not item.exists(self.clock.monotonic()):
            raise Refusal("ResourceNotFoundException", 404, f"{key} does not exist")
        if row.kind is Kind.READ:
            return {"tags": dict(world.tags[key])}
        tags = world.tags[key] | params.get("tags", {})
        world.tags[key] = {name: value for name, value in tags.items() if name not in params.get("tagKeys", ())}
        return {}
