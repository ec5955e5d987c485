"""`python -m tests.others.page FOLDER`: docs/others.md, from the verdicts that the tests have left there."""

import json
import sys
from pathlib import Path
from typing import Final

from tests.others.tools import ROOT
from tests.others.verdict import Verdict

PAGE: Final = ROOT / "docs" / "others.md"
_NAMED: Final = 4
HEAD: Final = """\
# Tests that others wrote

Suites, SDKs, validators and linters that nobody here has written, run on this project (`tests/others`). A case that
disagrees is a defect and fails the test, or is explained below; an explanation of a case that agrees fails too.
Rendered from a passing run by `make render-others`.

"""


def page(verdicts: list[Verdict]) -> str:
    """The page's text."""
    lines = ["| suite | version | tried | cases | passed | explained |", "|---|---|---|---|---|---|"]
    for each in verdicts:
        explained = each.cases - each.passed or ""
        lines.append(f"| {each.suite} | {each.version} | {each.against} | {each.cases} | {each.passed} | {explained} |")
    lines += ["", "## Disagreements", ""]
    for each in verdicts:
        for reason, cases in each.disagreements.items():
            lines.append(f"- {each.suite}, {each.against}: {_shown(cases)}: {reason}.")
    lines += ["", "## Left out", ""]
    for each in verdicts:
        lines += [f"- {each.suite}, {each.against}: {count} {reason}." for reason, count in each.left_out.items()]
    return HEAD + "\n".join(lines) + "\n"


def _shown(cases: list[str]) -> str:
    named = ", ".join(f"`{case}`" for case in cases[:_NAMED])
    return f"{len(cases)} cases, such as {named}" if len(cases) > _NAMED else named


def read(folder: Path) -> list[Verdict]:
    """The verdicts of a folder, by suite."""
    return sorted(Verdict(**json.loads(file.read_text("utf-8"))) for file in folder.glob("*.json"))


if __name__ == "__main__":
    PAGE.write_text(page(read(Path(sys.argv[1]))), "utf-8")
