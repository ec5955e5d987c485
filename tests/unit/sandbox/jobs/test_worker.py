"""The three jobs from S3 to S3: results, determinism, every failure code, and pickling."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pickle
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moto.server import ThreadedMotoServer

from sandbox.jobs import storage as store
from sandbox.jobs import worker
from sandbox.jobs.worker import ExportRequest, GenerateRequest, JobFailed, Storage, TrainRequest

USERS, ITEMS, SEED_SIZE = 300, 40, 60
SCHEMA = (("user", "USER_ID"), ("item", "ITEM_ID"), ("seen", "TIMESTAMP"), ("minutes", "NUMERICAL_FEATURE"))


def records(seed: int = 0) -> list[tuple[str, str, int, float, str]]:
    """Users divisible by three like the first ten items; the last user has one record only."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(USERS):
        for _ in range(1 if user == USERS - 1 else 8):
            item = rng.integers(10) if user % 3 == 0 and rng.random() < 0.7 else rng.integers(ITEMS)
            rows.append((f"u{user}", f"i{item}", int(rng.integers(1_000, 2_000)), float(rng.random()), "tv"))
    return rows


def as_csv(rows: list[tuple[str, str, int, float, str]]) -> bytes:
    return "".join(",".join(map(str, row)) + "\n" for row in rows).encode()


def seed_body(users: range) -> bytes:
    return "".join(json.dumps({"user_id": f"u{user}"}) + "\n" for user in users).encode()


@pytest.fixture(scope="module")
def where() -> Iterator[Storage]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    storage = Storage(f"http://{host}:{port}", "us-east-1", "333333333333")
    _fill(storage)
    yield storage
    server.stop()


def _fill(storage: Storage) -> None:
    s3, glue = store.client(storage, "s3"), store.client(storage, "glue")
    s3.create_bucket(Bucket="jobs-data")
    rows = records()
    half = len(rows) // 2
    objects = {
        "seen/a.csv": as_csv(rows[:half]),
        "seen/b.csv": as_csv(rows[half:]),
        "mixed/a.csv": as_csv([rows[at] for at in np.random.default_rng(9).permutation(len(rows))]),
        "gaps/a.csv": b"u1,i1,1000,1.0,tv\n,i2,1000,1.0,tv\nu1,i2,1000,,\n",
        "seed.jsonl": seed_body(range(0, SEED_SIZE * 3, 3)),
        "strangers.jsonl": seed_body(range(USERS - 10, USERS + 500)),
        "broken.jsonl": b'{"user_id": "u1"}\nu2\n',
    }
    for key, body in objects.items():
        s3.put_object(Bucket="jobs-data", Key=key, Body=body)
    glue.create_database(DatabaseInput={"Name": "db"})
    kinds = {"user": "string", "item": "string", "seen": "bigint", "minutes": "double", "device": "string"}
    for table in ("seen", "mixed", "gaps"):
        glue.create_table(
            DatabaseName="db",
            TableInput={
                "Name": table,
                "Parameters": {"classification": "csv"},
                "StorageDescriptor": {
                    "Columns": [{"Name": name, "Type": kind} for name, kind in kinds.items()],
                    "Location": f"s3://jobs-data/{table}/",
                },
            },
        )


def training(where: Storage, folder: Path, **changes: Any) -> TrainRequest:
    request = TrainRequest(where, "db", "seen", SCHEMA, None, None, str(folder / "model"), 100, 1000, 5)
    return dataclasses.replace(request, **changes)


def generation(where: Storage, folder: Path, **changes: Any) -> GenerateRequest:
    request = GenerateRequest(
        storage=where,
        model_path=str(folder / "model"),
        seed_s3_uri="s3://jobs-data/seed.jsonl",
        seed_sql=None,
        seed_sql_parameters=(),
        minimum_matching_seed_size=25,
        size_type="PERCENTAGE",
        size_bins=(20, 1, 5),
        include_seed_in_output=False,
        audience_path=str(folder / "audience"),
        random_seed=5,
    )
    return dataclasses.replace(request, **changes)


@pytest.fixture(scope="module")
def trained(where: Storage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    worker.train_audience_model(training(where, folder))
    return folder


def exported(where: Storage, folder: Path, value: int, size_type: str = "ABSOLUTE") -> list[str]:
    request = ExportRequest(where, str(folder / "audience"), size_type, value, f"s3://jobs-data/out/{folder.name}")
    result = worker.export_audience(request)
    users = store.read_audience(where, result.output_location)
    assert result.rows == len(users)
    return users


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_training_counts_what_it_read(where: Storage, tmp_path: Path) -> None:
    result = worker.train_audience_model(training(where, tmp_path))
    assert (result.users, result.items, result.records) == (USERS, ITEMS, (USERS - 1) * 8 + 1)
    assert 0 < result.seconds < 20


def test_the_window_selects_records(where: Storage, tmp_path: Path) -> None:
    times = [row[2] for row in records()]
    request = training(where, tmp_path, start_time=1200.0, end_time=1500.0, minimum_users=0, minimum_records=0)
    assert worker.train_audience_model(request).records == sum(1200 <= moment <= 1500 for moment in times)


def test_the_same_request_gives_the_same_bytes_in_any_file_order(where: Storage, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, table in zip(folders, ("seen", "mixed"), strict=True):
        worker.train_audience_model(training(where, folder, table=table))
        worker.generate_audience(generation(where, folder))
    for file in ("model/model.npz", "audience/audience.npz"):
        assert digest(folders[0] / file) == digest(folders[1] / file)


def test_generation_finds_the_seeds_kind(where: Storage, trained: Path, tmp_path: Path) -> None:
    request = generation(where, trained, audience_path=str(tmp_path / "audience"))
    result = worker.generate_audience(request)
    assert result.matched_seed == SEED_SIZE
    assert [size for size, _ in result.relevance] == [20, 1, 5]
    by_size = [score for _, score in sorted(result.relevance)]
    assert 1 >= by_size[0] >= by_size[1] >= by_size[2] >= 0
    assert result.recall > 0.6
    users = exported(where, tmp_path, 20, "PERCENTAGE")
    assert len(users) == USERS * 20 // 100
    hidden = {f"u{user}" for user in range(SEED_SIZE * 3, USERS, 3)}
    assert len(hidden & set(users)) >= 0.75 * len(hidden)


def test_the_seed_is_left_out_or_leads(where: Storage, trained: Path, tmp_path: Path) -> None:
    seed = {f"u{user}" for user in range(0, SEED_SIZE * 3, 3)}
    for include in (False, True):
        folder = tmp_path / str(include)
        worker.generate_audience(
            generation(where, trained, audience_path=str(folder / "audience"), include_seed_in_output=include)
        )
        users = exported(where, folder, 10_000)
        assert len(users) == (USERS if include else USERS - SEED_SIZE)
        assert (set(users[:SEED_SIZE]) == seed) is include
        assert bool(seed & set(users)) is include


def test_an_sql_seed_equals_the_same_seed_from_s3(where: Storage, trained: Path, tmp_path: Path) -> None:
    number = 'CAST(substr("user", 2) AS INT)'
    sql = f'SELECT DISTINCT "user" AS user_id FROM db.seen WHERE {number} % 3 = 0 AND {number} < :below::int'  # noqa: S608
    from_sql = generation(
        where,
        trained,
        seed_s3_uri=None,
        seed_sql=sql,
        seed_sql_parameters=(("below", str(SEED_SIZE * 3)),),
        audience_path=str(tmp_path / "sql"),
    )
    first = worker.generate_audience(from_sql)
    second = worker.generate_audience(generation(where, trained, audience_path=str(tmp_path / "s3")))
    assert (first.matched_seed, first.relevance, first.recall) == (second.matched_seed, second.relevance, second.recall)
    assert digest(tmp_path / "sql" / "audience.npz") == digest(tmp_path / "s3" / "audience.npz")


def test_features_of_both_kinds_are_learnt_from(where: Storage, tmp_path: Path) -> None:
    schema = (*SCHEMA, ("device", "CATEGORICAL_FEATURE"))
    worker.train_audience_model(training(where, tmp_path, columns=schema))
    with np.load(tmp_path / "model" / "model.npz", allow_pickle=False) as file:
        features = len(file["weights"]) - 1  # behind the views of all records, and of those with many minutes
        assert file[f"{features}.rows"].shape == (USERS, 1 + 1)
        assert features > 5


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"table": "none"}, "TRAINING_DATA_READ_FAILED", "db.none"),
        ({"columns": SCHEMA[:2]}, "TRAINING_DATA_READ_FAILED", "exactly one TIMESTAMP"),
        ({"columns": (*SCHEMA[:3], ("x", "USER_ID"))}, "TRAINING_DATA_READ_FAILED", "x is not in the Glue table"),
        ({"table": "gaps"}, "TRAINING_DATA_READ_FAILED", "column user: 1 of 3 records have no value"),
        ({"minimum_users": USERS}, "INSUFFICIENT_TRAINING_DATA", f"{USERS - 1} users with at least 2 interactions"),
        ({"minimum_records": 10**6}, "INSUFFICIENT_TRAINING_DATA", "1000000 are needed"),
        (
            {"start_time": 5000.0, "minimum_users": 0, "minimum_records": 0},
            "INSUFFICIENT_TRAINING_DATA",
            "no records in the training window",
        ),
    ],
)
def test_training_failures(where: Storage, tmp_path: Path, changes: dict[str, Any], code: str, message: str) -> None:
    with pytest.raises(JobFailed) as caught:
        worker.train_audience_model(training(where, tmp_path, **changes))
    assert caught.value.status_code == code
    assert message in caught.value.message
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"seed_s3_uri": "s3://jobs-data/nothing"}, "SEED_READ_FAILED", "no such object"),
        ({"seed_s3_uri": None}, "SEED_READ_FAILED", "not an s3:// address"),
        ({"seed_s3_uri": "s3://jobs-data/broken.jsonl"}, "SEED_READ_FAILED", "broken.jsonl, line 2"),
        ({"seed_sql": "SELECT 1 FROM nothing"}, "SEED_READ_FAILED", "not in Glue"),
        ({"seed_s3_uri": "s3://jobs-data/strangers.jsonl"}, "INSUFFICIENT_MATCHING_SEED", "10 users of the seed"),
        ({"minimum_matching_seed_size": 61}, "INSUFFICIENT_MATCHING_SEED", "61 are needed"),
        ({"seed_sql": "SELECT 'u1'", "minimum_matching_seed_size": 1}, "INSUFFICIENT_MATCHING_SEED", "1 users"),
    ],
)
def test_generation_failures(
    where: Storage, trained: Path, tmp_path: Path, changes: dict[str, Any], code: str, message: str
) -> None:
    request = generation(where, trained, audience_path=str(tmp_path / "audience"), **changes)
    with pytest.raises(JobFailed) as caught:
        worker.generate_audience(request)
    assert (caught.value.status_code, message in caught.value.message) == (code, True)
    assert not (tmp_path / "audience").exists()


def test_an_export_to_nowhere_fails(where: Storage, trained: Path, tmp_path: Path) -> None:
    worker.generate_audience(generation(where, trained, audience_path=str(tmp_path / "audience")))
    request = ExportRequest(where, str(tmp_path / "audience"), "ABSOLUTE", 5, "s3://no-such-bucket/x")
    with pytest.raises(JobFailed) as caught:
        worker.export_audience(request)
    assert caught.value.status_code == "OUTPUT_WRITE_FAILED"


def test_failures_survive_pickling() -> None:
    copy = pickle.loads(pickle.dumps(JobFailed("SEED_READ_FAILED", "line 2")))  # noqa: S301 - our own bytes
    assert (copy.status_code, copy.message) == ("SEED_READ_FAILED", "line 2")


def test_jobs_run_in_another_process(where: Storage, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(worker.train_audience_model, training(where, tmp_path)).result().users == USERS
        failure = pool.submit(worker.train_audience_model, training(where, tmp_path, table="none")).exception()
    assert isinstance(failure, JobFailed)
    assert failure.status_code == "TRAINING_DATA_READ_FAILED"
