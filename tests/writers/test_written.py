"""What awswrangler, pandas, polars, DuckDB and fastparquet write is read as the records which they were given.

`make test-writers` installs them in an environment of their own (requirements/writers.lock), since their demands on
pyarrow differ from ours; `write.py` runs there. Without that environment the tests are skipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.cleanroomsml.options import Options
from sandbox.embedded import running_sandbox
from sandbox.jobs import glue_tables, seed_query, storage
from sandbox.jobs.storage import Storage

PYTHON = Path(os.environ.get("WRITERS_PYTHON", ".venv-writers/bin/python"))
ACCOUNT, REGION = "777777777777", "eu-west-1"
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON.exists(), reason="make test-writers installs the writers"),
]

COLUMNS = {"user": "string", "item": "string", "at": "timestamp", "n": "bigint", "x": "double", "tags": "array<string>"}
FLAT = list(COLUMNS)[:-1]
ROWS: list[tuple[Any, ...]] = [
    ("u1", "i,1", datetime(2025, 1, 1), 1, 0.5, ["a", "b"]),
    ("u1", 'i"2', datetime(2025, 1, 1, 0, 0, 1, 123456), 2, -1.25, []),
    ("u2", "ü\t3", datetime(1969, 12, 31, 23, 59, 59), 3, 1e10, ["c"]),
    ("007", "i\\4", datetime(2025, 1, 1, 0, 0, 3), 4, 2.0, ["d", "e", "f"]),
    (" u3 ", "'5'", datetime(2025, 1, 1, 0, 0, 4), 2**40, 0.0, ["g"]),
    ("NULL", "", datetime(2038, 1, 19, 3, 14, 8), -6, 3.5, ["h"]),
]
IN_MILLIS = [(*row[:2], row[2].replace(microsecond=row[2].microsecond // 1000 * 1000), *row[3:]) for row in ROWS]

PARQUET = [
    "pandas",
    "pandas_categorical",
    "pandas_pyarrow_strings",
    "pandas_nullable_and_indexed",
    "pandas_nanoseconds",
    "pandas_zoned",
    "pandas_int96",
    "pandas_large_types",
    "fastparquet_flat",
    "fastparquet_int96_flat",
    "polars",
    "polars_categorical",
    "polars_nanoseconds",
    "polars_narrow",
    "duckdb",
    "duckdb_v2",
]
HEADER = {"skip.header.line.count": "1"}
TEXT = {
    "pandas.csv": ("OpenCSVSerDe", HEADER),
    "pandas_all_quoted.csv": ("OpenCSVSerDe", HEADER),
    "polars.csv": ("OpenCSVSerDe", HEADER),
    "duckdb.csv": ("OpenCSVSerDe", HEADER),
    "pandas_lazy.csv": ("LazySimpleSerDe", HEADER | {"field.delim": "|", "escape.delim": "\\"}),
    "pandas.json": ("OpenX JSON SerDe", {}),
    "polars.json": ("OpenX JSON SerDe", {}),
    "duckdb.json": ("OpenX JSON SerDe", {}),
}


@pytest.fixture(scope="module")
def where() -> Iterator[Storage]:
    with running_sandbox(Options(port=0, jobs_module="tests.support.quick_jobs")) as url:
        yield Storage(url, REGION, ACCOUNT)


@pytest.fixture(scope="module")
def folder(where: Storage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of all writers; awswrangler's are in the sandbox."""
    made = tmp_path_factory.mktemp("written")
    place: Any = {"LocationConstraint": REGION}
    storage.client(where, "s3").create_bucket(Bucket="written", CreateBucketConfiguration=place)
    storage.client(where, "glue").create_database(DatabaseInput={"Name": "Wrangled"})
    environment = {
        **os.environ,
        "AWS_ENDPOINT_URL": where.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
    }
    script = Path(__file__).with_name("write.py")
    run = subprocess.run(
        [PYTHON.absolute(), script, made, "s3://written/data", "wrangled"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return made


def read(path: Path, serde: str, names: list[str], settings: dict[str, str] | None = None) -> list[tuple[Any, ...]]:
    layout = glue_tables.Layout("s3://b", serde, {name: COLUMNS[name] for name in names}, {}, settings or {})
    return [tuple(row.values()) for row in glue_tables.decode(path.read_bytes(), path.name, layout, names).to_pylist()]


def cut(rows: list[tuple[Any, ...]], names: list[str]) -> list[tuple[Any, ...]]:
    return [row[: len(names)] for row in rows]


@pytest.mark.parametrize("name", PARQUET)
def test_parquet(folder: Path, name: str) -> None:
    names = FLAT if "flat" in name else list(COLUMNS)
    assert read(folder / f"{name}.parquet", "Parquet", names) == cut(ROWS, names)


def test_what_polars_writes_if_nothing_else_is_said_is_not_for_clean_rooms_ml(folder: Path) -> None:
    with pytest.raises(glue_tables.TableError, match="ZSTD"):
        read(folder / "polars_zstd.parquet", "Parquet", FLAT)


@pytest.mark.parametrize("name", TEXT)
def test_text(folder: Path, name: str) -> None:
    serde, settings = TEXT[name]
    names = list(COLUMNS) if name.endswith(".json") else FLAT
    expected = IN_MILLIS if serde == "OpenCSVSerDe" else ROWS
    assert read(folder / name, serde, names, settings) == cut(expected, names)


def test_every_file_has_a_test(folder: Path) -> None:
    known = {f"{name}.parquet" for name in PARQUET} | TEXT.keys() | {"polars_zstd.parquet"}
    assert {path.name for path in folder.iterdir()} == known


@pytest.mark.usefixtures("folder")
class TestWrangled:
    """Datasets as awswrangler registers them in Glue: its SerDes, partitions and names."""

    @staticmethod
    def rows(where: Storage, table: str, names: list[str]) -> list[tuple[Any, ...]]:
        found = storage.read_columns(where, storage.read_layout(where, "WRANGLED", table), names)
        return sorted((tuple(row.values()) for row in found.to_pylist()), key=str)

    def test_parquet(self, where: Storage) -> None:
        assert self.rows(where, "PARQUET", list(COLUMNS)) == sorted(ROWS, key=str)

    def test_partitions(self, where: Storage) -> None:
        days = ["2025-01-01", None, "x y", "x/y", "2025-01-01", "=%"]
        expected = [(row[0], row[3], day) for row, day in zip(ROWS, days, strict=True) if day is not None]
        assert self.rows(where, "parts", ["user", "n", "day"]) == sorted(expected, key=str), "pandas drops null keys"

    def test_a_table_that_has_grown(self, where: Storage) -> None:
        expected = [(row[0], row[4] if number < 3 else None) for number, row in enumerate(ROWS)]
        assert self.rows(where, "grown", ["user", "x"]) == sorted(expected, key=str)

    def test_text(self, where: Storage) -> None:
        expected = [(row[0], f"i{number}", *row[2:5]) for number, row in enumerate(ROWS)]
        assert self.rows(where, "csv", FLAT) == sorted(expected, key=str)
        named = [(row[0], row[1], row[2].strftime("%Y-%m-%d %H:%M:%S.%f"), *row[3:]) for row in expected]
        assert self.rows(where, "json", FLAT) == sorted(named, key=str), "as awswrangler has it, a string"

    def test_seeds_by_sql(self, where: Storage) -> None:
        query = "SELECT p.User FROM Wrangled.Parquet p JOIN wrangled.grown g ON p.user = g.user WHERE p.n > :n::INT"
        assert seed_query.run(where, query, (("n", "2"),)) == [" u3 ", "007", "u2"]
