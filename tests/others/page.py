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

Suites, SDKs, validators and linters from other projects, run on this project (`tests/others`). A case that
disagrees is a defect and fails the test, or is explained below; an explanation of a case that agrees fails too.
Rendered from a passing run by `make render-others`.

"""
TAIL: Final = """
## Not run

- kube-linter: the Go module proxy does not serve `golang.stackrox.io/kube-linter`, and no other registry carries it.
- The JavaScript SDK's own Mocha tests and the Python SDK's own pytest tests: no package carries them. Its writers and
  readers are run instead, on the Go SDK's test events and this service's examples.
- The Go SDK's module for Sarama is not served either. The SDK's core is run, with a mapping of headers of 50 lines.
- CloudEvents conformance and W3C trace context are in no registry. They run where a checkout is laid into
  `.cache/others/cloudevents-conformance` and `.cache/others/w3c-trace-context`; their digests are checked. Elsewhere
  they are skipped.
- Python 3.14: no interpreter was found. 3.12 and 3.13 run where they are on the PATH or in pyenv.
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
    return HEAD + "\n".join(lines) + "\n" + TAIL


def _shown(cases: list[str]) -> str:
    named = ", ".join(f"`{case}`" for case in cases[:_NAMED])
    return f"{len(cases)} cases, such as {named}" if len(cases) > _NAMED else named


def read(folder: Path) -> list[Verdict]:
    """The verdicts of a folder, by suite."""
    return sorted(Verdict(**json.loads(file.read_text("utf-8"))) for file in folder.glob("*.json"))


if __name__ == "__main__":
    PAGE.write_text(page(read(Path(sys.argv[1]))), "utf-8")
