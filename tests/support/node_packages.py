"""Node packages for tests, at pinned versions, kept in the user's cache; without npm, tests are skipped."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

KAFKAJS = "kafkajs@2.2.4"
ASYNCAPI_PARSER = "@asyncapi/parser@3.6.3"


def installed(package: str) -> Path:
    """A folder that holds ``node_modules`` with a package and what it needs; skips the test if there can't be one."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")
    folder = _cache() / package.replace("/", "-").lstrip("@")
    done = folder / "installed"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text("{}", "utf-8")
        words = ["install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]
        result = subprocess.run(
            [npm, *words, package], cwd=folder, capture_output=True, text=True, timeout=100, check=False
        )
        if result.returncode:
            pytest.skip(f"npm could not install {package}: {result.stderr.strip()[-300:]}")
        done.touch()
    return folder


def kafkajs() -> Path:
    """The folder of modules with kafkajs."""
    return installed(KAFKAJS) / "node_modules"


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cleanroomsml-service" / "node"
