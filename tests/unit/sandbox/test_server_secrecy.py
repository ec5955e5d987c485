"""Values of people's data stay in the data: of no error they reach a statusDetails, an answer or a log.

Each case puts recognisable values where a format or a query breaks, and has the worker of the sandbox fail by it.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from sandbox import described
from sandbox.cleanroomsml import workers
from sandbox.jobs import glue_tables, model_files, training_data, worker
from sandbox.jobs.storage import Storage
from sandbox.jobs.worker import JobFailed
from tests.support.glue_and_s3 import JSON, LAZY, OPEN, PARQUET, Cloud, account, server
from tests.support.sandbox_account import World

__all__ = ["server"]

HIVE = "org.apache.hive.hcatalog.data.JsonSerDe"
NAME, NUMBER = "Ottilie.Zwack", 918273645546372819
BOUND = (("who", "Kunigunde.Pfister"), ("number", "564738291564738291"))
"""Parameters of queries, other than what is in the data, so that hiding the one can't hide the other."""
VALUES = ("ottilie", "zwack", "9182736455", "kunigunde", "pfister", "5647382915")
"""Parts of the values that no message may have, in whatever case."""

STRINGS = [("user_id", "string"), ("item_id", "string"), ("timestamp", "bigint")]
NUMBERS = [("user_id", "int"), ("item_id", "string"), ("timestamp", "timestamp")]
SCHEMA = (("user_id", "USER_ID"), ("item_id", "ITEM_ID"), ("timestamp", "TIMESTAMP"))


def columns(users: pa.Array, **options: Any) -> bytes:
    sink = io.BytesIO()
    rest = {"item_id": pa.array(["i"] * len(users)), "timestamp": pa.array([1] * len(users), pa.timestamp("us"))}
    pyarrow.parquet.write_table(pa.table({"user_id": users, **rest}), sink, **options)
    return sink.getvalue()


def times(at: pa.Array) -> bytes:
    sink = io.BytesIO()
    rest = {"user_id": pa.array([1] * len(at)), "item_id": pa.array([NAME] * len(at))}
    pyarrow.parquet.write_table(pa.table({**rest, "timestamp": at}), sink)
    return sink.getvalue()


STORED = gzip.compress(f"{NAME},i,1\n".encode() * 99, compresslevel=0)
TABLES: dict[str, tuple[str, list[tuple[str, str]], bytes]] = {
    "lazy: not UTF-8": (LAZY, STRINGS, f"{NAME}\xff,i,1\n".encode("latin-1")),
    "lazy: UTF-16": (LAZY, STRINGS, f"{NAME},i,1\n".encode("utf-16")),
    "lazy: no time": (LAZY, STRINGS, f"{NAME},i,{NAME}\n".encode()),
    "lazy: number out of range": (LAZY, NUMBERS, f"{NUMBER},i,2025-01-01\n".encode()),
    "lazy: gzip cut": (LAZY, STRINGS, STORED[:-20]),
    "lazy: gzip damaged": (LAZY, STRINGS, STORED[:30] + b"\0\0" + STORED[32:]),
    "csv: no number": (OPEN, NUMBERS, f"{NAME},i,1\n".encode()),
    "csv: number out of range": (OPEN, NUMBERS, f"{NUMBER},i,1\n".encode()),
    "csv: no time": (OPEN, NUMBERS, f"1,i,{NAME}\n".encode()),
    "csv: not UTF-8": (OPEN, STRINGS, f'"{NAME}\xff",i,1\n'.encode("latin-1")),
    **{
        f"{label}: {what}": (serde, NUMBERS, text.encode())
        for label, serde in (("openx", JSON), ("hive", HIVE))
        for what, text in {
            "no number": f'{{"user_id": "{NAME}"}}',
            "number out of range": f'{{"user_id": {NUMBER}}}',
            "no time": f'{{"user_id": 1, "timestamp": "{NAME}"}}',
            "malformed": f'{{"user_id": "{NAME}',
            "text after it": f'{{"user_id": 1}} {NAME}',
            "key twice": f'{{"{NAME}": 1, "{NAME}": {NUMBER}}}',
            "half a pair": f'{{"user_id": 1, "item_id": "{NAME}\\ud800"}}',
            "an array": f'{{"user_id": ["{NAME}"]}}',
            "null id": f'{{"user_id": null, "item_id": "{NAME}"}}',
            "not an object": f'"{NAME}"',
        }.items()
    },
    "parquet: out of range": (PARQUET, NUMBERS, columns(pa.array([1, NUMBER]))),
    "parquet: unsigned": (PARQUET, [("user_id", "bigint"), *NUMBERS[1:]], columns(pa.array([2**63], pa.uint64()))),
    "parquet: decimal": (PARQUET, NUMBERS, columns(pa.array([Decimal(NUMBER)], pa.decimal128(20, 0)))),
    "parquet: another type": (PARQUET, NUMBERS, columns(pa.array([NAME]))),
    "parquet: not UTF-8": (PARQUET, STRINGS, columns(pa.array([NAME.encode() + b"\xff"]))),
    "parquet: struct": (PARQUET, STRINGS, columns(pa.array([{"x": NAME}]))),
    "parquet: time out of range": (PARQUET, NUMBERS, times(pa.array([NUMBER], pa.timestamp("ms")))),
    "parquet: text as time": (PARQUET, NUMBERS, times(pa.array([NAME]))),
    "parquet: cut": (PARQUET, STRINGS, columns(pa.array([NAME]))[:-9]),
    "parquet: damaged": (
        PARQUET,
        STRINGS,
        columns(pa.array([NAME] * 9), compression="none", use_dictionary=False).replace(b"\x15", b"\x16", 1),
    ),
    "parquet: ZSTD": (PARQUET, STRINGS, columns(pa.array([NAME]), compression="zstd")),
    "parquet: text": (PARQUET, STRINGS, f"PAR1{NAME}PAR1".encode()),
}

SEEDS: dict[str, bytes] = {
    "not JSON": f'{{"user_id": "{NAME}'.encode(),
    "bare": NAME.encode(),
    "not UTF-8": f'{{"user_id": "{NAME}\xff"}}'.encode("latin-1"),
    "UTF-16": f'{{"user_id": "{NAME}"}}'.encode("utf-16"),
    "UTF-32": f'{{"user_id": "{NAME}"}}'.encode("utf-32-le"),
    "key twice": f'{{"user_id": "{NAME}", "user_id": {NUMBER}}}'.encode(),
    "half a pair": f'{{"user_id": "{NAME}\\ud800"}}'.encode(),
    "a real": f'{{"user_id": {NUMBER}.5}}'.encode(),
    "a list": f'["{NAME}"]'.encode(),
    "another key": f'{{"{NAME}": "{NAME}"}}'.encode(),
    "an object": f'{{"user_id": {{"x": "{NAME}"}}}}'.encode(),
    "gzip cut": STORED[:-20],
    "gzip damaged": STORED[:30] + b"\0\0" + STORED[32:],
    "a long number": b'{"user_id": ' + str(NUMBER).encode() * 300 + b"}",
}

QUERIES = [
    "SELECT user_id::INT FROM people",
    "SELECT user_id::DATE FROM people",
    "SELECT user_id::TIMESTAMP FROM people",
    "SELECT user_id::UUID FROM people",
    "SELECT user_id::DECIMAL(5, 2) FROM people",
    "SELECT user_id::INTERVAL FROM people",
    "SELECT user_id::BOOLEAN FROM people",
    "SELECT user_id::BIT FROM people",
    "SELECT user_id::INT[] FROM people",
    "SELECT user_id::ENUM('x') FROM people",
    "SELECT user_id FROM people WHERE user_id = 7",
    "SELECT user_id FROM people WHERE user_id + 1 > 7",
    "SELECT strptime(user_id, '%Y') FROM people",
    "SELECT error(user_id) FROM people",
    "SELECT regexp_matches('x', '(' || user_id) FROM people",
    "SELECT '{}'::JSON -> ('$[' || user_id) FROM people",
    "SELECT user_id::JSON FROM people",
    "SELECT json_extract(user_id, '$.x') FROM people",
    "SELECT n * n FROM people",
    "SELECT n::TINYINT FROM people",
    "SELECT make_date(n, n, n) FROM people",
    "SELECT factorial(n::INT) FROM people",
    "SELECT chr(n::INT) FROM people",
    "SELECT date_trunc(user_id, TIMESTAMP '2025-01-01') FROM people",
    "SELECT date_part(user_id, TIMESTAMP '2025-01-01') FROM people",
    "SELECT format(user_id || '{', 1) FROM people",
    "SELECT encode(user_id)::INT FROM people",
    "SELECT from_base64(user_id) FROM people",
    "SELECT unhex(user_id) FROM people",
    "SELECT nextval(user_id) FROM people",
    "SELECT current_setting(user_id) FROM people",
    "SELECT (SELECT user_id FROM (SELECT user_id FROM people UNION ALL SELECT 'x')) FROM people",
    "SELECT {<quoted>: 1}, 1 FROM people",
    "SELECT {<quoted>: 1} AS user_id FROM people",
    "SELECT user_id FROM people WHERE user_id = <quoted>",
    "SELECT user_id FROM people 'x' <text>",
    "SELECT <text>::INT",
    "SELECT * FROM read_csv(<text>)",
    "SELECT nosuch(<text>) FROM people",
    "SELECT user_id FROM people WHERE n > <text>::INT",
    "SELECT user_id FROM people WHERE user_id COLLATE <quoted> = 'x'",
    "SELECT user_id::<quoted> FROM people",
    "SELECT people.<quoted> FROM people",
    "SELECT <quoted>.user_id FROM people",
    "SELECT :who::INT FROM people",
    "SELECT user_id FROM people WHERE n = :who",
    "SELECT user_id FROM people WHERE n = :number::INT",
    "SELECT strptime(:who, :who)",
]


@pytest.fixture(scope="module")
def cloud(server: Storage) -> Iterator[Cloud]:
    """One account for all cases of tables and seeds: each case has its own table, or writes the seed anew."""
    with account(replace(server, account="666666666666"), "data-of-666666666666") as made:
        yield made


@pytest.fixture(scope="module")
def people(server: Storage) -> Iterator[Cloud]:
    """An account with the one table that the queries read."""
    with account(replace(server, account="777777777777"), "data-of-777777777777") as made:
        made.table("people", JSON, columns=[("user_id", "string"), ("n", "bigint")])
        made.put("people/a", json.dumps({"user_id": NAME, "n": NUMBER}))
        yield made


def requested(cloud: Cloud, path: Path, table: str) -> worker.TrainRequest:
    return worker.TrainRequest(cloud.where, "db", table, SCHEMA, None, None, str(path), 2, 2, 7)


def generated(cloud: Cloud, path: Path, uri: str | None, query: str | None = None) -> worker.GenerateRequest:
    return worker.GenerateRequest(
        cloud.where, str(path), uri, query, BOUND if query else (), 2, "ABSOLUTE", (1,), True, str(path / "audience"), 7
    )


def require_nothing_said(failed: JobFailed, log: pytest.LogCaptureFixture) -> None:
    said = f"{failed.status_code} {failed.message}\n" + "\n".join(logged(log))
    assert not [each for each in VALUES if each in said.lower()], said


def logged(log: pytest.LogCaptureFixture) -> Iterator[str]:
    """What has been logged, but for the requests to the emulated AWS, whose addresses have the keys of objects."""
    return (log.handler.format(each) for each in log.records if each.name != "werkzeug")


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_cannot_be_read(
    cloud: Cloud, case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    serde, kinds, body = TABLES[case]
    table = f"t{list(TABLES).index(case)}"
    cloud.table(table, serde, columns=kinds)
    cloud.put(f"{table}/a", body)
    caplog.set_level(logging.INFO)
    with pytest.raises(JobFailed) as caught:
        worker.train_audience_model(requested(cloud, tmp_path, table))
    assert caught.value.status_code == "TRAINING_DATA_READ_FAILED"
    require_nothing_said(caught.value, caplog)
    assert not [each for each in VALUES if each in "".join(capfd.readouterr()).lower()]


def seeded(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model is needed where the seed cannot be read."""
    monkeypatch.setattr(model_files, "load_model", lambda _: ([], None))


@pytest.mark.parametrize("case", SEEDS)
def test_a_seed_that_cannot_be_read(
    cloud: Cloud, case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded(monkeypatch)
    uri = cloud.put("seed", b'{"user_id": "u-1"}\n' + SEEDS[case] if SEEDS[case][:1] in b'{["O' else SEEDS[case])
    with pytest.raises(JobFailed) as caught:
        worker.generate_audience(generated(cloud, tmp_path, uri))
    assert caught.value.status_code == "SEED_READ_FAILED"
    require_nothing_said(caught.value, caplog)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_that_fails(
    people: Cloud, query: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded(monkeypatch)
    written = query.replace("<quoted>", f'"{NAME}"').replace("<text>", f"'{NAME}'")
    with pytest.raises(JobFailed) as caught:
        worker.generate_audience(generated(people, tmp_path, None, written))
    assert caught.value.status_code == "SEED_READ_FAILED"
    require_nothing_said(caught.value, caplog)


@given(st.text(st.characters(codec="utf-8", categories=["L"]), min_size=6))
@pytest.mark.parametrize("serde", ["LazySimpleSerDe", "OpenCSVSerDe", "OpenX JSON SerDe", "Hive JSON SerDe", "Parquet"])
def test_whatever_the_value(serde: str, value: str) -> None:
    described_by = {"user": "int", "at": "timestamp"}
    bodies = {
        "LazySimpleSerDe": f"{value},1\n".encode("utf-16"),
        "OpenCSVSerDe": f'"{value}",1\n'.encode(),
        "OpenX JSON SerDe": json.dumps({"user": value}).encode(),
        "Hive JSON SerDe": json.dumps({"at": value}).encode(),
        "Parquet": columns(pa.array([value])),
    }
    layout = glue_tables.Layout("s3://data/t/", serde, {**described_by, "user_id": "int"}, {})
    with pytest.raises(glue_tables.TableError) as caught:
        glue_tables.decode(bodies[serde], "t/a", layout, ["user_id"] if serde == "Parquet" else ["user", "at"])
    assert value not in str(caught.value)


@pytest.mark.parametrize("error", [pa.ArrowInvalid, ValueError, OSError, KeyError, UnicodeDecodeError])
def test_words_of_a_library_are_left_out(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """Whatever a library may come to say of a file in another release."""

    def read(*_: object) -> pa.Table:
        raise error("utf-8", NAME.encode(), 0, 1, NAME) if error is UnicodeDecodeError else error(NAME)

    monkeypatch.setitem(glue_tables._READERS, "Parquet", read)
    layout = glue_tables.Layout("s3://data/t/", "Parquet", {"user": "int"}, {})
    with pytest.raises(glue_tables.TableError) as caught:
        glue_tables.decode(b"", "t/a", layout, ["user"])
    assert str(caught.value) == f"object t/a is not readable by Parquet ({error.__name__})"


# --- what was not foreseen --------------------------------------------------------------------------------------------


def broken(*_: object) -> None:
    raise KeyError(NAME)


def test_an_unforeseen_error_is_described_by_type_and_line() -> None:
    with pytest.raises(KeyError) as caught:
        broken()
    said = described(caught.value)
    assert said.startswith(f"KeyError at {__file__}:")
    assert NAME not in said
    assert described(ValueError(NAME)) == "ValueError; this is a defect of the sandbox, please report it"


@pytest.mark.skipif(sys.flags.dev_mode, reason="developers see the traceback")
def test_an_unforeseen_error_of_a_worker_leaves_without_its_message(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training_data, "read", broken)
    request = requested(cloud, tmp_path, "t")
    fields = {name: getattr(request, name) for name in request.__dataclass_fields__}
    storage = {name: getattr(cloud.where, name) for name in cloud.where.__dataclass_fields__}
    job = workers.Job("train_audience_model", "TrainRequest", fields | {"storage": storage})
    failure = workers._perform("sandbox.jobs.worker", job)
    assert isinstance(failure, workers.Failure)
    assert failure.status_code == "INTERNAL_ERROR"
    assert failure.message.startswith("KeyError at ")
    assert NAME not in failure.message


@pytest.mark.skipif(sys.flags.dev_mode, reason="developers see the traceback")
def test_unforeseen_errors_of_a_request_and_of_a_resource(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.cleanroomsml.gateway.perform", broken)
    with pytest.raises(ClientError, match="see the sandbox's log"):
        world.dataset()
    monkeypatch.undo()

    async def run(*_: object) -> None:
        broken()

    monkeypatch.setattr(workers.Workers, "run", run)
    seen = world.until_model(world.model())
    assert seen["statusDetails"]["statusCode"] == "INTERNAL_ERROR"
    said = "\n".join(logged(caplog)) + str(seen["statusDetails"])
    assert NAME not in said
    assert said.count("KeyError at ") == 3
