"""Two layers, libraries and application: a new commit brings the second one only."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from tests.image.containers import SERVICE, attempt, inspected

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT / ".cache/image/service.oci.tar"
"""What a release pushes; deploy/image/keep.sh has written it."""

BASE = os.environ.get("BASE_IMAGE", "localhost/python-stand-in:3.13-trixie")
SOURCES = ("Dockerfile", ".dockerignore", "pyproject.toml", "requirements", "schemas", "service", "sandbox", "deploy")
CHANGED = "localhost/cleanroomsml-service:changed"


def blobs(archive: Path) -> dict[str, bytes]:
    """Of an OCI archive, by digest, but for those that are too large to be JSON."""
    with tarfile.open(archive) as tar:
        members = {one.name.removeprefix("./"): one for one in tar.getmembers() if one.isfile()}
        found = {name: tar.extractfile(one) for name, one in members.items() if name.startswith("blobs/")}
        return {
            f"sha256:{name.rpartition('/')[2]}": content.read()
            for name, content in found.items()
            if content is not None
        }


@pytest.fixture(scope="module")
def kept() -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and blobs of what a release pushes."""
    with tarfile.open(ARCHIVE) as tar:
        index = tar.extractfile("index.json")
        assert index is not None
        [entry] = json.load(index)["manifests"]
    contents = blobs(ARCHIVE)
    return json.loads(contents[entry["digest"]]), contents


def layers(image: str) -> list[str]:
    """What its layers contain, bottom first."""
    return list(inspected(image)["RootFS"]["Layers"])


def paths(layer: bytes) -> set[str]:
    with tarfile.open(fileobj=BytesIO(layer)) as tar:
        return {name.strip("./") for name in tar.getnames()} - {""}


def test_what_a_release_pushes_is_what_is_tested(kept: tuple[dict[str, Any], dict[str, bytes]]) -> None:
    manifest, contents = kept
    assert manifest["config"]["digest"].removeprefix("sha256:") == inspected(SERVICE)["Id"].removeprefix("sha256:")
    assert all(f"sha256:{hashlib.sha256(content).hexdigest()}" == name for name, content in contents.items())


def test_libraries_come_first_and_then_the_application(kept: tuple[dict[str, Any], dict[str, bytes]]) -> None:
    manifest, contents = kept
    below, above = (paths(contents[layer["digest"]]) for layer in manifest["layers"])
    assert {path for path in below if path == "app" or path.startswith("app/")} == set()
    assert {path.partition("/")[0] for path in above} == {"app"}
    assert {"app/service/__main__.py", "app/schemas/operations.py", "app/pyproject.toml"} <= above
    assert any(path.endswith("site-packages/aiokafka/__init__.py") for path in below)
    sizes = [layer["size"] for layer in manifest["layers"]]
    assert sizes[1] * 10 < sizes[0], sizes


@pytest.fixture
def changed(tmp_path: Path) -> Iterator[str]:
    """The image of a later commit, which changes a line of the service, built without any cache."""
    for name in SOURCES:
        path = ROOT / name
        copy = shutil.copytree if path.is_dir() else shutil.copy2
        copy(path, tmp_path / name)
    with (tmp_path / "service" / "__init__.py").open("a") as file:
        file.write("\nCHANGED = {'once', 'more'}\n")
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message=A later one"]):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.com", *words], cwd=tmp_path, check=True)
    environ = {**os.environ, "NO_CACHE": "1"}
    command = [str(tmp_path / "deploy/image/build.sh"), "service", CHANGED, BASE]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield CHANGED
    attempt("rmi", "--force", CHANGED)


@pytest.mark.timeout(1900)
def test_a_change_of_the_code_changes_the_last_layer_only(changed: str) -> None:
    before, after = layers(SERVICE), layers(changed)
    assert len(before) == len(after) == 2
    assert before[0] == after[0], "whoever has the release before would pull all libraries again"
    assert before[1] != after[1]
