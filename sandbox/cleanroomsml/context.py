"""What an operation is given and what it gives back; the vocabulary of the verbs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.model import OperationModel

from sandbox.cleanroomsml.assumptions import ErrorKind
from sandbox.cleanroomsml.errors import ApiError, Conflict, ValidationError
from sandbox.cleanroomsml.faults import Faults, Stage
from sandbox.cleanroomsml.lifecycle import Lifecycle
from sandbox.cleanroomsml.options import Options
from sandbox.cleanroomsml.resources import Kind, Resource
from sandbox.cleanroomsml.store import Store


@dataclass(frozen=True, slots=True)
class Context:
    """The sandbox as an operation sees it."""

    options: Options
    store: Store
    lifecycle: Lifecycle
    faults: Faults


@dataclass(frozen=True, slots=True)
class Call:
    """One valid request."""

    operation: OperationModel
    kind: Kind | None
    params: Mapping[str, Any]
    account: str
    region: str

    @property
    def subject(self) -> Kind:
        """The kind of resource which the operation is about."""
        assert self.kind is not None, f"{self.operation.name} has no kind"  # noqa: S101
        return self.kind


@dataclass(frozen=True, slots=True)
class Outcome:
    """What to answer, and which resource was meant."""

    result: Mapping[str, Any] = field(default_factory=dict)
    resource: Resource | None = None
    created: bool = False
    fault: str | None = None
    """The switch that spoils what the request has started."""


Verb = Callable[[Context, Call], Outcome]


def named(context: Context, call: Call) -> Resource:
    """Return the resource which the request's path names."""
    return context.store.get(
        call.params[call.subject.identity], call.account, call.region, {call.subject.name: call.subject}
    )


def refusal(kind: ErrorKind, member: str, problem: str) -> ApiError:
    """Return the error of a request that is right in itself but not now."""
    if kind == "conflict":
        return Conflict(f"Value at '{member}' conflicts with the current state: {problem}")
    return ValidationError.of([(member, problem)])


def lifecycle_fault(context: Context, call: Call) -> str | None:
    """Return the fault switch that spoils what this request starts."""
    fault = context.faults.take(Stage.LIFE, call.operation.name, call.account)
    return fault.fault if fault else None
