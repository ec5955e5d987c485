"""The bill of materials, as a scanner reads it from the image."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.image.containers import SERVICE, podman, python
from tests.image.test_contents import INSTALLED

BILL = Path(".cache/image/service.cdx.json")


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    archive = tmp_path_factory.mktemp("image") / "service.tar"
    podman("save", f"--output={archive}", SERVICE)
    BILL.parent.mkdir(parents=True, exist_ok=True)
    command = [
        str(Path(sys.executable).with_name("syft")),
        "scan",
        f"docker-archive:{archive}",
        "--quiet",
        "--output",
        f"cyclonedx-json={BILL}",
    ]
    subprocess.run(command, check=True, env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}, timeout=120)
    return dict(json.loads(BILL.read_text()))


def test_it_names_every_library(bill: dict[str, Any], measured: dict[str, str]) -> None:
    assert bill["bomFormat"] == "CycloneDX"
    listed = {(one["name"].lower().replace("_", "-"), one.get("version")) for one in bill["components"]}
    installed = {(name.lower().replace("_", "-"), version) for name, version in python(SERVICE, INSTALLED).items()}
    assert installed - listed == set()
    measured["bill of materials"] = f"{len(bill['components'])} components, {BILL}"


def test_it_names_what_came_from_the_distribution(bill: dict[str, Any]) -> None:
    """Or nobody would be told that the image's OpenSSL has a flaw."""
    packages = {one["name"] for one in bill["components"] if one.get("purl", "").startswith("pkg:deb/")}
    assert any(name.startswith("libssl3") for name in packages), packages
    assert {"libc6", "ca-certificates"} <= packages
