"""The install guide as steps: its fenced blocks, the commands in them, and other values for those of its examples."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
GUIDE: Final = ROOT / "docs" / "howto" / "install.md"

RUN: Final = "run"
VALUES: Final = "values"
SAMPLE: Final = "sample"
IMAGE: Final = "image"
CI: Final = "ci"

PARTS: Final[Mapping[str, tuple[str, ...]]] = {
    "1. The image (3 minutes)": (IMAGE,),  # `make test-image` builds it
    "2. Who it is (3 minutes)": (RUN,),
    "3. The values (2 minutes)": (VALUES, SAMPLE),
    "4. Install (1 minute)": (RUN,),
    "5. The first command (1 minute)": (RUN,),
    "Uninstall": (RUN,),
    "How it is tested": (CI,),
}
"""What each fenced block of a section is: run as it stands, the values, what a command prints, or run elsewhere."""

_HEADING: Final = re.compile(r"^##+ (.+)$")
_FENCE: Final = re.compile(r"^```(\w*)$")


@dataclass(frozen=True, slots=True)
class Step:
    """A fenced block.

    Attributes:
        section: The heading above it.
        part: What it is for.
        text: What is in it.
    """

    section: str
    part: str
    text: str

    def commands(self) -> list[list[str]]:
        """The words of each command in it."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [words for line in lines if (words := shlex.split(line, comments=True))]


def steps(page: str) -> list[Step]:
    """The fenced blocks, in order.

    Raises:
        KeyError: A section has blocks that `PARTS` does not know.
    """
    found: list[Step] = []
    section = ""
    block: list[str] | None = None
    for line in page.splitlines():
        if block is not None:
            if line == "```":
                part = PARTS[section][sum(step.section == section for step in found)]
                found.append(Step(section, part, "\n".join(block) + "\n"))
                block = None
            else:
                block.append(line)
        elif _FENCE.match(line):
            block = []
        elif heading := _HEADING.match(line):
            section = heading[1]
    return found


def substituted(page: str, values: Mapping[str, str]) -> str:
    """The page with other values for those of its examples.

    Raises:
        ValueError: The page does not have one of them.
    """
    for shown, used in values.items():
        if shown not in page:
            raise ValueError(f"the guide does not have {shown!r}: look at what the test substitutes")
        page = page.replace(shown, used)
    return page
