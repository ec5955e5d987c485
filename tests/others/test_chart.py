"""kube-score on what the chart renders for each of its example values."""

import json
from typing import Any, Final

import pytest
import yaml

from tests.chart.rendering import CASES, rendered
from tests.others import tools
from tests.others.verdict import settle

pytestmark = pytest.mark.others

_GOOD: Final = 10
_KUBERNETES: Final = "v1.33"
EXPLAINED: Final = {
    ".* container-resources .*": "no CPU limit: throttling delays heartbeats, and a late one costs partitions",
    ".* container-ephemeral-storage-request-and-limit .*": "the image writes nothing, and its root is read-only",
    ".* container-image-pull-policy .*": "an image is named by its version or digest, so that a node may keep it",
    ".*-has-host-podantiaffinity .*": "replicas are kept apart by topology spread, which kube-score does not read",
    ".* deployment-targeted-by-hpa-does-not-have-replicas-configured .*": "under a scaler the chart repeats the number "
    "that runs, so that the switch to a scaler drops no replica",
    "bare pod-networkpolicy .*": "`bare` shows the chart without network policies",
}


def scored(case: str) -> dict[str, str]:
    """Check and object -> what kube-score says."""
    text = yaml.safe_dump_all(rendered(case, 4))
    words = ("score", "--output-format", "json", "--kubernetes-version", _KUBERNETES, "-")
    said: list[dict[str, Any]] = json.loads(tools.run(tools.kube_score(), *words, text=text, ok=False).stdout)
    return {
        f"{case} {check['check']['id']} {thing['object_name']}": "" if check["grade"] >= _GOOD else _summary(check)
        for thing in said
        for check in thing["checks"]
        if not check["skipped"]
    }


def _summary(check: dict[str, Any]) -> str:
    return "; ".join(comment["summary"] for comment in check["comments"] or []) or f"grade {check['grade']}"


def test_the_chart() -> None:
    results = {name: problem for case in CASES for name, problem in scored(case).items()}
    settle("kube-score", tools.KUBE_SCORE, "the chart by each of its example values", results, EXPLAINED)
