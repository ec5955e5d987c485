"""What the auditor asks of chains: who was called when, and with what, as the account itself has it.

A command's call is a request with its name; what it made is the resource of the request that created something under
that name, and since when that is ACTIVE stands in the sandbox's state. Both times are the sandbox's own.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tests.faults.history import History, Identity, Sent, Told, Violation, references

_BY_ITSELF = frozenset({"Cancelled", "DeadlineExceeded"})
"""Ends of a command that waits, whatever becomes of those that it names."""
_NOT_SUCCEEDED = frozenset({"failed", "rejected"})
_SLACK = timedelta(milliseconds=1)
"""The request log has milliseconds."""


def in_chains(history: History, ends: Mapping[Identity, Told]) -> Iterator[Violation]:
    """Every violation of a promise about commands that name others.

    Args:
        history: Everything.
        ends: The reply that is a command's end, where it has one.
    """
    account = _Account.of(history)
    sent: dict[Identity, Sent] = {}
    for copy in history.sent:
        if copy.misuse or copy.identity in sent:
            continue
        if copy.names and (end := ends.get(copy.identity)):
            before = {name: sent.get((copy.tenant, copy.source, name)) for name in copy.names}
            yield from _command(_Command(copy, end, before, ends, account))
        sent[copy.identity] = copy


@dataclass(frozen=True, slots=True)
class _Account:
    """What the account says of names."""

    calls: Mapping[str, Sequence[Mapping[str, Any]]]
    """Requests that may change something."""
    resources: Mapping[str, Mapping[str, Any]]

    @classmethod
    def of(cls, history: History) -> "_Account":
        calls = defaultdict(list)
        for request in history.requests:
            if request["name"]:
                calls[request["name"]].append(request)
        return cls(calls, history.resources)

    def made(self, name: str) -> Mapping[str, Any] | None:
        """The request that has created something under this name."""
        return next((request for request in self.calls.get(name, ()) if request["created"]), None)

    def active_since(self, name: str) -> datetime | None:
        """Since when what was created under this name can be used; None while it can't."""
        if (request := self.made(name)) is None:
            return None
        resource = self.resources.get(request["arn"])
        if resource is None:  # it is gone, with its history
            return datetime.fromisoformat(request["time"])
        moments = (datetime.fromisoformat(at) for status, at in resource["history"] if status == "ACTIVE")
        return min(moments, default=None)


@dataclass(frozen=True, slots=True)
class _Command:
    """A command of a chain that has ended."""

    sent: Sent
    end: Told
    before: Mapping[str, Sent | None]
    ends: Mapping[Identity, Told]
    account: _Account

    @property
    def code(self) -> str:
        return str(self.end.data.get("error", {}).get("code", ""))

    @property
    def unknown(self) -> list[str]:
        """Ids which it names and which were not sent before it."""
        return sorted(name for name, other in self.before.items() if other is None or other.key != self.sent.key)

    def kind(self, name: str) -> str:
        """How one that it names has ended."""
        other = self.before[name]
        end = self.ends.get(other.identity) if other else None
        return end.kind if end else "open"

    @property
    def calls(self) -> Sequence[Mapping[str, Any]]:
        return self.account.calls.get(str(self.sent.data.get("name")), ())


def _command(command: _Command) -> Iterator[Violation]:
    checks = (_ends_as_it_must, _called_in_time, _called_with_what_was_made)
    for check in checks:
        for message in check(command):
            yield Violation("I7", f"{command.sent.source}/{command.sent.id}", message)


def _ends_as_it_must(command: _Command) -> Iterator[str]:
    how, code = command.end.kind, command.code
    if command.unknown:
        if (how, code) != ("rejected", "UnknownPredecessor"):
            yield f"names {command.unknown}, which nobody sent, and was {how} ({code})"
        return
    kinds = {name: command.kind(name) for name in command.before}
    lost = {name for name, kind in kinds.items() if kind in _NOT_SUCCEEDED}
    unfinished = {name: kind for name, kind in kinds.items() if kind != "succeeded"}
    if code == "PredecessorFailed":
        blamed = set(command.end.data.get("predecessors", ()))
        if not blamed or not blamed <= lost:
            yield f"failed because of {sorted(blamed)}, but those that it names ended so: {kinds}"
    elif unfinished and code not in _BY_ITSELF:
        yield f"was {how} ({code}) although it names {unfinished}"
    elif not unfinished and how == "rejected":
        yield f"was rejected ({code}) although all that it names have succeeded"
    elif not unfinished and how == "failed" and code not in _BY_ITSELF and not _called(command):
        yield f"failed ({code}) without a call although all that it names have succeeded"


def _called(command: _Command) -> bool:
    return bool(command.calls) or "name" not in command.sent.data


def _called_in_time(command: _Command) -> Iterator[str]:
    """Not before all that it names had made what can be used."""
    for name in sorted(command.before) if command.calls else ():
        other = command.before[name]
        if command.unknown or other is None or command.kind(name) != "succeeded":
            yield f"was called although {name}, which it names, is {command.kind(name)}"
        elif "name" in other.data:
            first = min(datetime.fromisoformat(call["time"]) for call in command.calls)
            since = command.account.active_since(str(other.data["name"]))
            if since is None or first + _SLACK < since:
                yield f"was called at {first:%X.%f}; what {name} made is ACTIVE since {since and f'{since:%X.%f}'}"


def _called_with_what_was_made(command: _Command) -> Iterator[str]:
    """What it made names, where it named a command, the only resource that this one has made."""
    made = command.account.made(str(command.sent.data.get("name")))
    resource = command.account.resources.get(made["arn"]) if made else None
    for path, name in references(command.sent.data) if resource else ():
        other = command.before[name]
        request = command.account.made(str(other.data.get("name"))) if other else None
        if (found := _at(resource, path)) != (wanted := request and request["arn"]):
            yield f"was called with {found} for {name}, which has made {wanted}"


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
