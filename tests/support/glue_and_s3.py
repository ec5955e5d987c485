"""S3 and Glue of moto in this process: a bucket, a database, and tables in any format."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from sandbox.jobs import storage as store
from sandbox.jobs.storage import Storage

COLUMNS = [("viewer", "string"), ("title", "string"), ("seen", "bigint"), ("minutes", "double")]
LAZY, OPEN, JSON, PARQUET = (
    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "org.apache.hadoop.hive.serde2.OpenCSVSerde",
    "org.openx.data.jsonserde.JsonSerDe",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
)
COMMA = {"field.delim": ","}
ROWS = [("u-1", "t-1", 1735689600, 88.0), ("u-1", "t-2", 1735776000, 12.5), ("u-2", "t-1", 1735776001, 3.0)]
CSV = "".join(",".join(map(str, row)) + "\n" for row in ROWS)


class Cloud:
    """A bucket and a database, with short names for what the tests do."""

    def __init__(self, where: Storage, bucket: str = "data") -> None:
        self.where, self.bucket = where, bucket
        self.s3, self.glue = store.client(where, "s3"), store.client(where, "glue")
        self.s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": where.region})
        self.glue.create_database(DatabaseInput={"Name": "db"})

    def put(self, key: str, body: bytes | str) -> str:
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=body.encode() if isinstance(body, str) else body)
        return f"s3://{self.bucket}/{key}"

    def table(
        self,
        name: str,
        serde: str,
        columns: list[tuple[str, str]] | None = None,
        serde_settings: dict[str, str] | None = None,
        settings: dict[str, str] | None = None,
        partitions: list[tuple[str, str]] | None = None,
        database: str = "db",
    ) -> None:
        self.glue.create_table(
            DatabaseName=database,
            TableInput={
                "Name": name,
                "Parameters": settings or {},
                "PartitionKeys": [{"Name": key, "Type": kind} for key, kind in partitions or []],
                "StorageDescriptor": {
                    "Columns": [{"Name": key, "Type": kind} for key, kind in columns or COLUMNS],
                    "Location": f"s3://{self.bucket}/{name}/",
                    "SerdeInfo": {
                        "Parameters": COMMA if serde == LAZY and serde_settings is None else serde_settings or {}
                    }
                    | ({"SerializationLibrary": serde} if serde else {}),
                },
            },
        )

    def partition(
        self, name: str, values: list[str], location: str, serde: str = "", settings: dict[str, str] | None = None
    ) -> None:
        described: dict[str, Any] = {"Location": location}
        if serde:
            described["SerdeInfo"] = {"SerializationLibrary": serde, "Parameters": settings or {}}
        self.glue.create_partition(
            DatabaseName="db", TableName=name, PartitionInput={"Values": values, "StorageDescriptor": described}
        )

    def read(self, name: str, columns: list[str]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = store.read_columns(
            self.where, store.read_layout(self.where, "db", name), columns
        ).to_pylist()
        return rows


@pytest.fixture(scope="session")
def server() -> Iterator[Storage]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield Storage(f"http://{host}:{port}", "eu-west-1", "444444444444")
    moto.stop()


@contextmanager
def account(where: Storage, bucket: str = "data") -> Iterator[Cloud]:
    """An account that is empty at first: moto's state is the process's, so what a test has made is taken away."""
    made = Cloud(where, bucket)
    yield made
    for entry in made.s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
        made.s3.delete_object(Bucket=bucket, Key=entry["Key"])
    made.s3.delete_bucket(Bucket=bucket)
    for database in made.glue.get_databases()["DatabaseList"]:
        made.glue.delete_database(Name=database["Name"])


@pytest.fixture
def cloud(server: Storage) -> Iterator[Cloud]:
    """An empty account of the test's own."""
    with account(server) as made:
        yield made
