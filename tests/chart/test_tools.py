"""The tools are what they are said to be."""

import subprocess

import pytest

from tests.chart import tools

pytestmark = pytest.mark.chart


def said(*words: object) -> str:
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout + done.stderr


def test_both_helms_are_there() -> None:
    assert said(tools.helm(3), "version", "--short").startswith("v3.")
    assert said(tools.helm(4), "version", "--short").startswith("v4.")


def test_kubectl_and_prometheus_are_there() -> None:
    assert "Client Version" in said(tools.kubectl(), "version", "--client")
    assert "prometheus, version" in said(tools.prometheus(), "--version")
    assert "promtool, version" in said(tools.promtool(), "--version")
