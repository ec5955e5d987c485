"""How often Clean Rooms ML was called, by the sandbox's own request log. Pure."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sandbox.demo.story import STEPS


@dataclass(frozen=True, slots=True)
class Calls:
    """Requests by operation.

    Attributes:
        creating: of the operations which the commands name.
        reading: of all others: how the service finds out what became of them.
    """

    creating: Counter[str]
    reading: Counter[str]

    @property
    def once(self) -> bool:
        """Whether each command led to exactly one call."""
        return all(self.creating[step.operation] == 1 for step in STEPS)


def count(lines: Iterable[str]) -> Calls:
    """Count the lines of a request log."""
    asked = Counter(str(json.loads(line)["operation"]) for line in lines)
    commanded = {step.operation for step in STEPS}
    return Calls(
        Counter({name: number for name, number in asked.items() if name in commanded}),
        Counter({name: number for name, number in asked.items() if name not in commanded}),
    )
