"""The index of both architectures: what was tested is in it, unchanged; what is damaged is refused."""

import hashlib
import json
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "image" / "index.py"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def archive(path: Path, architecture: str, *, damaged: bool = False, images: int = 1) -> str:
    """An OCI archive; returns the digest of its image."""
    blobs: dict[str, bytes] = {}

    def put(content: bytes) -> dict[str, Any]:
        name = hashlib.sha256(content).hexdigest()
        blobs[name] = content + b"!" if damaged else content
        return {"digest": f"sha256:{name}", "size": len(content)}

    layer = put(f"layer of {architecture}".encode())
    config = put(json.dumps({"architecture": architecture, "os": "linux"}).encode())
    manifest = put(json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode())
    listed = [{"mediaType": MANIFEST, **manifest, "annotations": {"org.opencontainers.image.ref.name": "x"}}] * images
    entries = {f"blobs/sha256/{name}": content for name, content in blobs.items()}
    entries |= {"index.json": json.dumps({"schemaVersion": 2, "manifests": listed}).encode(), "oci-layout": b"{}"}
    with tarfile.open(path, "w") as tar:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    return str(manifest["digest"])


def run(*words: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_the_index_names_what_was_tested(tmp_path: Path) -> None:
    one, two, folder = tmp_path / "arm64.tar", tmp_path / "amd64.tar", tmp_path / "index"
    digests = {name: archive(tmp_path / f"{name}.tar", name) for name in ("amd64", "arm64")}
    done = run(folder, one, two)
    assert done.returncode == 0, done.stderr
    said = dict(line.split("=") for line in done.stdout.splitlines())
    assert said == digests | {"digest": said["digest"]}
    blob = folder / "blobs" / "sha256" / said["digest"].removeprefix("sha256:")
    assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name
    named = {one["platform"]["architecture"]: one["digest"] for one in json.loads(blob.read_text())["manifests"]}
    assert named == digests
    assert json.loads((folder / "index.json").read_text())["manifests"][0]["digest"] == said["digest"]


def test_the_order_of_the_archives_does_not_matter(tmp_path: Path) -> None:
    archives = [tmp_path / f"{name}.tar" for name in ("amd64", "arm64")]
    for path in archives:
        archive(path, path.stem)
    there, back = run(tmp_path / "1", *archives), run(tmp_path / "2", *reversed(archives))
    assert there.stdout == back.stdout
    assert there.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [({"damaged": True}, "other content than its name says"), ({"images": 2}, "found 2 images, expected one")],
)
def test_a_damaged_archive_is_refused(options: Any, why: str, tmp_path: Path) -> None:
    archive(tmp_path / "amd64.tar", "amd64", **options)
    done = run(tmp_path / "index", tmp_path / "amd64.tar")
    assert done.returncode == 1
    assert why in done.stderr


def test_two_of_an_architecture_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        archive(tmp_path / f"{name}.tar", "amd64")
    done = run(tmp_path / "index", tmp_path / "a.tar", tmp_path / "b.tar")
    assert done.returncode == 1
    assert "same architecture" in done.stderr
