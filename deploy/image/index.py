"""Joins images of several architectures to one: ``index.py FOLDER ARCHIVE...``; standard library only.

Each archive is an OCI archive of one image, as it was tested. FOLDER becomes an OCI layout with an image index that
names them. Nothing in them is changed, so their digests are those that were tested. It prints lines for GITHUB_OUTPUT:
``digest=sha256:...``, the index's, and ``amd64=sha256:...`` for each architecture.
"""

import argparse
import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"


class Layout:
    """An OCI layout in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text(json.dumps({"imageLayoutVersion": "1.0.0"}))

    def add(self, archive: Path) -> dict[str, Any]:
        """Take in all of an archive; returns the descriptor of its one image.

        Raises:
            SystemExit: It is damaged, or has another number of images.
        """
        with tarfile.open(archive) as tar:
            for member in tar:
                kind, _, name = member.name.removeprefix("./").rpartition("/")
                content = tar.extractfile(member)
                if kind == "blobs/sha256" and content:
                    self._blob(content.read(), name, archive)
            listed = json.loads(_read(tar, "index.json"))["manifests"]
        if len(listed) != 1 or listed[0]["mediaType"] != MANIFEST:
            sys.exit(f"{archive}: found {len(listed)} images, expected one OCI image of one architecture")
        config = self._json(self._json(listed[0]["digest"])["config"]["digest"])
        platform = {name: config[name] for name in ("architecture", "os", "variant") if config.get(name)}
        return {name: listed[0][name] for name in ("mediaType", "digest", "size")} | {"platform": platform}

    def index(self, images: list[dict[str, Any]]) -> str:
        """Write the image index, and the layout's own that names it; returns its digest."""
        text = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": images}).encode()
        name = hashlib.sha256(text).hexdigest()
        self._blob(text, name, self.folder)
        entry = {"mediaType": INDEX, "digest": f"sha256:{name}", "size": len(text)}
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        return f"sha256:{name}"

    def _blob(self, content: bytes, name: str, where: Path) -> None:
        if hashlib.sha256(content).hexdigest() != name:
            sys.exit(f"{where}: blob {name} has other content than its name says")
        (self.folder / "blobs" / "sha256" / name).write_bytes(content)

    def _json(self, digest: str) -> Any:
        return json.loads((self.folder / "blobs" / digest.replace(":", "/", 1)).read_text())


def _read(tar: tarfile.TarFile, name: str) -> bytes:
    for spelling in (name, f"./{name}"):
        if spelling in tar.getnames():
            content = tar.extractfile(spelling)
            assert content is not None  # noqa: S101 - a file, or the layout is none
            return content.read()
    sys.exit(f"{name} is not in the archive: it is no OCI archive")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder to make")
    parser.add_argument("archives", type=Path, nargs="+", help="OCI archives, one for each architecture")
    given = parser.parse_args()
    layout = Layout(given.folder)
    images = [layout.add(archive) for archive in given.archives]
    images.sort(key=lambda image: image["platform"]["architecture"])
    names = [image["platform"]["architecture"] for image in images]
    if len(set(names)) != len(names):
        sys.exit(f"two archives have the same architecture: {', '.join(names)}")
    lines = [f"digest={layout.index(images)}"]
    lines += [f"{name}={image['digest']}" for name, image in zip(names, images, strict=True)]
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
