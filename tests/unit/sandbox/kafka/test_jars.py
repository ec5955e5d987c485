"""The cache of jars: whole, checked, and filled by one process at a time. The network is played by a fake."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.kafka import jars as kafka_jars

GOOD = b"the jar's bytes"


class FakeMaven:
    """Stands in for `jgo`: every artifact holds `served`, and every download is counted."""

    def __init__(self, staging: Path) -> None:
        self.served = GOOD
        self.downloads = 0
        self.cached_path = staging / "downloaded.jar"

    @property
    def artifact(self) -> "FakeMaven":
        return self

    def create_dependency(self, _coordinate: str) -> "FakeMaven":
        return self

    def resolve(self) -> Path:
        self.downloads += 1
        self.cached_path.parent.mkdir(parents=True, exist_ok=True)
        self.cached_path.write_bytes(self.served)
        return self.cached_path


@pytest.fixture
def maven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMaven:
    lock = tmp_path / "jars.lock"
    lock.write_text(f"# comment\ngroup:artifact:1.0 {len(GOOD)} {hashlib.sha256(GOOD).hexdigest()}\n")
    fake = FakeMaven(tmp_path / "staging")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(kafka_jars, "LOCK_FILE", lock)
    monkeypatch.setattr(kafka_jars, "ATTEMPTS", 1)
    monkeypatch.setattr(kafka_jars, "_maven", lambda _: fake)
    return fake


def quiet(_: str) -> None:
    """Take no notice of progress."""


def test_a_missing_jar_is_fetched_once(maven: FakeMaven) -> None:
    (jar,) = kafka_jars.fetch_jars(quiet)
    assert jar.read_bytes() == GOOD
    assert kafka_jars.fetch_jars(quiet) == [jar]
    assert maven.downloads == 1


def test_a_jar_of_another_length_is_fetched_again(maven: FakeMaven) -> None:
    (jar,) = kafka_jars.fetch_jars(quiet)
    jar.write_bytes(GOOD[:-1])
    kafka_jars.fetch_jars(quiet)
    assert jar.read_bytes() == GOOD


def test_a_jar_of_other_contents_is_found_by_the_full_check(maven: FakeMaven) -> None:
    (jar,) = kafka_jars.fetch_jars(quiet)
    jar.write_bytes(GOOD.upper())
    kafka_jars.fetch_jars(quiet)
    assert jar.read_bytes() == GOOD.upper()
    kafka_jars.fetch_jars(quiet, full=True)
    assert jar.read_bytes() == GOOD


def test_what_the_lock_does_not_name_is_never_kept(maven: FakeMaven) -> None:
    maven.served = GOOD.upper()
    with pytest.raises(kafka_jars.JarError, match=r"group:artifact:1\.0: its contents differ"):
        kafka_jars.fetch_jars(quiet)
    assert not list(kafka_jars.cache_directory().rglob("*.jar"))
    assert not maven.cached_path.exists()


def test_two_at_once_fetch_once(maven: FakeMaven) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: kafka_jars.fetch_jars(quiet), range(4)))
    assert all(jars == found[0] for jars in found)
    assert maven.downloads == 1


def test_the_real_lock_names_one_version_of_each_artifact() -> None:
    artifacts = [jar.coordinate.rpartition(":")[0] for jar in kafka_jars.read_lock()]
    assert len(artifacts) == len(set(artifacts))
    assert kafka_jars.KAFKA.rpartition(":")[0] in artifacts
