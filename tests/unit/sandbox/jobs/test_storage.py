"""Every data format through a real S3 and Glue interface (moto), seeds, SQL seeds and exports."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from sandbox.jobs import glue_tables, seed_query
from sandbox.jobs import storage as store
from sandbox.jobs.formats import types
from sandbox.jobs.storage import SeedUnreadableError, Storage, TableUnreadableError

COLUMNS = [("viewer", "string"), ("title", "string"), ("seen", "bigint"), ("minutes", "double")]
LAZY, OPEN, JSON, PARQUET = (
    "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    "org.apache.hadoop.hive.serde2.OpenCSVSerde",
    "org.openx.data.jsonserde.JsonSerDe",
    "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe",
)
COMMA = {"field.delim": ","}
ROWS = [("u-1", "t-1", 1735689600, 88.0), ("u-1", "t-2", 1735776000, 12.5), ("u-2", "t-1", 1735776001, 3.0)]


class Cloud:
    """A bucket and a database, with short names for what the tests do."""

    def __init__(self, where: Storage) -> None:
        self.where, self.s3, self.glue = where, store.client(where, "s3"), store.client(where, "glue")
        self.s3.create_bucket(Bucket="data", CreateBucketConfiguration={"LocationConstraint": where.region})
        self.glue.create_database(DatabaseInput={"Name": "db"})

    def put(self, key: str, body: bytes | str) -> str:
        self.s3.put_object(Bucket="data", Key=key, Body=body.encode() if isinstance(body, str) else body)
        return f"s3://data/{key}"

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
                    "Location": f"s3://data/{name}/",
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


@pytest.fixture(scope="module")
def server() -> Iterator[Storage]:
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    yield Storage(f"http://{host}:{port}", "eu-west-1", "444444444444")
    moto.stop()


@pytest.fixture
def cloud(server: Storage) -> Iterator[Cloud]:
    """An empty account: moto's state is shared by the whole process, so each test takes away what it made."""
    made = Cloud(server)
    yield made
    for entry in made.s3.list_objects_v2(Bucket="data").get("Contents", ()):
        made.s3.delete_object(Bucket="data", Key=entry["Key"])
    made.s3.delete_bucket(Bucket="data")
    for database in made.glue.get_databases()["DatabaseList"]:
        made.glue.delete_database(Name=database["Name"])


def parquet(rows: list[tuple[Any, ...]], kinds: list[pa.DataType], **options: Any) -> bytes:
    names = [name for name, _ in COLUMNS][: len(kinds)]
    data = {name: pa.array([row[at] for row in rows], kinds[at]) for at, name in enumerate(names)}
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(data), sink, **options)
    return sink.getvalue()


KINDS = [pa.string(), pa.string(), pa.int64(), pa.float64()]
CSV = "".join(",".join(map(str, row)) + "\n" for row in ROWS)
LINES = "".join(json.dumps(dict(zip([name for name, _ in COLUMNS], row, strict=True))) + "\n" for row in ROWS)
FORMATS: dict[str, tuple[str, dict[str, str], dict[str, str], bytes]] = {
    "csv without header": (LAZY, {"field.delim": ","}, {}, CSV.encode()),
    "csv with header": (LAZY, {"field.delim": ","}, {"skip.header.line.count": "1"}, b"v,t,s,m\n" + CSV.encode()),
    "tab-separated": (LAZY, {"field.delim": "\t"}, {}, CSV.replace(",", "\t").encode()),
    "escaped tab": (LAZY, {"field.delim": "\\t"}, {}, CSV.replace(",", "\t").encode()),
    "open csv, semicolons": (
        OPEN,
        {"separatorChar": ";", "quoteChar": '"'},
        {},
        "".join(";".join(f'"{cell}"' for cell in row) + "\n" for row in ROWS).encode(),
    ),
    "by classification": ("", {}, {"classification": "csv"}, CSV.encode()),
    "json lines": (JSON, {}, {}, LINES.encode()),
    "parquet": (PARQUET, {}, {}, parquet(ROWS, KINDS)),
    "gzip": (LAZY, {"field.delim": ","}, {}, gzip.compress(CSV.encode())),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_rows(cloud: Cloud, name: str) -> None:
    serde, serde_settings, settings, body = FORMATS[name]
    cloud.table("t", serde, serde_settings=serde_settings, settings=settings)
    cloud.put("t/part", body)
    expected = [{"minutes": minutes, "viewer": viewer} for viewer, _, _, minutes in ROWS]
    assert cloud.read("t", ["minutes", "viewer"]) == expected


def test_many_objects_partitions_and_hidden_files(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("day", "int")])
    cloud.put("t/day=1/a", "u-1\n")
    cloud.put("t/day=2/a", "u-2\nu-3\n")
    cloud.put("t/_SUCCESS", "x\n")
    cloud.put("t/.hidden/a", "x\n")
    cloud.put("t/folder/", "")
    cloud.put("t2/day=9/a", "other table\n")
    assert cloud.read("t", ["day", "viewer"]) == [
        {"day": 1, "viewer": "u-1"},
        {"day": 2, "viewer": "u-2"},
        {"day": 2, "viewer": "u-3"},
    ]
    assert cloud.read("t", ["day"]) == [{"day": 1}, {"day": 2}, {"day": 2}]


@pytest.mark.parametrize("serde", [LAZY, JSON])
def test_empty_data_is_an_empty_table(cloud: Cloud, serde: str) -> None:
    cloud.table("t", serde, settings={"skip.header.line.count": "1"})
    assert cloud.read("t", ["viewer", "seen"]) == []
    cloud.put("t/a", "\n")
    cloud.put("t/b", "viewer,title,seen,minutes" if serde == LAZY else " ")
    assert cloud.read("t", ["viewer", "seen"]) == []


def test_timestamps_lists_and_nulls(cloud: Cloud) -> None:
    columns = [("viewer", "string"), ("seen", "timestamp"), ("tags", "array<string>")]
    cloud.table("csv", LAZY, columns=columns, serde_settings={"field.delim": ",", "collection.delim": "|"})
    cloud.put("csv/a", "u-1,2025-01-01 00:00:00,a|b\n\\N,2025-01-01 00:00:01.5,\n")
    first, second = cloud.read("csv", ["viewer", "seen", "tags"])
    assert (first["viewer"], first["seen"].isoformat(), first["tags"]) == ("u-1", "2025-01-01T00:00:00", ["a", "b"])
    assert (second["viewer"], second["tags"]) == (None, [])
    cloud.table("json", JSON, columns=columns)
    cloud.put("json/a", '{"viewer": "u-1", "tags": ["a", "b"], "more": 1}\n')
    assert cloud.read("json", ["tags", "viewer"]) == [{"tags": ["a", "b"], "viewer": "u-1"}]


@pytest.mark.parametrize(
    ("serde", "body", "message"),
    [
        (LAZY, b"\x1f\x8bnot gzip", "t/bad is not readable by LazySimpleSerDe: its gzip data are damaged"),
        (LAZY, b"u-1,t-1,1\nu-\xff,t-1,1\n", "line 2 of the data is not UTF-8"),
        (OPEN, b"u-1,t-1,yesterday,1\n", "t/bad is not readable by OpenCSVSerDe: column seen"),
        (
            JSON,
            b'{"viewer": 7}\n{"seen": "yesterday"}\n',
            "t/bad is not readable by OpenX JSON SerDe: line 2 of the data",
        ),
        (PARQUET, b"PAR1", "t/bad is not readable by Parquet"),
        (PARQUET, parquet([("u", "t", "9")], [pa.string()] * 3), "string in the file and bigint in Glue"),
        (PARQUET, parquet(ROWS, KINDS, compression="zstd"), "ZSTD"),
    ],
)
def test_data_which_contradict_glue_name_the_object(cloud: Cloud, serde: str, body: bytes, message: str) -> None:
    cloud.table("t", serde)
    cloud.put("t/bad", body)
    with pytest.raises(TableUnreadableError, match=message):
        cloud.read("t", ["viewer", "seen"])


def test_missing_tables_buckets_and_odd_serdes(cloud: Cloud) -> None:
    with pytest.raises(TableUnreadableError, match=r"db\.none"):
        store.read_layout(cloud.where, "db", "none")
    cloud.table("orc", "org.apache.hadoop.hive.ql.io.orc.OrcSerde")
    with pytest.raises(TableUnreadableError, match="OrcSerde"):
        store.read_layout(cloud.where, "db", "orc")
    lost = glue_tables.Layout("s3://nowhere/x", "LazySimpleSerDe", {"a": "string"}, {})
    with pytest.raises(TableUnreadableError, match="nowhere"):
        store.read_columns(cloud.where, lost, ["a"])
    with pytest.raises(TableUnreadableError, match="not an s3:// address"):
        store.read_columns(cloud.where, glue_tables.Layout("file:///x", "LazySimpleSerDe", {"a": "string"}, {}), ["a"])
    with pytest.raises(glue_tables.TableError, match="no location"):
        glue_tables.layout({"Name": "t"})


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (("nobody", "USER_ID"), "nobody is not in the Glue table"),
        (("minutes", "USER_ID"), "USER_ID takes bigint, int, string"),
        (("viewer", "TIMESTAMP"), "TIMESTAMP takes"),
        (("title", "NUMERICAL_FEATURE"), "NUMERICAL_FEATURE takes"),
        (("title", "TEXT"), "unknown column type TEXT"),
    ],
)
def test_the_declared_schema_has_to_agree_with_glue(declared: tuple[str, str], message: str) -> None:
    table = glue_tables.Layout("s3://b/k", "LazySimpleSerDe", dict(COLUMNS), {})
    with pytest.raises(glue_tables.TableError, match=message):
        glue_tables.check_schema(table, [declared])


@pytest.mark.parametrize(
    ("glue", "base"),
    [
        ("varchar(9)", "string"),
        ("array<int>", "array"),
        ("Integer", "int"),
        ("decimal(9,2)", "decimal"),
        ("long", "bigint"),
    ],
)
def test_glue_types_have_a_base(glue: str, base: str) -> None:
    assert types.base_type(glue) == base


def test_decimals_and_lists_have_arrow_types() -> None:
    assert types.arrow_type("decimal(9,2)") == pa.decimal128(9, 2)
    assert types.arrow_type("array<bigint>") == pa.list_(pa.int64())


def test_seeds_are_read_from_an_object_or_a_folder(cloud: Cloud) -> None:
    whole = cloud.put("seed/a.jsonl", '{"user_id": "u-2"}\n\n{"user_id": 7, "x": 1}\r\n{"user_id": "u-2"}\n')
    cloud.put("seed/b.jsonl.gz", gzip.compress(b'{"user_id": "u-1"}\n'))
    cloud.put("seed-other/c.jsonl", '{"user_id": "no"}\n')
    assert store.read_seed(cloud.where, whole) == ["u-2", "7"]
    assert store.read_seed(cloud.where, "s3://data/seed") == ["u-2", "7", "u-1"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("u-1", "line 2: not JSON"),
        ("[1]", "line 2: not an object"),
        ('{"userid": "u-1"}', 'line 2: not an object with "user_id"'),
        ('{"user_id": null}', "line 2: .* neither a string nor an integer"),
        ('{"user_id": true}', "line 2: .* neither"),
        ('{"user_id": ""}', "line 2: .* neither"),
        ('{"user_id": 1.5}', "line 2: .* neither"),
        ('{"user_id": "u-1", "user_id": "u-2"}', "line 2: a key occurs twice"),
        ('{"user_id": "u-1", "user\\u005fid": "u-1"}', "line 2: a key occurs twice"),
        ('{"user_id": "u-1", "x": {"y": 1, "y": 2}}', "line 2: a key occurs twice"),
        ('{"x": 1, "user_id": "u-1", "x": 1}', "line 2: a key occurs twice"),
    ],
)
def test_a_bad_seed_row_names_its_line_and_no_user(cloud: Cloud, line: str, message: str) -> None:
    uri = cloud.put("seed.jsonl", '{"user_id": "u-9"}\n' + line)
    with pytest.raises(SeedUnreadableError, match=message) as caught:
        store.read_seed(cloud.where, uri)
    assert "u-1" not in str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_seed_of_another_encoding_is_refused_by_name(cloud: Cloud, encoding: str, packed: bool) -> None:
    body = '{"user_id": "u-1"}\n{"user_id": "u-2"}\n'.encode(encoding)
    uri = cloud.put("seed", gzip.compress(body) if packed else body)
    with pytest.raises(SeedUnreadableError, match=r"seed object seed.*UTF-(16|32).*only UTF-8|line 1: not"):
        store.read_seed(cloud.where, uri)
    if encoding in {"utf-16", "utf-16-le", "utf-16-be", "utf-32"}:
        with pytest.raises(SeedUnreadableError, match=f"the text is {encoding[:6].upper()}; only UTF-8 is read"):
            store.read_seed(cloud.where, uri)


def test_byte_order_marks_and_characters_of_a_seed(cloud: Cloud) -> None:
    """Files with a mark that were joined have one in the middle."""
    first, second = ('{"user_id": "ü\ufeff"}\n'.encode("utf-8-sig"), '{"user_id": "u-2"}'.encode("utf-8-sig"))
    assert store.read_seed(cloud.where, cloud.put("seed", first + second)) == ["ü\ufeff", "u-2"]
    with pytest.raises(SeedUnreadableError, match="line 1: not UTF-8"):
        store.read_seed(cloud.where, cloud.put("seed", '{"user_id": "ü"}'.encode("latin-1")))
    for short in (b"7", b"{}", b"\0\0", b"a\0b\0"):
        with pytest.raises(SeedUnreadableError, match="line 1: not"):
            store.read_seed(cloud.where, cloud.put("seed", short))


def test_missing_and_oversized_seeds(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for uri, message in (
        ("s3://data/none", "no such object"),
        ("s3://gone/x", "gone"),
        ("https://x/y", "not an s3://"),
    ):
        with pytest.raises(SeedUnreadableError, match=message):
            store.read_seed(cloud.where, uri)
    monkeypatch.setattr(store, "MOST_SEEDS", 1)
    with pytest.raises(SeedUnreadableError, match="2 unique user ids, more than 1"):
        store.read_seed(cloud.where, cloud.put("s", '{"user_id": "a"}\n{"user_id": "b"}\n'))
    with pytest.raises(SeedUnreadableError, match=r"seed object broken\.gz"):
        store.read_seed(cloud.where, cloud.put("broken.gz", b"\x1f\x8bxx"))


def test_an_audience_is_written_in_seed_format_and_order(cloud: Cloud) -> None:
    users = ["u-3", "ü\n\u2028", "u-1"]
    location = store.write_audience(cloud.where, "s3://data/out/42/", users)
    assert location == "s3://data/out/42"
    body = cloud.s3.get_object(Bucket="data", Key="out/42/part-00000.jsonl")["Body"].read()
    assert [json.loads(line)["user_id"] for line in body.split(b"\n")[:-1]] == users
    assert store.read_audience(cloud.where, location) == users
    assert store.write_audience(cloud.where, "s3://data", []) == "s3://data"


@pytest.mark.parametrize("uri", ["s3://gone/x", "ftp://data/x", "s3://"])
def test_an_audience_which_cannot_be_written(cloud: Cloud, uri: str) -> None:
    with pytest.raises(store.OutputUnwritableError):
        store.write_audience(cloud.where, uri, ["u"])


def test_accounts_do_not_see_each_other(cloud: Cloud) -> None:
    cloud.table("t", LAZY)
    other = Storage(cloud.where.endpoint_url, cloud.where.region, "222222222222")
    with pytest.raises(TableUnreadableError):
        store.read_layout(other, "db", "t")


@pytest.fixture
def queried(cloud: Cloud) -> Cloud:
    cloud.table("seen", LAZY)
    cloud.put("seen/a", CSV)
    cloud.table("people", JSON, columns=[("user_id", "string"), ("age", "int")])
    cloud.put("people/a", '{"user_id": "u-1", "age": 30}\n{"user_id": "u-2", "age": 50}\n{"age": 51}\n')
    return cloud


@pytest.mark.parametrize(
    ("query", "parameters", "users"),
    [
        ("SELECT viewer FROM db.seen WHERE minutes > 10", {}, ["u-1"]),
        ('SELECT age, user_id FROM "db"."people"', {}, ["u-1", "u-2"]),
        ("SELECT viewer FROM seen JOIN people ON viewer = user_id WHERE age >= :age::int", {"age": "40"}, ["u-2"]),
        (
            "WITH x AS (SELECT * FROM people) SELECT user_id FROM x WHERE user_id <> ':age' -- :age",
            {"age": "1"},
            ["u-1", "u-2"],
        ),
        ("SELECT user_id FROM DB.People WHERE user_id = :who", {"who": "' OR 1=1 --"}, []),
        ("SELECT 'u-' || 7", {}, ["u-7"]),
        ("SELECT age FROM people WHERE age > :1a", {"1a": "40"}, ["50", "51"]),
    ],
)
def test_sql_seeds(queried: Cloud, query: str, parameters: dict[str, str], users: list[str]) -> None:
    assert seed_query.run(queried.where, query, tuple(parameters.items())) == users


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "Parser Error"),
        ("SELECT 1; SELECT 2", "one SELECT"),
        ("CREATE TABLE x AS SELECT 1", "one SELECT"),
        ("COPY (SELECT 1) TO 'x'", "one SELECT"),
        ("SELECT * FROM nothing", "nothing is not in Glue"),
        ("SELECT * FROM db.nothing", r"db\.nothing is not in Glue"),
        ("SELECT * FROM read_csv('/etc/hostname')", "Permission Error|disabled"),
        ("SELECT * FROM '/etc/hostname'", "not in Glue|disabled"),
        ("SELECT nobody FROM db.seen", "Binder Error"),
        ("SELECT user_id FROM people WHERE age = :age::int", "Conversion Error at line 1, column 44"),
        ("SELECT '€' || :age, user_id\n  FROM people\n WHERE :age::int = 1", "Conversion Error at line 3, column 12"),
        (
            "SELECT minutes FROM seen WHERE user_id = :age",
            r"Binder Error at line 1, column 32.*it can read db.seen \(viewer",
        ),
        ('SELECT x.user_id FROM people x WHERE x.user_id = "u-1"', "Binder Error at line 1, column 50"),
        ("SELECT user_id FROM people 'secret words' x", "Parser Error at line 1, column 28: it is not valid SQL there"),
    ],
)
def test_sql_which_is_refused(queried: Cloud, query: str, message: str) -> None:
    with pytest.raises(SeedUnreadableError, match=message) as caught:
        seed_query.run(queried.where, query, (("age", "secret words"),))
    assert "secret words" not in str(caught.value)


def test_an_ambiguous_table_needs_its_database(queried: Cloud) -> None:
    queried.glue.create_database(DatabaseInput={"Name": "db2"})
    queried.table("seen", LAZY, database="db2")
    with pytest.raises(SeedUnreadableError, match="several"):
        seed_query.run(queried.where, "SELECT viewer FROM seen", ())
    assert seed_query.run(queried.where, "SELECT viewer FROM db2.seen", ()) == ["u-1", "u-2"]


@given(st.text(alphabet="ab:'\"$ -\n;0", max_size=30))
def test_parameters_are_found_only_outside_quotes(text: str) -> None:
    literal = "'" + text.replace("'", "''") + "'"
    assert seed_query.with_parameters(literal, ["a", "b"], lambda _: "?") == literal
    assert seed_query.with_parameters(f"{literal} :a", ["a"], lambda name: f"${name}") == f"{literal} $a"


def test_calls_to_itself_ignore_the_proxies_of_the_environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    cloud.table("t", LAZY, serde_settings={"field.delim": ","})
    cloud.put("t/a", CSV)
    apart = Storage(cloud.where.endpoint_url.replace("127.0.0.1", "localhost"), cloud.where.region, cloud.where.account)
    assert len(store.read_columns(apart, store.read_layout(apart, "db", "t"), ["viewer"])) == 3


# --- seeds given as SQL -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "users"),
    [
        # aliases and joins
        ("SELECT s.viewer FROM db.seen s JOIN db.people AS p ON s.viewer = p.user_id WHERE p.age > 40", ["u-2"]),
        ("SELECT p.user_id FROM seen s, people p WHERE p.user_id = s.viewer AND s.minutes > 80", ["u-1"]),
        ('SELECT "S".viewer FROM "db"."seen" AS "S" LEFT JOIN people ON viewer = user_id', ["u-1", "u-2"]),
        ("SELECT user_id FROM people JOIN (SELECT viewer AS user_id FROM seen) x USING (user_id)", ["u-1", "u-2"]),
        ("SELECT a.user_id FROM people a JOIN people b ON a.age < b.age", ["u-1", "u-2"]),
        ("SELECT user_id FROM people people WHERE people.age > 40", ["u-2"]),
        ("SELECT viewer FROM seen AS people", ["u-1", "u-2"]),
        ("SELECT * FROM people a JOIN people b USING (user_id)", ["u-1", "u-2"]),
        ("SELECT a.*, b.* FROM people a JOIN people b ON a.user_id = b.user_id", ["u-1", "u-2"]),
        ("SELECT user_id FROM people WHERE user_id IN (SELECT viewer FROM seen WHERE minutes < 4)", ["u-2"]),
        ("SELECT user_id FROM people UNION SELECT title FROM seen", ["t-1", "t-2", "u-1", "u-2"]),
        ("SELECT viewer FROM seen EXCEPT SELECT user_id FROM people WHERE age > 40", ["u-1"]),
        # WITH
        ("WITH seen AS (SELECT user_id FROM people) SELECT * FROM seen", ["u-1", "u-2"]),
        ("WITH seen AS (SELECT viewer FROM db.seen WHERE minutes > 80) SELECT * FROM seen", ["u-1"]),
        ("WITH new AS (SELECT 'u-9' AS user_id), newer AS (SELECT * FROM new) SELECT * FROM newer", ["u-9"]),
        # the column of users
        ("SELECT age, USER_ID FROM people", ["u-1", "u-2"]),
        ("SELECT age, viewer AS User_Id FROM people JOIN seen ON viewer = user_id", ["u-1", "u-2"]),
        ('SELECT count(*) AS n, viewer AS "USER_ID" FROM seen GROUP BY viewer', ["u-1", "u-2"]),
        ("SELECT VIEWER FROM SEEN", ["u-1", "u-2"]),
        ("SELECT sum(age) AS user_id FROM people", ["131"]),
        ("SELECT DISTINCT viewer FROM seen ORDER BY viewer DESC LIMIT 1", ["u-2"]),
        ("SELECT NULL AS user_id", []),
        ("SELECT 12345678901234567890123::HUGEINT", ["12345678901234567890123"]),
    ],
)
def test_the_users_of_a_query(queried: Cloud, query: str, users: list[str]) -> None:
    assert seed_query.run(queried.where, query, ()) == users


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT age, age + 1 FROM people", "none of its 2 columns is named user_id"),
        ("SELECT title, viewer FROM seen", "none of its 2 columns is named user_id"),
        ("SELECT * FROM people a CROSS JOIN people b", "2 columns named user_id differ"),
        (
            "SELECT a.user_id, b.viewer AS user_id FROM people a LEFT JOIN seen b ON a.age > b.seen",
            "named user_id differ",
        ),
        ("SELECT minutes AS user_id FROM seen", "of type double; strings or integers"),
        ("SELECT minutes > 3 FROM seen", "of type bool"),
        ("SELECT [user_id] FROM people", "of type list"),
        ("SELECT viewer FROM other.seen", "other.seen is not in Glue"),
        ("SELECT viewer FROM a.db.seen", "a.db.seen is not in Glue"),
        ("EXPLAIN SELECT 1", "one SELECT"),
    ],
)
def test_which_users_are_meant_is_never_guessed(queried: Cloud, query: str, message: str) -> None:
    with pytest.raises(SeedUnreadableError, match=re.escape(message)):
        seed_query.run(queried.where, query, ())


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a.viewer FROM db.seen a JOIN DB.Seen b ON a.viewer = b.viewer",
        'SELECT a.viewer FROM db."SEEN" a, "Db".seen b, seen c, SEEN d',
        "SELECT seen.viewer FROM seen JOIN db.seen AS x USING (viewer)",
        "WITH x AS (SELECT * FROM Db.Seen) SELECT viewer FROM x UNION SELECT viewer FROM dB.sEEN",
    ],
)
def test_a_table_may_be_spelt_in_several_ways(queried: Cloud, query: str) -> None:
    assert seed_query.run(queried.where, query, ()) == ["u-1", "u-2"]


OWN = ["main", "temp", "system", "memory", "information_schema", "pg_catalog"]


@pytest.mark.parametrize("database", OWN)
def test_a_database_may_have_the_name_of_one_of_duckdbs_own(queried: Cloud, database: str) -> None:
    queried.glue.create_database(DatabaseInput={"Name": database})
    queried.table("seen", LAZY, database=database)
    queried.table("tables", LAZY, database=database)
    queried.put("tables/a", "u-9,t,1,1\n")
    for query, users in (
        ("SELECT viewer FROM <db>.seen", ["u-1", "u-2"]),
        ('SELECT "é".viewer FROM "<DB>"."Seen" AS "é"', ["u-1", "u-2"]),
        ("SELECT <db>.seen.viewer FROM <db>.seen WHERE <db>.seen.title <> 't-2'", ["u-1", "u-2"]),
        ("SELECT x.viewer FROM <db>.tables x LEFT JOIN db.seen y USING (viewer)", ["u-9"]),
        ("SELECT viewer FROM <db>.tables WHERE title = :<db>", ["u-9"]),
        ("SELECT viewer FROM tables", ["u-9"]),
    ):
        written = query.replace("<db>", database).replace("<DB>", database.upper())
        assert seed_query.run(queried.where, written, ((database, "t"),)) == users
    with pytest.raises(SeedUnreadableError, match=f"database {database} has the name of one of DuckDB's own schemas"):
        seed_query.run(queried.where, f"TABLE {database}.tables", ())
    with pytest.raises(SeedUnreadableError, match="Binder Error at line 1, column 8"):
        seed_query.run(queried.where, "SELECT nothing FROM <db>.seen".replace("<db>", database), ())


@pytest.mark.parametrize(
    "query", ["main.x", "temp.x", "information_schema.tables", "memory.main.seen", "duckdb_tables"]
)
def test_nothing_of_duckdbs_own_can_be_read(queried: Cloud, query: str) -> None:
    with pytest.raises(SeedUnreadableError, match=f"table {query} is not in Glue"):
        seed_query.run(queried.where, "SELECT * FROM <name>".replace("<name>", query), ())


@pytest.mark.parametrize("name", ["duckdb_tables", "sqlite_master", "glue rows 0", "order", 'a"b', "table"])
def test_tables_may_have_any_name(cloud: Cloud, name: str) -> None:
    cloud.table(name, JSON, columns=[("user_id", "string")])
    cloud.put(f"{name}/a", '{"user_id": "u-1"}')
    quoted = '"' + name.replace('"', '""') + '"'
    for query in ("SELECT user_id FROM <name>", "SELECT t.user_id FROM db.<name> t JOIN <name> u USING (user_id)"):
        assert seed_query.run(cloud.where, query.replace("<name>", quoted), ()) == ["u-1"]


PLAIN = ["user", "current_date", "current_user", "value", "rowid", "é", "date", "name"]
"""Names of columns which need no quotes, although they mean something to SQL or to DuckDB."""


def test_columns_may_be_called_like_keywords(cloud: Cloud) -> None:
    words = [*PLAIN, "select", "order", "group", "from", "1st", 'a"b', "with blank"]
    cloud.table("words", JSON, columns=[(word, "string") for word in words])
    cloud.put("words/a", json.dumps({word: f"u {word}" for word in words}))
    columns = ['"' + word.replace('"', '""') + '"' for word in words]
    for written in (PLAIN, columns, [f"t.{each}" for each in columns]):
        query = "SELECT unnest([<columns>]) FROM words t".replace("<columns>", ", ".join(written))
        assert seed_query.run(cloud.where, query, ()) == sorted(f"u {word}" for word in words[: len(written)])


def test_columns_that_cannot_be_read_are_no_hindrance_unless_they_are_asked_for(cloud: Cloud) -> None:
    columns = [("user_id", "string"), ("extra", "map<string,int>"), ("raw", "binary"), ("deep", "struct<a:int>")]
    cloud.table("odd", JSON, columns=[*columns, ("n", "bigint")])
    cloud.put(
        "odd/a", '{"user_id": "u-1", "extra": {"x": 1}, "deep": {"a": 1}, "n": 1}\n{"user_id": "u-2", "n": "x"}\n'
    )
    assert seed_query.run(cloud.where, "SELECT user_id FROM odd o", ()) == ["u-1", "u-2"]
    assert seed_query.run(cloud.where, "SELECT * FROM odd", ()) == ["u-1", "u-2"]
    with pytest.raises(SeedUnreadableError, match="map<string,int> are not read by the sandbox"):
        seed_query.run(cloud.where, "SELECT user_id FROM odd WHERE extra IS NOT NULL", ())
    with pytest.raises(SeedUnreadableError, match="line 2 of the data, column n"):
        seed_query.run(cloud.where, "SELECT user_id FROM odd WHERE n > 0", ())
    cloud.table("odder", PARQUET, columns=columns[1:])
    with pytest.raises(TableUnreadableError, match="are not read by the sandbox"):
        seed_query.run(cloud.where, "SELECT extra FROM odder", ())


def test_the_bound_of_seeds_holds_for_queries(queried: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_SEEDS", 1)
    with pytest.raises(SeedUnreadableError, match="2 unique user ids, more than 1"):
        seed_query.run(queried.where, "SELECT user_id FROM people", ())


# --- partitions -------------------------------------------------------------------------------------------------------


def test_partitions_are_those_of_glue(cloud: Cloud) -> None:
    """Values and places are Glue's, not what the keys say; what is not registered does not exist."""
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("Day", "int"), ("country", "string")])
    cloud.put("t/day=1/country=de/a", "u-1\n")
    cloud.put("t/day=2/country=fr/a", "not registered\n")
    cloud.put("elsewhere/2025/a", "u-2\nu-3\n")
    cloud.put("t/day=9/country=__HIVE_DEFAULT_PARTITION__/a", "u-4\n")
    cloud.partition("t", ["1", "de"], "s3://data/t/day=1/country=de/")
    cloud.partition("t", ["03", "us%20east"], "s3://data/elsewhere/2025")
    cloud.partition("t", ["9", "__HIVE_DEFAULT_PARTITION__"], "s3://data/t/day=9/country=__HIVE_DEFAULT_PARTITION__")
    cloud.partition("t", ["4", "gone"], "s3://data/empty/")
    rows = [tuple(row.values()) for row in cloud.read("t", ["viewer", "day", "country"])]
    assert sorted(rows, key=str) == [
        ("u-1", 1, "de"),
        ("u-2", 3, "us%20east"),
        ("u-3", 3, "us%20east"),
        ("u-4", 9, None),
    ]
    assert seed_query.run(cloud.where, "SELECT viewer FROM t WHERE DAY = 3", ()) == ["u-2", "u-3"]


def test_a_partition_may_be_stored_in_another_way(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string"), ("n", "int")], partitions=[("day", "date")])
    cloud.put("t/a/x", "u-1,1\n")
    cloud.put("t/b/x", '{"N": 2, "viewer": "u-2"}\n')
    cloud.put("t/c/x", "u-3;3\n")
    cloud.partition("t", ["2025-01-01"], "s3://data/t/a")
    cloud.partition("t", ["2025-01-02"], "s3://data/t/b", JSON)
    cloud.partition("t", ["2025-01-03"], "s3://data/t/c", LAZY, {"field.delim": ";"})
    rows = [(row["viewer"], row["n"], row["day"].isoformat()) for row in cloud.read("t", ["viewer", "n", "day"])]
    assert sorted(rows) == [("u-1", 1, "2025-01-01"), ("u-2", 2, "2025-01-02"), ("u-3", 3, "2025-01-03")]


def test_many_partitions_come_in_pages(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("n", "bigint")])
    for number in range(0, 1200, 100):
        inputs = [
            {"Values": [str(each)], "StorageDescriptor": {"Location": f"s3://data/t/{each}/"}}
            for each in range(number, number + 100)
        ]
        cloud.glue.batch_create_partition(DatabaseName="db", TableName="t", PartitionInputList=inputs)
    assert len(store.read_layout(cloud.where, "db", "t").parts) == 1200


@pytest.mark.parametrize(
    ("kind", "segment", "value"),
    [
        ("int", "p=007", 7),
        ("bigint", "P=-1", -1),
        ("string", "p=a%3Db%2Fc d+", "a=b/c d+"),
        ("string", "p=", ""),
        ("string", "p=__HIVE_DEFAULT_PARTITION__", None),
        ("int", "p=__HIVE_DEFAULT_PARTITION__", None),
        ("boolean", "p=true", True),
        ("double", "p=1.5", 1.5),
        ("decimal(4,2)", "p=1.5", Decimal("1.50")),
        ("varchar(2)", "p=abc", "ab"),
        ("date", "p=2025-01-02", date(2025, 1, 2)),
        ("timestamp", "p=2025-01-02 03%3A04%3A05", datetime(2025, 1, 2, 3, 4, 5)),
    ],
)
def test_values_of_partitions_in_keys(cloud: Cloud, kind: str, segment: str, value: Any) -> None:
    """For a table that has no partition in Glue."""
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("p", kind)])
    cloud.put(f"t/{segment}/a", "u-1\n")
    assert cloud.read("t", ["p"]) == [{"p": value}]


def test_the_tables_own_location_names_no_partition(cloud: Cloud) -> None:
    cloud.table("p=eu", LAZY, columns=[("viewer", "string")], partitions=[("p", "string")])
    cloud.put("p=eu/p=us/a", "u-1\n")
    assert cloud.read("p=eu", ["viewer", "p"]) == [{"viewer": "u-1", "p": "us"}]


def test_values_of_partitions_that_are_none_of_their_type(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("p", "int")])
    cloud.put("t/p=one/a", "u-1\n")
    with pytest.raises(TableUnreadableError, match="partition p: its value is not one of type int"):
        cloud.read("t", ["p"])
    cloud.s3.delete_object(Bucket="data", Key="t/p=one/a")
    cloud.put("t/a", "u-1\n")
    with pytest.raises(TableUnreadableError, match="the key names no value for partition p"):
        cloud.read("t", ["p"])
    layout = store.read_layout(cloud.where, "db", "t")
    with pytest.raises(glue_tables.TableError, match="a partition has 2 values, the table 1 keys"):
        glue_tables.partition(layout, {"Values": ["1", "2"]})
    assert glue_tables.partition(layout, {"Values": ["1"]}).location == "s3://data/t/p=1/"


# --- names, marks, compression ----------------------------------------------------------------------------------------


def test_names_of_tables_and_columns_fold(cloud: Cloud) -> None:
    cloud.table("people", JSON, columns=[("User_Id", "string"), ("AGE", "Int")])
    cloud.put("people/a", '{"userid": "x", "USER_ID": "u-1", "age": 7}\n')
    layout = store.read_layout(cloud.where, "DB", "People")
    assert store.read_columns(cloud.where, layout, ["age", "user_id"]).to_pylist() == [{"age": 7, "user_id": "u-1"}]
    glue_tables.check_schema(layout, [("USER_ID", "USER_ID"), ("Age", "NUMERICAL_FEATURE")])
    with pytest.raises(glue_tables.TableError, match="two columns of one name"):
        glue_tables.layout(
            {
                "StorageDescriptor": {
                    "Location": "s3://b",
                    "Columns": [{"Name": "a"}, {"Name": "A"}],
                    "SerdeInfo": {"SerializationLibrary": LAZY},
                }
            }
        )


def test_marks_of_folders_are_no_data_and_bz2_is_unpacked(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string")])
    cloud.put("t/2025_$folder$", "x")
    cloud.put("t/a.bz2", bz2.compress(b"u-1\nu-2\n"))
    cloud.put("t/b", b"BZh is text here\n")
    assert [row["viewer"] for row in cloud.read("t", ["viewer"])] == ["u-1", "u-2", "BZh is text here"]
    cloud.put("t/c.bz2", b"BZh9 damaged")
    with pytest.raises(TableUnreadableError, match=r"t/c\.bz2 .*bzip2"):
        cloud.read("t", ["viewer"])


@pytest.mark.parametrize(
    "line",
    [
        '{"user_id": "\\ud800"}',
        "[" * 5000,
        '{"user_id": ' + "9" * 5000 + "}",
        '{"user_id": "a"} {"user_id": "b"}',
        "\xff",
    ],
)
def test_seeds_that_mean_harm(cloud: Cloud, line: str) -> None:
    uri = cloud.put("seed.jsonl", b'\xef\xbb\xbf{"user_id": "u-9"}\n' + line.encode("latin-1"))
    with pytest.raises(SeedUnreadableError, match="line 2"):
        store.read_seed(cloud.where, uri)
