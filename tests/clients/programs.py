"""Clients that are programs: installed from their lock files into the user's cache, then run on the scenario."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.clients.harness import HERE, Result, Stage, read

ROOT = HERE.parents[1]
_INSTALL_SECONDS = 500


def need(*commands: str) -> None:
    """Skip the test without these commands."""
    if missing := [each for each in commands if shutil.which(each) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


def workplace(name: str) -> Path:
    """A copy of a client's folder in the user's cache; its own for each version of the lock files."""
    digest = hashlib.sha256()
    for file in sorted(each for each in (HERE / name).rglob("*") if each.is_file()):
        digest.update(file.read_bytes())
    folder = _cache() / f"{name}-{digest.hexdigest()[:12]}"
    if not folder.exists():
        shutil.copytree(HERE / name, folder)
    return folder


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cleanroomsml-service" / "clients"


def install(folder: Path, *command: str, creates: str) -> None:
    """Run a command once for a workplace; a test that can't install its client fails, with the installer's words."""
    if (folder / creates).exists():
        return
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout[-1500:]} {done.stderr[-1500:]}"


def aws_cli() -> Path:
    """The AWS CLI in an environment of its own: it pins a botocore of its own."""
    lock = ROOT / "requirements" / "aws-cli.lock"
    folder = _cache() / f"aws-cli-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    install(folder, sys.executable, "-m", "venv", ".", creates="bin/pip")
    install(folder, "bin/pip", "install", "--quiet", "--require-hashes", "-r", str(lock), creates="bin/aws")
    return folder / "bin" / "aws"


def run(stage: Stage, *command: str, folder: Path, seconds: float = 110) -> list[Result]:
    """Run a client's program, with nothing of AWS in its environment but what the stage says."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment | stage.environment,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return read(done.stdout)
