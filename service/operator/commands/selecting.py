"""Which commands are listed, and in which order."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from service.operator.commands.history import CommandHistory

UNDER_WAY: Final = "open"
ENDED: Final = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFilter:
    """A selection of commands; what is empty or None selects all.

    Attributes:
        states: Kinds of replies; ``open`` stands for all that go on by themselves, ``ended`` for all ends.
        operations: Globs, such as ``Create*``.
        target: Name of the target.
        source: CloudEvents source.
        correlation: Correlation id.
        text: Somewhere in id, operation, correlation id, resource, status, reason or error, in any case.
        before: Epoch seconds; accepted before.
        ended_since: Epoch seconds; what ended before is left out.
    """

    states: frozenset[str] = frozenset()
    operations: tuple[str, ...] = ()
    target: str | None = None
    source: str | None = None
    correlation: str | None = None
    text: str = ""
    before: float | None = None
    ended_since: float | None = None

    def has(self, command: CommandHistory) -> bool:
        """Whether it is selected."""
        return (
            self._state(command)
            and (not self.operations or any(fnmatchcase(command.operation, glob) for glob in self.operations))
            and self.target in (None, command.target)
            and self.source in (None, command.source)
            and self.correlation in (None, command.correlation)
            and (self.before is None or 0 < command.accepted < self.before)
            and (not self.text or self.text.casefold() in _searchable(command))
        )

    def _state(self, command: CommandHistory) -> bool:
        if self.states:
            word = command.state.value if command.state else ""
            if not self.states & {word, UNDER_WAY if command.open else ENDED}:
                return False
        elif self.ended_since is None and not command.open and word_of(command) != "parked":
            return False
        return command.open or self.ended_since is None or command.since >= self.ended_since


def word_of(command: CommandHistory) -> str:
    """The state in the words of the replies."""
    return command.state.value if command.state else "unknown"


def _searchable(command: CommandHistory) -> str:
    error = command.error
    texts = (command.id, command.source, command.operation, command.correlation, command.status, command.reason)
    return "\n".join([*texts, *command.resources, str(error.get("code", "")), str(error.get("message", ""))]).casefold()


_ORDERS: Final[Mapping[str, Callable[[CommandHistory], Any]]] = {
    "age": lambda command: (command.accepted or command.since or command.updated, command.id),
    "updated": lambda command: (-command.updated, command.id),
    "id": lambda command: (command.id, command.source),
    "operation": lambda command: (command.operation, command.id),
    "state": lambda command: (word_of(command), command.accepted),
}
ORDERS: Final = tuple(_ORDERS)
"""What can be sorted by: the oldest first, the last news first, or by name."""


def ordered(commands: Iterable[CommandHistory], by: str) -> list[CommandHistory]:
    """Sorted; `by` is one of ``ORDERS``."""
    return sorted(commands, key=_ORDERS[by])
