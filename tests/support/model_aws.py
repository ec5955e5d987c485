"""A model of Clean Rooms ML for the simulation: what exists, since when, and what a List shows of it yet."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from schemas.operations import MARKER_MEMBER, OPERATIONS, Kind, Operation, Resource
from service.core.faults import CONFLICT, INVALID, NOT_FOUND
from service.core.marker import carried
from service.core.observations import Failure, Reply

GONE = ""
POLICY_MEMBER = "configuredAudienceModelPolicy"


def refusal(code: str, status: int) -> Failure:
    return Failure(code, "the model says no", status)


def digest(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


@dataclass(slots=True)
class Thing:
    """A resource: its life is a list of (since when, status); :data:`GONE` when it is no more."""

    kind: str
    id: str
    name: str
    description: str
    visible_at: float
    life: list[tuple[float, str]]

    def status(self, now: float) -> str:
        return next((status for since, status in reversed(self.life) if since <= now), self.life[0][1])

    def turn(self, now: float, future: list[tuple[float, str]]) -> None:
        """Another life from now on."""
        self.life = [moment for moment in self.life if moment[0] <= now] + future

    def there(self, now: float) -> bool:
        return self.status(now) != GONE


@dataclass(slots=True)
class ModelAws:
    """AWS as far as the core can tell.

    Attributes:
        random: Draws durations and ends.
        list_lag: Longest time for which a new resource is invisible to List and Get.
        unique_names: Whether names are unique per kind (datasets' always are).
        slots: How many jobs of a kind may be on their way.
    """

    random: Random
    list_lag: float
    unique_names: bool
    slots: int = 2
    things: dict[str, Thing] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)
    created: Counter[str] = field(default_factory=Counter)
    put: Counter[str] = field(default_factory=Counter)

    def perform(self, name: str, params: Mapping[str, Any], now: float) -> Reply | Failure:
        """The effect and the answer."""
        operation = OPERATIONS[name]
        verb = next(verb for verb in _VERBS if name.startswith(verb))
        if operation.guards or name == "GetConfiguredAudienceModelPolicy":
            return self._policy(operation, params)
        return _VERBS[verb](self, operation, params, now)

    def _create(self, operation: Operation, params: Mapping[str, Any], now: float) -> Reply | Failure:
        resource = operation.resource
        alike = [thing for thing in self.things.values() if thing.kind == resource.kind and thing.there(now)]
        unique = self.unique_names or resource.kind == "training-dataset"
        if unique and any(thing.name == params["name"] for thing in alike):
            return refusal(CONFLICT, 409)
        if resource.slot and sum(thing.status(now) in resource.arriving for thing in alike) >= self.slots:
            return refusal("ServiceQuotaExceededException", 402)
        self.created[carried(params[MARKER_MEMBER])] += 1
        thing = self.add(operation, params["name"], params[MARKER_MEMBER], now)
        return Reply({resource.identity: thing.id} if resource.identity else {})

    def add(self, operation: Operation, name: str, description: str, now: float) -> Thing:
        """A new resource, on its way or at once there."""
        resource = operation.resource
        at, life = now, []
        for status in resource.arriving:
            life.append((at, status))
            at += self.random.uniform(0.2, 8.0)
        failed = resource.failed and self.random.random() < 0.1
        life.append((at, next(iter(resource.failed if failed else resource.done))))
        visible_at = now + self.random.uniform(0.0, self.list_lag)
        thing = Thing(resource.kind, f"{resource.kind}-{len(self.things)}", name, description, visible_at, life)
        self.things[thing.id] = thing
        return thing

    def _shown(self, resource: Resource, thing: Thing, now: float) -> dict[str, Any]:
        shown = {"name": thing.name, MARKER_MEMBER: thing.description, "status": thing.status(now)}
        return {**shown, resource.identity: thing.id} if resource.identity else shown

    def _list(self, operation: Operation, params: Mapping[str, Any], now: float) -> Reply | Failure:
        resource = operation.resource
        things = (thing for thing in self.things.values() if thing.kind == resource.kind and thing.visible_at <= now)
        return Reply({resource.summaries: [self._shown(resource, thing, now) for thing in things if thing.there(now)]})

    def _get(self, operation: Operation, params: Mapping[str, Any], now: float) -> Reply | Failure:
        thing = self.things.get(params[operation.resource.identity])
        if thing is None or thing.visible_at > now or not thing.there(now):
            return refusal(NOT_FOUND, 404)
        return Reply(self._shown(operation.resource, thing, now))

    def _delete(self, operation: Operation, params: Mapping[str, Any], now: float) -> Reply | Failure:
        thing = self.things.get(params[operation.resource.identity])
        if thing is None or not thing.there(now):
            return refusal(NOT_FOUND, 404)
        if thing.status(now) in (*operation.resource.arriving, *operation.resource.leaving):
            return refusal(CONFLICT, 409)
        at, future = now, []
        for status in operation.resource.leaving if operation.kind is Kind.REMOVAL else ():
            future.append((at, status))
            at += self.random.uniform(0.2, 4.0)
        undeleted = operation.resource.undeleted and self.random.random() < 0.1
        future.append((at, next(iter(operation.resource.undeleted)) if undeleted else GONE))
        thing.turn(now, future)
        return Reply({})

    def _policy(self, operation: Operation, params: Mapping[str, Any]) -> Reply | Failure:
        """Conditional writes: a changed hash shows as an invalid request."""
        model = params[operation.resource.identity]
        present = self.policies.get(model)
        if operation.kind is Kind.READ:
            return refusal(NOT_FOUND, 404) if present is None else self._document(present)
        expected = params.get("previousPolicyHash")
        if expected is not None and (present is None or digest(present) != expected):
            return refusal(INVALID, 400)
        self.policies[model] = params[POLICY_MEMBER]
        self.put[params[POLICY_MEMBER]] += 1
        return self._document(params[POLICY_MEMBER])

    def _document(self, text: str) -> Reply:
        return Reply({POLICY_MEMBER: text, "policyHash": digest(text)})


_Verb = Callable[[ModelAws, Operation, Mapping[str, Any], float], Reply | Failure]
_VERBS: dict[str, _Verb] = {
    "Create": ModelAws._create,
    "Start": ModelAws._create,
    "List": ModelAws._list,
    "Get": ModelAws._get,
    "Delete": ModelAws._delete,
    "Put": ModelAws._get,
}
