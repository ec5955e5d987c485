"""Writes the same six records as others' tools do; runs in the environment of requirements/writers.lock.

Arguments: a folder for files, and an S3 address with a Glue database for awswrangler, which finds both by the
environment's AWS_ENDPOINT_URL. Each function writes one file, named after itself; nothing of this project is imported.
"""

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import awswrangler as wr
import duckdb
import fastparquet
import pandas as pd
import polars as pl

ROWS: list[dict[str, Any]] = [
    {"User": "u1", "item": "i,1", "at": "2025-01-01T00:00:00", "n": 1, "x": 0.5, "tags": ["a", "b"]},
    {"User": "u1", "item": 'i"2', "at": "2025-01-01T00:00:01.123456", "n": 2, "x": -1.25, "tags": []},
    {"User": "u2", "item": "ü\t3", "at": "1969-12-31T23:59:59", "n": 3, "x": 1e10, "tags": ["c"]},
    {"User": "007", "item": "i\\4", "at": "2025-01-01T00:00:03", "n": 4, "x": 2.0, "tags": ["d", "e", "f"]},
    {"User": " u3 ", "item": "'5'", "at": "2025-01-01T00:00:04", "n": 2**40, "x": 0.0, "tags": ["g"]},
    {"User": "NULL", "item": "", "at": "2038-01-19T03:14:08", "n": -6, "x": 3.5, "tags": ["h"]},
]
FLAT = ["User", "item", "at", "n", "x"]


def frame() -> Any:
    made = pd.DataFrame(ROWS)
    made["at"] = pd.to_datetime(made["at"], format="ISO8601")
    return made


def lazy() -> Any:
    made = pl.DataFrame(ROWS)
    return made.with_columns(pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us"))


def table(connection: Any) -> Any:
    frame_ = frame()  # found by its name
    return connection.sql("SELECT * FROM frame_") if len(frame_) else None


# --- parquet ----------------------------------------------------------------------------------------------------------


def pandas_parquet(path: Path) -> None:
    frame().to_parquet(path)


def pandas_categorical_parquet(path: Path) -> None:
    made = frame()
    made["User"], made["item"] = made["User"].astype("category"), made["item"].astype("category")
    made.to_parquet(path)


def pandas_pyarrow_strings_parquet(path: Path) -> None:
    frame().astype({"User": "string[pyarrow]", "item": "string[python]"}).to_parquet(path)


def pandas_nullable_and_indexed_parquet(path: Path) -> None:
    frame().convert_dtypes().set_index("User", drop=False).rename_axis("label").to_parquet(path, index=True)


def pandas_nanoseconds_parquet(path: Path) -> None:
    made = frame()
    made["at"] = made["at"].astype("datetime64[ns]") + pd.Timedelta(999, "ns")
    made.to_parquet(path)


def pandas_zoned_parquet(path: Path) -> None:
    made = frame()
    made["at"] = made["at"].dt.tz_localize("UTC").dt.tz_convert("Asia/Kolkata")
    made.to_parquet(path)


def pandas_int96_parquet(path: Path) -> None:
    frame().to_parquet(path, use_deprecated_int96_timestamps=True, version="1.0", compression="gzip")


def pandas_large_types_parquet(path: Path) -> None:
    import pyarrow as pa

    fields = [("User", pa.large_string()), ("item", pa.string_view()), ("tags", pa.large_list(pa.large_string()))]
    made = pa.Table.from_pandas(frame(), preserve_index=False)
    for name, kind in fields:
        at = made.schema.get_field_index(name)
        made = made.set_column(at, name, made.column(at).cast(kind))
    import pyarrow.parquet as pq

    pq.write_table(made, path)


def fastparquet_flat_parquet(path: Path) -> None:
    fastparquet.write(str(path), frame()[FLAT], write_index=False)


def fastparquet_int96_flat_parquet(path: Path) -> None:
    made = frame()[FLAT].astype({"User": "category", "at": "datetime64[ns]"})  # of microseconds it makes wrong times
    fastparquet.write(str(path), made, write_index=False, times="int96")


def polars_parquet(path: Path) -> None:
    lazy().write_parquet(path, compression="snappy")


def polars_categorical_parquet(path: Path) -> None:
    made = lazy().with_columns(
        pl.col("User").cast(pl.Categorical), pl.col("item").cast(pl.Enum([r["item"] for r in ROWS]))
    )
    made.write_parquet(path, compression="lz4", statistics=False, row_group_size=2)


def polars_nanoseconds_parquet(path: Path) -> None:
    lazy().with_columns(pl.col("at").cast(pl.Datetime("ns", "UTC"))).write_parquet(path, compression="uncompressed")


def polars_narrow_parquet(path: Path) -> None:
    lazy().with_columns(pl.col("x").cast(pl.Float32)).write_parquet(path, compression="brotli", use_pyarrow=True)


def polars_zstd_parquet(path: Path) -> None:
    lazy().write_parquet(path)


def duckdb_parquet(path: Path) -> None:
    with duckdb.connect() as connection:
        table(connection).write_parquet(str(path))


def duckdb_v2_parquet(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("t", frame())
        options = "(FORMAT parquet, PARQUET_VERSION V2, ROW_GROUP_SIZE 2)"
        connection.execute(f"COPY (SELECT * FROM t) TO '{path}' {options}")  # noqa: S608 - a path of our own


# --- csv: of OpenCSVSerDe, unless the name says lazy ------------------------------------------------------------------


def pandas_csv(path: Path) -> None:
    frame()[FLAT].assign(at=_millis(frame())).to_csv(path, index=False, escapechar="\\", doublequote=False)


def pandas_all_quoted_csv(path: Path) -> None:
    made = frame()[FLAT].assign(at=_millis(frame()), item=frame()["item"].str.replace("\\", "\\\\"))
    made.to_csv(path, index=False, quoting=csv.QUOTE_ALL, lineterminator="\r\n")


def pandas_lazy_csv(path: Path) -> None:
    made = frame()[FLAT].assign(at=frame()["at"].dt.strftime("%Y-%m-%d %H:%M:%S.%f"))
    made.to_csv(path, index=False, sep="|", quoting=csv.QUOTE_NONE, escapechar="\\", quotechar="\x1f")


def polars_csv(path: Path) -> None:
    made = (
        lazy()
        .select(FLAT)
        .with_columns(pl.col("at").dt.epoch("ms"), pl.col("item").str.replace_all("\\", "\\\\", literal=True))
    )
    made.write_csv(path, quote_style="always")


def duckdb_csv(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("t", frame())
        query = """SELECT "User", replace(item, '\\', '\\\\') AS item, epoch_ms("at") AS "at", n, x FROM t"""
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT csv, HEADER, FORCE_QUOTE (\"User\", item))")


def _millis(made: Any) -> Any:
    return made["at"].astype("datetime64[ms]").astype("int64")


# --- json -------------------------------------------------------------------------------------------------------------


def pandas_json(path: Path) -> None:
    made = frame().assign(at=frame()["at"].dt.strftime("%Y-%m-%d %H:%M:%S.%f"))
    made.to_json(path, orient="records", lines=True, double_precision=15)


def polars_json(path: Path) -> None:
    lazy().with_columns(pl.col("at").dt.strftime("%Y-%m-%d %H:%M:%S%.6f")).write_ndjson(path)


def duckdb_json(path: Path) -> None:
    with duckdb.connect() as connection:
        connection.register("t", frame())
        connection.execute(f"COPY (SELECT * FROM t) TO '{path}' (FORMAT json)")  # noqa: S608 - a path of our own


# --- awswrangler: files in S3, tables and partitions in Glue ----------------------------------------------------------


def wrangled(address: str, database: str) -> None:
    """Datasets as awswrangler registers them."""
    wr.s3.to_parquet(frame(), f"{address}/parquet/", dataset=True, database=database, table="Parquet")
    wr.s3.to_parquet(
        frame().assign(Day=["2025-01-01", None, "x y", "x/y", "2025-01-01", "=%"]),
        f"{address}/parts/",
        dataset=True,
        database=database,
        table="parts",
        partition_cols=["Day"],
    )
    half = frame().astype({"User": "category"})
    for rows in (half.head(3), half.tail(3).drop(columns=["x"])):
        wr.s3.to_parquet(rows, f"{address}/grown/", dataset=True, database=database, table="grown", mode="append")
    text = frame()[FLAT].assign(item=[f"i{n}" for n in range(6)])
    wr.s3.to_csv(text, f"{address}/csv/", dataset=True, database=database, table="csv", index=False, sep="|")
    text = text.assign(at=text["at"].dt.strftime("%Y-%m-%d %H:%M:%S.%f"), tags=frame()["tags"])
    lines = {"orient": "records", "lines": True, "index": False}
    wr.s3.to_json(text, f"{address}/json/", dataset=True, database=database, table="json", **lines)


def main() -> None:
    """Write everything."""
    folder, address, database = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    writers: dict[str, Callable[[Path], None]] = {
        name: each for name, each in globals().items() if name.endswith(("_parquet", "_csv", "_json"))
    }
    for name, write in writers.items():
        stem, kind = name.rsplit("_", 1)
        write(folder / f"{stem}.{kind}")
    wrangled(address, database)


if __name__ == "__main__":
    main()
