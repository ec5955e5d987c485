"""What is for operators fits their schemas: the Prometheus operator's and KEDA's, from npm's kubernetes-models."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.chart import tools
from tests.chart.rendering import HELMS, rendered

pytestmark = pytest.mark.chart

KINDS = {"PodMonitor", "ServiceMonitor", "PrometheusRule", "ScaledObject"}
HERE = Path(__file__).with_name("operators")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("npm"):
        pytest.skip("npm is not here")
    folder = tmp_path_factory.mktemp("operators")
    for file in HERE.iterdir():
        shutil.copy(file, folder)
    words = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
    words += ["--cache", str(tools.folder() / "npm")]
    subprocess.run(words, cwd=folder, check=True, timeout=300)
    return folder


def problems(folder: Path, things: list[dict[str, Any]]) -> list[str]:
    words = ["node", "validate.mjs"]
    done = subprocess.run(
        words, cwd=folder, input=json.dumps(things), capture_output=True, text=True, check=True, timeout=60
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_operators_would_accept_it(installed: Path) -> None:
    for major in HELMS:
        things = [thing for case in ("full", "deployment") for thing in rendered(case, major)]
        ours = [thing for thing in things if thing["kind"] in KINDS]
        assert {thing["kind"] for thing in ours} == KINDS
        assert problems(installed, ours) == []


def test_a_mistake_is_noticed(installed: Path) -> None:
    [scaled] = [thing for thing in rendered("full", 4) if thing["kind"] == "ScaledObject"]
    wrong = {**scaled, "spec": {**scaled["spec"], "minReplicaCount": "2"}}
    assert "minReplicaCount" in " ".join(problems(installed, [wrong]))
