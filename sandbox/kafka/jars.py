"""Kafka's jars: fetched once by `jgo`, pinned by `jars.lock`, kept in the user's cache.

The lock names every jar with its size and SHA-256, so nothing is resolved at run time and a jar which differs is never
run. `python -m sandbox.kafka.jars` resolves again and rewrites the lock; it is needed only to change Kafka's version.
A mirror is named where `jgo` expects one: under `[repositories]` in its own configuration file.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KAFKA = "org.apache.kafka:kafka_2.13:4.1.0"
LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
"""Kafka's published dependencies lack it, and without it Kafka logs nothing."""

LOCK_FILE = Path(__file__).with_name("jars.lock")
ATTEMPTS = 3
DOWNLOADS_AT_ONCE = 8

Progress = Callable[[str], None]


class JarError(RuntimeError):
    """Kafka's jars could not be fetched, or what was fetched is not what the lock names."""


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock.

    Attributes:
        coordinate: Group, artifact and version, joined by colons.
        size: Length in bytes, checked on every use.
        sha256: Hex digest, checked when fetched and on demand.
    """

    coordinate: str
    size: int
    sha256: str

    @property
    def file_name(self) -> str:
        """Name in the cache, unique in the lock."""
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def fetch_jars(progress: Progress, *, full: bool = False) -> list[Path]:
    """Return the class path, fetching what is missing or damaged.

    Safe to call from several processes at once; an interrupted call leaves only whole, checked jars behind.

    Args:
        progress: Receives a few words about what takes time.
        full: Compare digests, not only sizes, of the jars at hand (0.1 s).

    Raises:
        JarError: A jar could not be fetched as the lock names it.
    """
    jars = read_lock()
    directory = cache_directory() / "jars"
    if any(not _is_good(directory / jar.file_name, jar, full=full) for jar in jars):
        with _exclusive(cache_directory(), progress):
            wanted = [jar for jar in jars if not _is_good(directory / jar.file_name, jar, full=full)]
            _fetch(wanted, directory, progress)
    return [directory / jar.file_name for jar in jars]


def read_lock() -> list[Jar]:
    """Return the jars which the lock names, in class-path order."""
    rows = (line.split() for line in LOCK_FILE.read_text().splitlines() if not line.startswith("#"))
    return [Jar(coordinate, int(size), sha256) for coordinate, size, sha256 in rows]


def cache_directory() -> Path:
    """Return the folder for everything made from the present lock."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    digest = hashlib.sha256(LOCK_FILE.read_bytes()).hexdigest()
    return home / "cleanroomsml-service" / f"kafka-{digest[:12]}"


def _is_good(path: Path, jar: Jar, *, full: bool) -> bool:
    try:
        if path.stat().st_size != jar.size:
            return False
    except FileNotFoundError:
        return False
    return not full or _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _exclusive(directory: Path, progress: Progress) -> Iterator[None]:
    """Hold the cache's lock; the system frees it when the process ends, however it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process which is fetching Kafka")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _fetch(jars: list[Jar], directory: Path, progress: Progress) -> None:
    if not jars:
        return
    progress(f"fetching Kafka: {len(jars)} jars, {sum(jar.size for jar in jars) / 1e6:.0f} MB (only once)")
    directory.mkdir(exist_ok=True)
    for archive in directory.parent.glob("*.jsa"):  # made from jars with other time stamps: Java would pass it over
        archive.unlink()
    staging = directory.parent / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    pool = ThreadPoolExecutor(DOWNLOADS_AT_ONCE)
    try:
        context = _maven(staging)
        downloads = [pool.submit(_fetch_one, context, jar, directory) for jar in jars]
        for done, download in enumerate(as_completed(downloads), start=1):
            download.result()
            if done % 10 == 0:
                progress(f"fetching Kafka: {done} of {len(jars)} jars")
    finally:
        pool.shutdown(cancel_futures=True)
        shutil.rmtree(staging, ignore_errors=True)


def _maven(repository: Path) -> Any:
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    logging.getLogger("jgo").setLevel(logging.ERROR)  # its checksum warnings; the lock's digest decides here
    mirrors = GlobalSettings.load().repositories
    return MavenContext(repo_cache=repository, local_repos=[], remote_repos=mirrors or None, timeout=30)


def _fetch_one(context: Any, jar: Jar, directory: Path) -> None:
    """Download into the staging repository, check, and only then move it into the repository."""
    artifact = context.create_dependency(jar.coordinate).artifact
    problem: object = None
    for attempt in range(ATTEMPTS):
        time.sleep(attempt)
        try:
            path = artifact.resolve()
        except (OSError, RuntimeError) as error:  # what `requests` and `jgo` raise
            problem = error
        else:
            if _is_good(path, jar, full=True):
                path.replace(directory / jar.file_name)
                return
            problem = "its contents differ from the lock"
        artifact.cached_path.unlink(missing_ok=True)  # jgo would take what a broken download left for the jar
    raise JarError(f"cannot fetch {jar.coordinate}: {problem}")


def write_lock() -> None:
    """Resolve Kafka's dependencies and write the lock.

    The log binding is added afterwards, alone: `jgo` takes every root's dependency management as binding for all, and
    log4j's would replace Kafka's own client by an older one.
    """
    staging = cache_directory().parent / "resolve"
    context = _maven(staging)
    roots, others = context.resolver.resolve([context.create_dependency(KAFKA)])
    chosen = [*roots, *(each for each in others if each.scope in ("compile", "runtime"))]
    rows = []
    for artifact in [*(each.artifact for each in chosen), context.create_dependency(LOG_BINDING).artifact]:
        path = artifact.resolve()
        coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
        rows.append(f"{coordinate} {path.stat().st_size} {_sha256(path)}\n")
    LOCK_FILE.write_text("# coordinate, size, SHA-256; made by: python -m sandbox.kafka.jars\n" + "".join(sorted(rows)))
    shutil.rmtree(staging)


if __name__ == "__main__":
    write_lock()
