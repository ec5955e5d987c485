"""What a suite has said: the count of cases, of passes, and each disagreement with its reason.

A disagreement that is not explained fails the test, and so does an explanation of something that agrees. With
OTHERS_RECORD, a verdict is kept there for the page (`python -m tests.others.page`).
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple


class Verdict(NamedTuple):
    """One suite's.

    Attributes:
        suite: Its name, as the page has it.
        version: Of the suite or the tool.
        against: What of ours was tried.
        cases: How many were tried.
        passed: How many of them agree.
        disagreements: Reason -> cases.
        left_out: Reason -> how many cases are about something else.
    """

    suite: str
    version: str
    against: str
    cases: int
    passed: int
    disagreements: Mapping[str, list[str]]
    left_out: Mapping[str, int]


def settle(
    suite: str,
    version: str,
    against: str,
    results: Mapping[str, str],
    explained: Mapping[str, str] | None = None,
    left_out: Mapping[str, int] | None = None,
) -> None:
    """Judge a suite's results.

    Args:
        suite: Its name.
        version: Its version.
        against: What of ours was tried.
        results: Case -> what disagrees; empty when it passes.
        explained: Pattern of the names of cases -> why they rightly disagree.
        left_out: Reason -> how many cases are about something else.
    """
    assert results, f"{suite} has no cases"
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    unexplained = {}
    for case, problem in results.items():
        reason = next((why for pattern, why in (explained or {}).items() if re.fullmatch(pattern, case)), None)
        if problem and reason:
            reasons[reason].append(case)
        elif problem:
            unexplained[case] = problem
    passed = len(results) - len(unexplained) - sum(map(len, reasons.values()))
    stale = [pattern for pattern, reason in (explained or {}).items() if reason not in reasons]
    assert not unexplained, f"{suite}: {len(unexplained)} of {len(results)} disagree:\n" + "\n".join(
        f"{case}: {problem}" for case, problem in unexplained.items()
    )
    assert not stale, f"{suite} agrees now where {stale} explain why not"
    _record(Verdict(suite, version, against, len(results), passed, dict(reasons), left_out or {}))


def _record(verdict: Verdict) -> None:
    if folder := os.environ.get("OTHERS_RECORD"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        name = re.sub(r"\W+", "-", f"{verdict.suite} {verdict.against}".lower())
        (Path(folder) / f"{name}.json").write_text(json.dumps(verdict._asdict(), ensure_ascii=False), "utf-8")
