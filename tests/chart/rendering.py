"""Renders the chart as a user would, and looks through what comes out."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from helm.documents import CHART
from tests.chart import tools

CASES = sorted(file.name.removesuffix("-values.yaml") for file in (CHART / "ci").glob("*-values.yaml"))
HELMS = (3, 4)
KUBERNETES = tuple(f"1.{minor}" for minor in range(29, 38))


class Refused(Exception):
    """Helm did not render; the message is what it said."""


def template(
    major: int, *files: Path, kubernetes: str = "1.36", release: str = "crml", chart: Path = CHART
) -> list[dict[str, Any]]:
    """The objects that the chart gives for these values."""
    words = [str(tools.helm(major)), "template", release, str(chart), "--namespace", "team"]
    words += ["--kube-version", kubernetes]
    words += [word for file in files for word in ("--values", str(file))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return [thing for thing in yaml.safe_load_all(done.stdout) if thing]


@cache
def rendered(case: str, major: int) -> tuple[dict[str, Any], ...]:
    """The objects of one of the chart's example values."""
    return tuple(template(major, CHART / "ci" / f"{case}-values.yaml"))


def one(things: tuple[dict[str, Any], ...] | list[dict[str, Any]], kind: str, name: str = "") -> dict[str, Any]:
    """The only object of a kind (whose name ends so)."""
    found = [thing for thing in things if thing["kind"] == kind and thing["metadata"]["name"].endswith(name)]
    assert len(found) == 1, f"{kind} {name}: {len(found)}"
    return found[0]


def pod_specs(things: tuple[dict[str, Any], ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that would run."""
    for thing in things:
        label = f"{thing['kind']}/{thing['metadata']['name']}"
        if thing["kind"] == "Pod":
            yield label, thing["spec"]
        elif thing["kind"] == "CronJob":
            yield label, thing["spec"]["jobTemplate"]["spec"]["template"]["spec"]
        elif "template" in thing.get("spec", {}):
            yield label, thing["spec"]["template"]["spec"]
