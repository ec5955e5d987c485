"""A campaign's file: what was run, of which commit, when; a campaign that was broken off is taken up again.

JSON lines: ``{"begun": ...}`` for every time that it was begun or taken up, ``{"outcome": ...}`` for every run.
"""

import json
import math
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sandbox.processes import ROOT
from tests.faults.history import Violation
from tests.faults.runner import Outcome

Key = tuple[str, int, bool]
"""A run: row, seed, whether it was made alone."""


@dataclass(slots=True)
class Campaign:
    """Runs of one commit, in one file.

    Attributes:
        begun: When it was begun and taken up, ISO 8601.
        commit: Of the code, as git describes it.
        outcomes: In the order in which they ended.
        ended: When the last of them ended.
    """

    file: Path | None
    commit: str
    begun: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    ended: str = ""

    @property
    def done(self) -> set[Key]:
        """What need not be run again."""
        return {key(outcome) for outcome in self.outcomes}

    def begin(self) -> None:
        """Notes that it begins, or goes on."""
        self.begun.append(_now())
        self._write({"begun": self.begun[-1], "commit": self.commit})

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Notes runs."""
        for outcome in outcomes:
            self.outcomes.append(outcome)
            self.ended = _now()
            self._write({"outcome": asdict(outcome), "ended": self.ended})

    def _write(self, line: dict[str, Any]) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(line) + "\n")


def key(outcome: Outcome) -> Key:
    """Which run it is."""
    return (outcome.number, outcome.seed, outcome.alone)


def open_campaign(file: Path | None, wanted: Sequence[Key], commit: str) -> Campaign:
    """Takes up the campaign in the file if it is of this commit and not complete; begins a new one otherwise."""
    if file is not None and file.is_file():
        found = read(file)
        if found.commit == commit and found.outcomes and not set(wanted) <= found.done:
            return found
        file.unlink()
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    return Campaign(file, commit)


def read(file: Path) -> Campaign:
    """A campaign as it was written; a last line that was torn is forgotten."""
    campaign = Campaign(file, "")
    for text in file.read_text(encoding="utf-8").splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "outcome" in line:
            campaign.outcomes.append(_outcome(line["outcome"]))
            campaign.ended = line["ended"]
        else:
            campaign.begun.append(line["begun"])
            campaign.commit = line["commit"]
    return campaign


def commit() -> str:
    """The commit, marked when files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7", "--match", ""]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    return found or "unknown"


def _outcome(data: dict[str, Any]) -> Outcome:
    violations = tuple(Violation(**each) for each in data.pop("violations"))
    resumed = data.pop("resumed")
    return Outcome(**data, violations=violations, resumed=math.nan if resumed is None else resumed)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
