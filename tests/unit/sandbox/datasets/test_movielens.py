"""MovieLens-100k: fetching, splitting a taste, and the demo's whole walk through S3 and Glue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from sandbox.datasets import movielens
from sandbox.jobs import storage as store
from sandbox.jobs import worker
from sandbox.jobs.storage import Storage


@pytest.fixture(scope="module")
def aws() -> Iterator[Storage]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Storage(f"http://{host}:{port}", "eu-west-1", "123456789012")
    server.stop()


def test_the_wheel_is_the_locked_one_and_is_fetched_once() -> None:
    wheel = movielens.fetch()
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    assert digest in movielens.LOCK.read_text()
    modified = wheel.stat().st_mtime_ns
    assert movielens.fetch() == wheel
    assert wheel.stat().st_mtime_ns == modified


def test_a_damaged_download_is_replaced(tmp_path: Path) -> None:
    name = movielens.fetch().name
    (tmp_path / name).write_bytes(b"half a wheel")
    assert movielens.fetch(tmp_path).stat().st_size > 2_000_000


def test_a_download_which_fails_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "broken.lock"
    lock.write_text("recbole==1.2.1 \\\n    --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(movielens, "LOCK", lock)
    with pytest.raises(movielens.DownloadError, match=r"(?i)hash"):
        movielens.fetch(tmp_path / "cache")
    lock.write_text("recbole\n")
    with pytest.raises(movielens.DownloadError, match="names no pinned package"):
        movielens.fetch(tmp_path / "cache")


def test_the_data_is_movielens_100k() -> None:
    ratings = movielens.interactions()
    assert len(ratings.users) == 100_000
    assert (len(movielens.people()), len(movielens.titles())) == (943, 1682)
    assert movielens.people()[1] == movielens.Person(24, "M", "technician")
    assert movielens.titles()[1] == "Toy Story"


def test_a_taste_splits_the_likers_in_halves_and_is_repeatable() -> None:
    taste = movielens.seed_for("blade runner")
    assert taste == movielens.seed_for("Blade Runner")
    assert not set(taste.seed) & set(taste.hidden)
    likers = {str(user) for user in movielens.interactions().likers(taste.item)}
    assert set(taste.seed) | set(taste.hidden) == likers
    assert 0 <= len(taste.hidden) - len(taste.seed) <= 1
    assert len(taste.seed) >= 25


def test_an_unknown_title_is_refused() -> None:
    with pytest.raises(KeyError, match="no film"):
        movielens.seed_for("Sharknado")


def test_the_upload_lacks_the_film() -> None:
    taste = movielens.seed_for()
    lines = movielens.training_csv(taste).decode().splitlines()
    assert lines[0] == "user_id,item_id,timestamp,rating"
    assert str(taste.item) not in {line.split(",")[1] for line in lines[1:]}
    rated = int((movielens.interactions().items == taste.item).sum())
    assert len(lines) == 1 + 100_000 - rated
    assert len(movielens.training_csv().splitlines()) == 100_001


def test_judging_compares_with_chance() -> None:
    taste = movielens.Taste(1, "x", seed=("1", "2", "3"), hidden=tuple(str(user) for user in range(4, 98)))
    verdict = movielens.judge(["1", "4", "5", "900", "901"], taste)
    assert verdict == movielens.Verdict(size=4, hits=2, hidden=94, by_chance=4 * 94 / 940)
    assert verdict.lift == pytest.approx(5.0)
    assert movielens.judge([], taste).lift == 0.0


def test_the_demo_walk_finds_hidden_likers(aws: Storage, tmp_path: Path) -> None:
    taste = movielens.seed_for()
    movielens.catalogue(aws, taste, bucket="movielens-test")
    made = movielens.catalogue(aws, taste, bucket="movielens-test")  # a second time is no error
    model, audience = str(tmp_path / "model"), str(tmp_path / "audience")
    trained = worker.train_audience_model(
        worker.TrainRequest(aws, made.database, made.table, made.columns, None, None, model, 500, 50_000, 0)
    )
    assert trained.users == 943
    generated = worker.generate_audience(
        worker.GenerateRequest(
            aws, model, made.seed_uri, None, (), 25, "PERCENTAGE", (1, 5, 10, 20), False, audience, 0
        )
    )
    assert generated.matched_seed == len(taste.seed)
    exported = worker.export_audience(worker.ExportRequest(aws, audience, "PERCENTAGE", 10, made.output_uri + "/x"))
    assert exported.rows == 94
    verdict = movielens.judge(store.read_audience(aws, exported.output_location), taste)
    assert verdict.size == 94
    assert verdict.lift > 3
    assert trained.seconds < 5
    assert generated.seconds < 2
