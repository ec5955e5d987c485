"""Training tables become the model's input: column by column, the same from every format, in any order."""

from __future__ import annotations

import io
import itertools
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

from sandbox.jobs import storage as store
from sandbox.jobs import training_data
from sandbox.jobs.storage import Storage
from sandbox.jobs.training_data import TrainingData, Window

_numbers = itertools.count()
SERDES = {
    "parquet": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
    "json": "org.openx.data.jsonserde.JsonSerDe",
    "lazy": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "csv": "org.apache.hadoop.hive.serde2.OpenCSVSerde",
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


def put(
    where: Storage,
    name: str,
    kind: str,
    columns: dict[str, str],
    bodies: list[bytes],
    settings: dict[str, str] | None = None,
) -> None:
    for number, body in enumerate(bodies):
        store.client(where, "s3").put_object(Bucket="tables", Key=f"{name}/{number}", Body=body)
    descriptor = {
        "Columns": [{"Name": column, "Type": glue} for column, glue in columns.items()],
        "Location": f"s3://tables/{name}/",
        "SerdeInfo": {"SerializationLibrary": SERDES[kind], "Parameters": settings or {}},
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


def test_parts_of_a_second_are_cut_before_1970_too() -> None:
    moments = pa.chunked_array([pa.array([-1, -1_000_000, -1_000_001, 999_999], pa.timestamp("us"))])
    assert training_data._seconds(moments).tolist() == [-1, -1, -2, 0]


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


BARE = {"user": "string", "item": "string", "at": "bigint", "note": "string"}
BARE_SCHEMA = (("user", "USER_ID"), ("item", "ITEM_ID"), ("at", "TIMESTAMP"), ("note", "CATEGORICAL_FEATURE"))


@pytest.mark.parametrize(
    ("kind", "settings", "body", "users", "records"),
    [
        # a quote that no other ends swallows nothing
        ("lazy", {"field.delim": ","}, 'u1,i1,1,5" disc\nu2,i2,2,x\nu3,i3,3,12" disc\n', ["u1", "u2", "u3"], 3),
        ("csv", {}, 'u1,i1,1,"5 inch\nu2,i2,2,x\nu3,i3,3,"12 inch\n', ["u1", "u2", "u3"], 3),
        # quotes are part of an id, or not, as the SerDe says
        ("lazy", {"field.delim": ","}, '"u1",i1,1,x\nu1,i2,2,x\n', ['"u1"', "u1"], 2),
        ("csv", {}, '"u1",i1,1,x\nu1,i2,2,x\n', ["u1"], 2),
        # an id may hold any character
        ("lazy", {"field.delim": ","}, "u0\0,i1,1,x\nu0,i2,2,x\nu0\0\0,i2,3,x\n", ["u0", "u0\0", "u0\0\0"], 3),
        (
            "json",
            {},
            '{"user":"u0\\u0000","item":"i","at":1}\n{"user":"u0","item":"i\\u0000","at":2}\n',
            ["u0", "u0\0"],
            2,
        ),
        (
            "json",
            {},
            '{"user":"\U0001f600","item":"i","at":1}\n{"user":"\uffee","item":"i","at":2}\n',
            ["\uffee", "\U0001f600"],
            2,
        ),
        ("json", {}, '{"user":7,"item":"i","at":"1"}\n{"user":"7","item":"i","at":2.0}\n', ["7"], 2),
        # a line break inside quotes ends the line, as Athena says
        ("csv", {}, '"u1","i1","1","x"\r\n"u2","i2","2","y"\r\n', ["u1", "u2"], 2),
    ],
)
def test_no_record_is_lost_and_no_user_is_taken_for_another(
    where: Storage, kind: str, settings: dict[str, str], body: str, users: list[str], records: int
) -> None:
    name = f"exact_{next(_numbers)}"
    put(where, name, kind, BARE, [body.encode()], settings)
    data = training_data.read(where, "db", name, BARE_SCHEMA, Window())
    assert data.users.tolist() == users
    assert len(data.interactions.users) == records


@pytest.mark.parametrize(
    ("kind", "settings", "body", "message"),
    [
        ("lazy", {}, "u1,i1,1,x\nu2,i2,2,x\n", "column item: 2 of 2 records have no value: see whether Glue's columns"),
        ("lazy", {"field.delim": ","}, "u1,i1,1,x\nu2,i2,2.5.1,x\n", "column at: 1 of 2 records have no value"),
        ("lazy", {"field.delim": ","}, ",i1,1,x\nu2,i2,2,x\n", "column user: 1 of 2 records have no value"),
        ("csv", {}, 'u1,i1,1,x\n"u2,i2,2,x\n', "column user: 1 of 2 records have no value"),
        ("json", {}, '{"USER":"u1","item":"","at":1}', "column item: 1 of 1 records have no value"),
    ],
)
def test_a_record_without_an_id_or_a_time_fails_the_training(
    where: Storage, kind: str, settings: dict[str, str], body: str, message: str
) -> None:
    name = f"lacking_{next(_numbers)}"
    put(where, name, kind, BARE, [body.encode()], settings)
    with pytest.raises(store.TableUnreadableError, match=message):
        training_data.read(where, "db", name, BARE_SCHEMA, Window())


def test_declared_names_are_compared_without_regard_to_case(where: Storage) -> None:
    put(
        where,
        "cased",
        "json",
        {"User": "string", "ITEM": "string", "At": "bigint"},
        [b'{"uSER":"u","Item":"i","AT":1}'],
    )
    schema = (("USER", "USER_ID"), ("Item", "ITEM_ID"), ("aT", "TIMESTAMP"))
    assert training_data.read(where, "DB", "Cased", schema, Window()).users.tolist() == ["u"]


@pytest.mark.parametrize(("kind", "settings"), [("lazy", {"field.delim": ","}), ("csv", {}), ("json", {})])
def test_text_is_read_in_time(where: Storage, kind: str, settings: dict[str, str]) -> None:
    """AWS's minimum is a million records; they must not take minutes."""
    count = 50_000
    if kind == "json":
        body = "".join(
            f'{{"user": "u{n % 9999}", "item": "i{n % 99}", "at": {n}, "note": "x"}}\n' for n in range(count)
        )
    else:
        body = "".join(f'u{n % 9999},i{n % 99},{n},"x"\n' for n in range(count))
    put(where, f"long_{kind}", kind, BARE, [body.encode()], settings)
    began = time.thread_time()
    data = training_data.read(where, "db", f"long_{kind}", BARE_SCHEMA, Window())
    assert time.thread_time() - began < 3
    assert (len(data.interactions.users), len(data.users)) == (count, 9999)
