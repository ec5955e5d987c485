"""Training tables become the model's input: column by column, the same from every format, in any order."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from moto.server import ThreadedMotoServer

from sandbox import storage as store
from sandbox import training_data
from sandbox.storage import Storage
from sandbox.training_data import TrainingData, Window

SERDES = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "json": "org.openx.data.jsonserde.JsonSerDe",
}
GLUE = {"who": "string", "what": "bigint", "at": "timestamp", "tags": "array<string>", "paid": "boolean", "n": "double"}
SCHEMA = (
    ("who", "USER_ID"),
    ("what", "ITEM_ID"),
    ("at", "TIMESTAMP"),
    ("tags", "CATEGORICAL_FEATURE"),
    ("paid", "CATEGORICAL_FEATURE"),
    ("n", "NUMERICAL_FEATURE"),
)
ROWS: list[dict[str, Any]] = [
    {"who": "b", "what": 7, "at": 1000, "tags": ["x", "y"], "paid": True, "n": 1.0},
    {"who": "a", "what": 9, "at": 1001, "tags": None, "paid": None, "n": None},
    {"who": "b", "what": 9, "at": 1002, "tags": [], "paid": False, "n": 3.0},
    {"who": "c", "what": 7, "at": 1003, "tags": ["y", None], "paid": True, "n": 6.0},
]


@pytest.fixture(scope="module")
def where() -> Iterator[Storage]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    storage = Storage(f"http://{host}:{port}", "us-east-1", "444444444444")
    store.client(storage, "s3").create_bucket(Bucket="tables")
    store.client(storage, "glue").create_database(DatabaseInput={"Name": "db"})
    yield storage
    server.stop()


def put(where: Storage, name: str, kind: str, columns: dict[str, str], bodies: list[bytes]) -> None:
    for number, body in enumerate(bodies):
        store.client(where, "s3").put_object(Bucket="tables", Key=f"{name}/{number}", Body=body)
    descriptor = {
        "Columns": [{"Name": column, "Type": glue} for column, glue in columns.items()],
        "Location": f"s3://tables/{name}/",
        "SerdeInfo": {"SerializationLibrary": SERDES[kind]},
    }
    table = {"Name": name, "StorageDescriptor": descriptor}
    store.client(where, "glue").create_table(DatabaseName="db", TableInput=table)


def parquet(rows: list[dict[str, Any]]) -> bytes:
    columns = {name: [row[name] for row in rows] for name in GLUE}
    columns["at"] = [datetime.fromtimestamp(moment, UTC) for moment in columns["at"]]
    kinds = [pa.string(), pa.int64(), pa.timestamp("ms"), pa.list_(pa.string()), pa.bool_(), pa.float64()]
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns, pa.schema(zip(GLUE, kinds, strict=True))), sink)
    return sink.getvalue()


def json_lines(rows: list[dict[str, Any]]) -> bytes:
    moments = (datetime.fromtimestamp(row["at"], UTC).strftime("%Y-%m-%d %H:%M:%S") for row in rows)
    return "\n".join(json.dumps({**row, "at": at}) for row, at in zip(rows, moments, strict=True)).encode()


def test_formats_types_and_nulls(where: Storage) -> None:
    read: list[TrainingData] = []
    for kind, encode in (("parquet", parquet), ("json", json_lines)):
        put(where, f"all_{kind}", kind, GLUE, [encode(ROWS[:2]), encode(ROWS[2:])])
        read.append(training_data.read(where, "db", f"all_{kind}", SCHEMA, Window()))
    for data in read:
        found = data.interactions
        assert data.users.tolist() == ["a", "b", "c"]
        assert (found.users.tolist(), found.items.tolist()) == ([1, 0, 1, 2], [0, 1, 1, 0])
        assert found.features is not None
        assert found.features.shape == (3, 2 + 2 + 1)
        y, x, true, false, number = found.features.T  # the most frequent first
        assert x[0] == y[0] == false[0] == true[0] == number[0] == 0, "nothing is known of a"
        assert x[1] > x[2]
        assert y[1] < y[2]
        assert false[1] > false[2]
        assert true[1] < true[2]
        assert number.tolist() == [0.0, -1.0, 1.0]
        np.testing.assert_array_equal(found.values[0], [1.0, np.nan, 3.0, 6.0])


def test_the_window_reads_timestamps(where: Storage) -> None:
    put(where, "timed", "parquet", GLUE, [parquet(ROWS)])
    data = training_data.read(where, "db", "timed", SCHEMA, Window(1001, 1002))
    assert data.users.tolist() == ["a", "b"]
    assert data.users_with_two() == 0


def test_records_are_read_by_column(where: Storage) -> None:
    """Row by row in Python, so many records take more than the whole allowance."""
    count, rng = 300_000, np.random.default_rng(0)
    columns = {"who": "string", "what": "bigint", "at": "bigint", "tag": "string"}
    users = pa.array(rng.integers(0, 100_000, count)).cast(pa.string())
    tags = pa.array(rng.integers(0, 9, count)).cast(pa.string())
    table = pa.table([users, pa.array(rng.integers(0, 10_000, count)), pa.array(np.arange(count)), tags], list(columns))
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    put(where, "many", "parquet", columns, [sink.getvalue()])
    schema = (("who", "USER_ID"), ("what", "ITEM_ID"), ("at", "TIMESTAMP"), ("tag", "CATEGORICAL_FEATURE"))
    began = time.thread_time()
    data = training_data.read(where, "db", "many", schema, Window())
    assert time.thread_time() - began < 1
    assert len(data.interactions.users) == count
