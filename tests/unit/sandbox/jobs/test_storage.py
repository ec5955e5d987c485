"""Every data format through a real S3 and Glue interface (moto), seeds and exports."""

from __future__ import annotations

import bz2
import gzip
import io
import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from sandbox.jobs import glue_tables
from sandbox.jobs import storage as store
from sandbox.jobs.storage import SeedUnreadableError, Storage, TableUnreadableError
from tests.support.glue_and_s3 import COLUMNS, CSV, JSON, LAZY, OPEN, PARQUET, ROWS, Cloud


def parquet(rows: list[tuple[Any, ...]], kinds: list[pa.DataType], **options: Any) -> bytes:
    names = [name for name, _ in COLUMNS][: len(kinds)]
    data = {name: pa.array([row[at] for row in rows], kinds[at]) for at, name in enumerate(names)}
    sink = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(data), sink, **options)
    return sink.getvalue()


KINDS = [pa.string(), pa.string(), pa.int64(), pa.float64()]
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


def test_calls_to_itself_ignore_the_proxies_of_the_environment(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    cloud.table("t", LAZY, serde_settings={"field.delim": ","})
    cloud.put("t/a", CSV)
    apart = Storage(cloud.where.endpoint_url.replace("127.0.0.1", "localhost"), cloud.where.region, cloud.where.account)
    assert len(store.read_columns(apart, store.read_layout(apart, "db", "t"), ["viewer"])) == 3


def test_many_partitions_come_in_pages(cloud: Cloud) -> None:
    cloud.table("t", LAZY, columns=[("viewer", "string")], partitions=[("n", "bigint")])
    for number in range(0, 1200, 100):
        inputs = [
            {"Values": [str(each)], "StorageDescriptor": {"Location": f"s3://data/t/{each}/"}}
            for each in range(number, number + 100)
        ]
        cloud.glue.batch_create_partition(DatabaseName="db", TableName="t", PartitionInputList=inputs)
    assert len(store.read_layout(cloud.where, "db", "t").parts) == 1200


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
