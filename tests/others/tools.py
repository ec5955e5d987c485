"""Where the suites and the tools come from: packages by lock files with digests, kept in the user's cache.

A suite that no registry carries may be laid beside the project, as `.cache/others/NAME`; its digest is checked.
"""

import hashlib
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

import pytest

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parents[1]
LAID: Final = ROOT / ".cache" / "others"
KUBE_SCORE: Final = "v1.20.0"
PYTHON: Final = Path(os.environ.get("OTHERS_PYTHON", ROOT / ".venv-others" / "bin" / "python")).absolute()
"""The interpreter of the environment that `make test-others` makes of requirements/others.lock."""


def need(*commands: str) -> None:
    """Skip the test without these commands."""
    if missing := [each for each in commands if shutil.which(each) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


def run(
    *command: object, cwd: Path | None = None, seconds: float = 100, text: str | None = None, ok: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a program; a failure has its words."""
    words = [str(each) for each in command]
    done = subprocess.run(words, cwd=cwd, input=text, capture_output=True, text=True, timeout=seconds, check=False)
    assert not ok or done.returncode == 0, f"{' '.join(words)[:300]}: {done.stdout[-3000:]} {done.stderr[-3000:]}"
    return done


@cache
def node() -> Path:
    """Folder with `node_modules` of the lock file."""
    return _installed("node", ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"), "node_modules/ajv")


@cache
def crates() -> Path:
    """Folder with the sources of the crates, which carry their test suites."""
    return _installed("rust", ("cargo", "vendor", "--locked", "--quiet", "vendor"), "vendor/aws-sigv4") / "vendor"


@cache
def go() -> Path:
    """Folder with the Go program of the CloudEvents SDK."""
    return _installed("go", ("go", "build", "-o", "events", "."), "events")


@cache
def kube_score() -> Path:
    """The linter of Kubernetes objects; its checksums are Go's own."""
    need("go")
    folder = _cache() / f"kube-score-{KUBE_SCORE}"
    if not (folder / "kube-score").exists():
        run(
            "env",
            f"GOBIN={folder}",
            "go",
            "install",
            f"github.com/zegl/kube-score/cmd/kube-score@{KUBE_SCORE}",
            seconds=500,
        )
    return folder / "kube-score"


@cache
def smithy() -> Path:
    """Folder with Smithy's jars."""
    goals = ("dependency:copy-dependencies", "-DoutputDirectory=target/lib")
    return _installed("smithy", ("mvn", "-B", "-q", *goals), "target/lib")


def environment(name: str, interpreter: Path, lock: Path) -> Path:
    """A virtual environment of another interpreter, with a lock file's packages."""
    folder = _cache() / f"{name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:12]}"
    done = folder / "installed"
    if not done.exists():
        run(interpreter, "-m", "venv", "--clear", folder)
        pip = (folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        run(*pip, "--require-hashes", "-r", lock, seconds=600)
        done.touch()
    return folder


def python(program: str) -> Path:
    """A program of the environment of its own."""
    if not PYTHON.exists():
        pytest.skip("make test-others makes the environment of requirements/others.lock")
    return PYTHON.parent / program


def laid(name: str, digest: str, pattern: str) -> Path:
    """A suite that lies beside the project; its files of a pattern must have the digest."""
    folder = LAID / name
    if not folder.exists():
        pytest.skip(f"no registry carries it; lay a checkout into .cache/others/{name}")
    found = hashlib.sha256()
    for file in sorted(each for each in folder.glob(pattern) if each.is_file()):
        found.update(f"{file.relative_to(folder)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    assert found.hexdigest() == digest, f"{name}: expected the files of sha256:{digest}, found {found.hexdigest()}"
    return folder


def _installed(name: str, command: tuple[str, ...], creates: str) -> Path:
    need(command[0])
    folder = _workplace(name)
    if not (folder / creates).exists():
        run(*command, cwd=folder, seconds=500)
    return folder


def _workplace(name: str) -> Path:
    """A copy of a folder of ours in the user's cache; its own for each version of what is installed, not of scripts."""
    digest, source = hashlib.sha256(), HERE / name
    files = sorted(each for each in source.rglob("*") if each.is_file() and "node_modules" not in each.parts)
    for file in files:
        if file.suffix != ".js":
            digest.update(file.read_bytes())
    folder = _cache() / f"{name}-{digest.hexdigest()[:12]}"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules", "target"), dirs_exist_ok=True)
    return folder


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "cleanroomsml-service" / "others"
