"""Copies what a Python program needs to run, and nothing else, to the root of an image without a distribution.

Run in the build stage, by the base image's own Python. Copied are the interpreter, the standard library without its
parts for developers, the folders named on the command line, every shared library that any of them is linked to,
certificates, and for each Debian package that a library came from the entry by which scanners recognise it. With
`--only-folders` it is the folders alone: a layer upon the rest.
"""

import argparse
import compileall
import os
import py_compile
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

DEVELOPERS = ("test", "_test*", "idlelib", "ensurepip", "lib2to3", "pydoc_data", "venv", "config-*")
SCREENS = ("tkinter", "_tkinter.*", "turtle.py", "turtledemo", "curses", "_curses*", "readline.*")
DATABASES = ("sqlite3", "_sqlite3.*", "dbm", "_dbm.*", "_gdbm.*")
UNUSED = (*DEVELOPERS, *SCREENS, *DATABASES)
"""Of the standard library."""

ELSEWHERE = ("site-packages", "dist-packages", "__pycache__")
"""Files that are left out: not its own, or compiled again."""

LATE = ("libgcc_s.so.1",)
"""Loaded by the C library when a thread ends, so nothing is linked to them."""

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
RELEASE = Path("/usr/lib/os-release")
MERGED = ("bin", "lib", "lib64", "sbin")
USER = 65532

PASSWD = f"""root:x:0:0:root:/root:/sbin/nologin
nonroot:x:{USER}:{USER}:nonroot:/home/nonroot:/sbin/nologin
"""
GROUP = f"""root:x:0:
nonroot:x:{USER}:
"""


class Root:
    """The folder that becomes the image's root; paths are unchanged."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.copied: set[Path] = set()

    def place(self, path: Path) -> Path:
        """Where a path of the build stage goes; links in the folders above it are resolved, so that it goes once."""
        return self.folder / (path.parent.resolve() / path.name).relative_to("/")

    def file(self, path: Path) -> None:
        """Copy a file, or what a link points to, under the path's own name."""
        target = self.place(path)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, target, follow_symlinks=True)
            self.copied |= {path.parent.resolve() / path.name, path.resolve()}

    def tree(self, path: Path, leave_out: Iterable[str] = ()) -> None:
        """Copy a folder with its links as they are."""
        self.place(path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(path, self.place(path), symlinks=True, ignore=shutil.ignore_patterns(*leave_out))

    def text(self, path: str, content: str) -> None:
        """Write a file."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, encoding="utf-8")


def copy_python(root: Root) -> None:
    """The interpreter under each of its names in the search path, and the standard library."""
    interpreter = Path(sys._base_executable).resolve()  # type: ignore[attr-defined]
    root.file(interpreter)
    for name in {Path(sys.base_prefix, "bin", "python3"), Path("/usr/local/bin/python3")}:
        if name.resolve() == interpreter and name != interpreter:
            root.place(name).parent.mkdir(parents=True, exist_ok=True)
            root.place(name).symlink_to(interpreter)
    library = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix}))
    root.tree(library, (*UNUSED, *ELSEWHERE))


def libraries(files: Iterable[Path]) -> set[Path]:
    """Every shared library that these are linked to, directly or not, the loader among them.

    Raises:
        SystemExit: One of them is nowhere to be found.
    """
    told = subprocess.run(["ldd", *files], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
    if missing := {line.split()[0] for line in told.splitlines() if "not found" in line}:
        sys.exit(f"libraries that something is linked to are not on this system: {', '.join(sorted(missing))}")
    words = (word for line in told.splitlines() if not line.endswith(":") for word in line.split())
    return {Path(word) for word in words if word.startswith("/")}


def linked(folder: Path) -> Iterator[Path]:
    """Programs and libraries in a folder."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                if file.read(4) == b"\x7fELF":
                    yield path


def copy_libraries(root: Root) -> None:
    """What everything copied so far is linked to; libraries that came with a wheel are found beside it."""
    found = libraries(list(linked(root.folder)))
    places = {path.parent for path in found}
    found |= {place / name for place in places for name in LATE if (place / name).exists()}
    for library in found:
        if not library.is_relative_to(root.folder):
            root.file(library)
    for file in (Path("/etc/ld.so.conf"), *Path("/etc/ld.so.conf.d").glob("*.conf")):
        root.file(file)
    for name in MERGED:
        if Path("/", name).is_symlink():
            (root.folder / name).symlink_to(os.readlink(Path("/", name)))
    subprocess.run(["ldconfig", "-r", root.folder], check=True)  # noqa: S603, S607
    shutil.rmtree(root.folder / "var/cache/ldconfig", ignore_errors=True)  # a list of inodes, for ldconfig itself


def copy_packages(root: Root) -> None:
    """Package entries and licences, as distroless images have them: scanners then know which library has which flaw."""
    owners = {"ca-certificates", "base-files"}
    for path in root.copied:
        names = {str(path), str(path).removeprefix("/usr")}  # packages older than the merge say /lib
        told = subprocess.run(["dpkg", "-S", *names], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607
        owners |= {line.partition(": ")[0] for line in told.splitlines() if not line.startswith("diversion ")}
    for owner in sorted(owners):
        entry = subprocess.run(["dpkg", "-s", owner], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607
        name = owner.partition(":")[0]
        root.text(f"var/lib/dpkg/status.d/{name}", entry)
        licence = Path("/usr/share/doc", name, "copyright")
        if licence.is_file():
            root.file(licence)


def copy_system(root: Root) -> None:
    """Certificates, the release's name, names for two users, and folders that are expected."""
    for path in (CERTIFICATES, RELEASE):
        root.file(path)
    (root.folder / "etc/os-release").symlink_to(Path("..", *RELEASE.parts[1:]))
    root.text("etc/passwd", PASSWD)
    root.text("etc/group", GROUP)
    root.text("etc/nsswitch.conf", "hosts: files dns\n")
    (root.folder / "home/nonroot").mkdir(parents=True)
    (root.folder / "tmp").mkdir()
    (root.folder / "tmp").chmod(0o1777)


def compile_all(root: Root) -> None:
    """With unchecked hashes: nothing can be written at run time, and the sources don't change.

    Raises:
        SystemExit: Something can't be compiled.
    """
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(
        root.folder, maxlevels=30, quiet=1, stripdir=root.folder, invalidation_mode=unchecked
    ):
        sys.exit("some sources can't be compiled; see above")


def main() -> None:
    """Make the root."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path, help="folder to make")
    parser.add_argument("folders", type=Path, nargs="+", help="folders to copy unchanged, to the same paths")
    parser.add_argument("--leave-out", nargs="*", default=[], help="patterns of names not to copy from them")
    parser.add_argument("--only-folders", action="store_true", help="nothing beside the folders")
    given = parser.parse_args()
    root = Root(given.root.resolve())
    if not given.only_folders:
        copy_python(root)
    for folder in given.folders:
        root.tree(folder, ("__pycache__", *given.leave_out))
    if not given.only_folders:
        copy_libraries(root)
        copy_system(root)
        copy_packages(root)
    compile_all(root)


if __name__ == "__main__":
    main()
