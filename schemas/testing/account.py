"""An AWS account in memory, as far as answers have the right members: it trains nothing and checks no dependencies."""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from botocore.model import ListShape, StructureShape

from .. import shapes
from ..cloudevents import format_time
from ..operations import (
    CONFIGURED_AUDIENCE_MODEL_POLICY,
    TAGS,
    Change,
    Kind,
    Operation,
    Resource,
    resource_of,
)

NOT_FOUND: Final = "ResourceNotFoundException"


class ApiError(Exception):
    """AWS says no.

    Attributes:
        code: Its error code.
        message: Its message.
        http_status: Status of its answer.
    """

    def __init__(self, code: str, message: str, http_status: int) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message, self.http_status = code, message, http_status


@dataclass(slots=True)
class Thing:
    """A resource.

    Attributes:
        resource: Its kind.
        id: Its ARN, or a stable id.
        members: What AWS says about it, except the status.
        status: Its status.
    """

    resource: Resource
    id: str
    members: dict[str, Any]
    status: str

    def described(self) -> dict[str, Any]:
        """Everything that is known about it."""
        return {**self.members, "status": self.status}


@dataclass(slots=True)
class Account:
    """What lies in one account and Region."""

    number: str = "123456789012"
    region: str = "eu-west-1"
    things: dict[str, Thing] = field(default_factory=dict)
    policies: dict[str, str] = field(default_factory=dict)

    def create(self, row: Operation, params: Mapping[str, Any], now: float, known: str = "") -> Thing:
        """Makes a resource, of a new id or a known one; with a lifecycle it is on its way, else there at once."""
        resource, unique = row.resource, uuid.uuid4()
        thing_id = known or (
            f"arn:aws:cleanrooms-ml:{self.region}:{self.number}:{resource.arn_type}/{unique}"
            if resource.identity
            else f"{resource.kind}/{unique.hex[:26].upper()}"
        )
        status = resource.arriving[0] if resource.arriving else "ACTIVE"
        return self.provide(resource, thing_id, params, status, now)

    def provide(self, resource: Resource, thing_id: str, members: Mapping[str, Any], status: str, now: float) -> Thing:
        """Puts a resource into the account, as if it had always been there."""
        times = dict.fromkeys(("createTime", "updateTime"), format_time(now))
        identity = {resource.identity: thing_id} if resource.identity else {}
        thing = self.things[thing_id] = Thing(resource, thing_id, {**times, **members, **identity}, status)
        return thing

    def find(self, thing_id: str) -> Thing:
        """A resource.

        Raises:
            ApiError: It is not there.
        """
        if thing_id not in self.things:
            raise ApiError(NOT_FOUND, f"{thing_id} does not exist", 404)
        return self.things[thing_id]

    def description(self, thing: Thing) -> dict[str, Any]:
        """The result of the operation that describes its kind, or of a List."""
        name = thing.resource.get_operation
        if name:
            return _shown(shapes.output_shape(name), thing.described())
        return _shown(_summary(thing.resource), thing.described())

    def answer(self, row: Operation, params: Mapping[str, Any], now: float) -> dict[str, Any]:
        """Performs a READ or WRITE row at once, and gives AWS's response.

        Raises:
            ApiError: What it is about is not there.
        """
        if row.kind is Kind.READ and row.name == row.resource.list_operation:
            return self._listed(row.resource, params)
        if row.creates:
            return {row.resource.identity: self.create(row, params, now).id}
        subject = str(params[row.resource.identity])
        return _shown(shapes.output_shape(row.name), self._performed(row, self.find(subject), params))

    def _performed(self, row: Operation, thing: Thing, params: Mapping[str, Any]) -> dict[str, Any]:
        if row.resource is CONFIGURED_AUDIENCE_MODEL_POLICY:
            return self._policy(row, thing, params)
        if row.resource is TAGS:
            return _tagged(thing, params)
        if row.change is Change.DELETED:
            del self.things[thing.id]
        elif row.change is Change.UPDATED:
            thing.members.update(params)
        return thing.described()

    def _policy(self, row: Operation, thing: Thing, params: Mapping[str, Any]) -> dict[str, Any]:
        if row.change is Change.UPDATED:
            self.policies[thing.id] = str(params[row.compare])
        if thing.id not in self.policies:
            raise ApiError(NOT_FOUND, f"{thing.id} has no policy", 404)
        policy = self.policies.pop(thing.id) if row.change is Change.DELETED else self.policies[thing.id]
        hashed = hashlib.sha256(policy.encode()).hexdigest()
        return {row.resource.identity: thing.id, "configuredAudienceModelPolicy": policy, "policyHash": hashed}

    def _listed(self, resource: Resource, params: Mapping[str, Any]) -> dict[str, Any]:
        found = [
            _shown(_summary(resource), thing.described())
            for thing in self.things.values()
            if thing.resource is resource
            and all(thing.members.get(name) == params[name] for name in resource.list_filters if name in params)
        ]
        return {resource.summaries: found[: params.get("maxResults", 100)]}


def kind_of(thing_id: str) -> Resource:
    """The resource kind that an ARN names.

    Raises:
        ValueError: It names none.
    """
    resource = resource_of(thing_id)
    if resource is None:
        raise ValueError(f"{thing_id} is not the ARN of a resource that has one")
    return resource


def _tagged(thing: Thing, params: Mapping[str, Any]) -> dict[str, Any]:
    tags = {**thing.members.get("tags", {}), **params.get("tags", {})}
    thing.members["tags"] = {name: text for name, text in tags.items() if name not in params.get("tagKeys", ())}
    return thing.described()


def _summary(resource: Resource) -> StructureShape | None:
    shape = shapes.output_shape(resource.list_operation)
    summaries = shape.members[resource.summaries] if shape else None
    member = summaries.member if isinstance(summaries, ListShape) else None
    return member if isinstance(member, StructureShape) else None


def _shown(shape: StructureShape | None, known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: known[name] for name in shape.members if name in known} if shape else {}
