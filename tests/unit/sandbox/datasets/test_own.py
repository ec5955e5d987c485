"""Your own data: what of a file is kept, what is refused and how, and a model that trains on it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from moto.server import ThreadedMotoServer

from sandbox.cleanroomsml.options import MINIMUM_SIZES
from sandbox.datasets import own
from sandbox.datasets.own import COLUMNS, DATABASE, LoadError, campaign, interactions, load_command, seed_users
from sandbox.jobs import storage, training_data
from sandbox.jobs.storage import Storage
from sandbox.jobs.training_data import Window
from service.operator.commands.documents import parse


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield server.get_host_and_port()[1]
    server.stop()


def written(folder: Path, name: str, content: str) -> Path:
    file = folder / name
    file.write_text(content, encoding="utf-8")
    return file


MOMENT = 1_700_000_000
TEXT = datetime.fromtimestamp(MOMENT, UTC).isoformat()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", f"who,what,when\nu1,7,{MOMENT}\n"),
        ("a.csv", f"who,what,when,more\nu1,7,{MOMENT}.9,x\n"),
        ("a.csv", f"who,what,when\nu1,7,{TEXT}\n"),
        ("a.csv", f"who,what,when\nu1,7,{TEXT.removesuffix('+00:00')}\n"),
        ("a.jsonl", json.dumps({"who": "u1", "what": 7, "when": MOMENT}) + "\n"),
        ("a.ndjson", json.dumps({"who": "u1", "what": "7", "when": TEXT}) + "\n"),
    ],
)
def test_three_columns_are_kept_whatever_the_form(tmp_path: Path, name: str, content: str) -> None:
    table = interactions(written(tmp_path, name, content), "who", "what", "when")
    assert table.to_pylist() == [{"user_id": "u1", "item_id": "7", "timestamp": MOMENT}]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "Europe/Rome"])
def test_timestamps_of_parquet(tmp_path: Path, unit: str, zone: str | None) -> None:
    moment = datetime.fromtimestamp(MOMENT, UTC)
    times = pa.array([moment if zone else moment.replace(tzinfo=None)]).cast(pa.timestamp(unit, tz=zone))
    pyarrow.parquet.write_table(pa.table({"user_id": [1], "item_id": [2], "timestamp": times}), tmp_path / "a.parquet")
    table = interactions(tmp_path / "a.parquet", "user_id", "item_id", "timestamp")
    assert table.to_pylist() == [{"user_id": "1", "item_id": "2", "timestamp": MOMENT}]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.xlsx", "", "found the ending '.xlsx'; expected .csv"),
        (
            "a.csv",
            "user_id,thing,timestamp\nu,1,1\n",
            "--item: found no column item_id in a.csv; expected one of",
        ),
        (
            "a.csv",
            "user_id,item_id,timestamp\nu,1,\nu,1,1\n",
            "--time: row 1 of a.csv has no value in column timestamp; expected ISO 8601",
        ),
        (
            "a.csv",
            "user_id,item_id,timestamp\nu,1,soon\n",
            "--time: row 1 of a.csv has 'soon' in column timestamp; expected ISO 8601",
        ),
        ("a.csv", "user_id,item_id,timestamp\nu,1,true\n", "is bool; expected ISO 8601"),
        ("a.csv", f"user_id,item_id,timestamp\nu,1,{MOMENT}000\n", "expected seconds since 1970, not milliseconds"),
        (
            "a.csv",
            "user_id,item_id,timestamp\nu,1,nan\nu,1,1.5\n",
            "row 1 of a.csv has nan in column timestamp; expected seconds",
        ),
        ("a.csv", "user_id,item_id,timestamp\n", "a.csv: found no rows"),
        ("a.csv", "user_id,user_id,item_id,timestamp\nu,v,1,1\n", "--user: found 2 columns user_id"),
        (
            "a.csv",
            'user_id,item_id,timestamp\n"",1,1\n',
            "--user: row 1 of a.csv has no value in column user_id; expected an id",
        ),
        (
            "a.csv",
            "user_id,item_id,timestamp\nu,1,1\n,1,1\n,2,2\n",
            "row 2 of a.csv has no value in column user_id, and so",
        ),
        ("a.csv", "user_id,item_id,timestamp\nu,1,1\nu,,1\n", "--item: row 2 of a.csv has no value in column item_id;"),
        (
            "a.csv",
            'user_id,item_id,timestamp\nu,1,1\n"  ",1,1\n',
            "row 2 of a.csv has '  ' in column user_id; expected an",
        ),
        (
            "a.jsonl",
            '{"user_id": "", "item_id": 1, "timestamp": 1}\n',
            "row 1 of a.jsonl has no value in column user_id",
        ),
        (
            "a.jsonl",
            '{"user_id": "u", "timestamp": 1}\n{"user_id": "u", "item_id": 1, "timestamp": 1}\n',
            "--item: row 1",
        ),
        ("a.jsonl", '{"user_id": 12345678901234567890, "item_id": 1, "timestamp": 1}\n', "and may lack digits"),
    ],
)
def test_what_can_t_be_used_is_refused_with_what_was_expected(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(LoadError) as refused:
        interactions(written(tmp_path, name, content), "user_id", "item_id", "timestamp")
    assert said in str(refused.value)


@pytest.mark.parametrize("column", ["user_id", "item_id"])
@pytest.mark.parametrize("empty", [None, "", " \t"])
def test_an_empty_id_is_no_id(tmp_path: Path, column: str, empty: str | None) -> None:
    columns = {"user_id": ["a", "b"], "item_id": ["1", "2"], "timestamp": [1, 2], column: ["x", empty]}
    pyarrow.parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(LoadError, match=f"row 2 of a.parquet has .* in column {column}; expected an id"):
        interactions(tmp_path / "a.parquet", "user_id", "item_id", "timestamp")


GOOD = "2026-04-14T17:19:00"


@pytest.mark.parametrize("good", [GOOD, f"{GOOD}Z", f"{GOOD}+02:00", "2026-04-14"])
@pytest.mark.parametrize("bad", ["31/12/2026", "2026-13-01", "", "yesterday", "2026-04-14T25:00:00Z"])
@pytest.mark.parametrize("row", [1, 8, 20])
def test_the_value_that_is_wrong_is_the_one_that_is_named(tmp_path: Path, good: str, bad: str, row: int) -> None:
    times = [good] * 20
    times[row - 1] = bad
    content = "user_id,item_id,timestamp\n" + "".join(f"u,1,{each}\n" for each in times)
    found = repr(bad) if bad else "no value"
    with pytest.raises(
        LoadError, match=re.escape(f"--time: row {row} of a.csv has {found} in column timestamp;")
    ) as said:
        interactions(written(tmp_path, "a.csv", content), "user_id", "item_id", "timestamp")
    assert "such as 2026-12-31T17:19:00" in str(said.value)
    assert str(said.value).endswith("nothing was loaded")
    assert "cast" not in str(said.value)


@pytest.mark.parametrize(
    ("times", "said"),
    [
        ((str(MOMENT), "31/12/2026", str(MOMENT)), "row 2 of a.csv has '31/12/2026'"),
        ((GOOD, str(MOMENT), GOOD), f"row 2 of a.csv has '{MOMENT}' in column timestamp; expected ISO 8601 as in the"),
    ],
)
def test_a_number_beside_a_wrong_text_is_not_to_blame(tmp_path: Path, times: tuple[str, ...], said: str) -> None:
    content = "user_id,item_id,timestamp\n" + "".join(f"u,1,{each}\n" for each in times)
    with pytest.raises(LoadError, match=re.escape(said)):
        interactions(written(tmp_path, "a.csv", content), "user_id", "item_id", "timestamp")


def test_what_is_demanded_is_what_the_sandbox_demands() -> None:
    assert {"aws": own._FEWEST, "demo": own._FEWEST_HERE} == MINIMUM_SIZES


def people(count: int, rows: int) -> pa.Table:
    ids = [str(number % count) for number in range(rows)]
    return pa.table({"user_id": ids, "item_id": ids, "timestamp": [1] * rows})


@pytest.mark.parametrize(
    ("table", "seeds", "said"),
    [
        (people(3, 49), 0, "Training will fail: the sandbox demands 100 and 1,000; found 3 people with two"),
        (people(99, 5000), 0, "Training will fail"),
        (people(999, 999), 0, "found 0 people with two interactions or more, and 999 interactions in all"),
        (people(100, 1000), 0, "AWS itself demands 100,000 and 1,000,000; found 100 people"),
        (people(100, 1000), 103, "Of the seed's 103 people, 3 have no interaction."),
        (people(100, 1000), 24, "will fail: it demands 25 people of the seed with interactions"),
    ],
)
def test_what_will_fail_is_said_when_it_is_loaded(table: pa.Table, seeds: int, said: str) -> None:
    shown = own.summary("shop", table, [str(each) for each in range(seeds)], None)
    assert said in shown
    assert ("will fail" in shown) == ("will fail" in said or "found 0" in said)


@pytest.mark.parametrize(
    "ids",
    [
        ["007", "7"],
        ["12345678901234567890", "12345678901234567891"],
        ["1", "1.0", "1e0"],
        ["NA", "null"],
        ["true", "True"],
        ["2024-01-01", "2024-01-01 00:00:00"],
    ],
    ids=lambda ids: ids[0],
)
def test_ids_that_differ_stay_different(tmp_path: Path, ids: list[str]) -> None:
    rows = "".join(f"{each},{each},{MOMENT}\n" for each in ids)
    table = interactions(
        written(tmp_path, "a.csv", f"user_id,item_id,timestamp\n{rows}"), "user_id", "item_id", "timestamp"
    )
    assert table.column("user_id").to_pylist() == table.column("item_id").to_pylist() == ids


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_times_in_text_may_differ_in_form(tmp_path: Path, kind: pa.DataType) -> None:
    texts = [
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00.123456789",
        "2024-01-01T00:00:00Z",
        "2024-01-01T02:00:00+02:00",
        "2023-12-31T19:00:00-0500",
    ]
    each = pa.array(map(str, range(len(texts))))
    table = pa.table({"user_id": each, "item_id": each, "timestamp": pa.array(texts, kind)})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    loaded = interactions(tmp_path / "a.parquet", "user_id", "item_id", "timestamp")
    assert set(loaded.column("timestamp").to_pylist()) == {int(datetime(2024, 1, 1, tzinfo=UTC).timestamp())}


PEOPLE = pa.table({"user_id": ["a", "b"], "item_id": ["1", "1"], "timestamp": [1, 2]})


@pytest.mark.parametrize("content", ["b\na\nb\n\n", '{"user_id": "b"}\n{"user_id": "a"}\n'])
def test_a_seed_is_a_list_of_ids_or_json_lines(tmp_path: Path, content: str) -> None:
    assert seed_users(written(tmp_path, "seed", content), PEOPLE) == ["b", "a"]


@pytest.mark.parametrize(
    ("content", "said"), [("\n", "found 0 user ids"), ("z\n", "none of its 1 user ids"), ('{"id": 1}', "user_id")]
)
def test_a_seed_without_a_known_person_is_refused(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises(LoadError, match=said):
        seed_users(written(tmp_path, "seed", content), PEOPLE)


def test_what_was_loaded_is_what_a_model_trains_on(
    tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    random = Random(1)
    rows = [(f"u{random.randrange(40)}", f"i{random.randrange(20)}", MOMENT + step) for step in range(500)]
    file = written(
        tmp_path, "My Shop.csv", "who,what,when\n" + "".join(f"{who},{what},{when}\n" for who, what, when in rows)
    )
    seed, chain = written(tmp_path, "seed.txt", "u1\nu2\n"), tmp_path / "chain.yaml"
    for _ in range(2):  # loading it again replaces it
        load_command(file, user="who", item="what", time="when", seed=seed, chain=chain, port=port)
    shown = capsys.readouterr().out
    assert "Loaded 500 interactions of 40 people." in shown
    assert f"Glue table {DATABASE}.my_shop" in shown
    assert "Training will fail: the sandbox demands 100 and 1,000; found 40 people" in shown
    place = Storage(f"http://127.0.0.1:{port}", own.REGION, own.ACCOUNT)
    data = training_data.read(place, DATABASE, "my_shop", COLUMNS, Window())
    assert (len(data.users), len(data.interactions.users)) == (40, 500)
    assert storage.read_seed(place, f"s3://{own.BUCKET}/seed/my_shop.jsonl") == ["u1", "u2"]
    assert chain.read_text() == campaign("my_shop")


@pytest.mark.parametrize("name", ["shop", "1e3", "007", "true"])
def test_each_command_of_the_campaign_names_an_earlier_one(name: str) -> None:
    commands = parse(campaign(name), {})
    assert len(commands) == 5
    before: set[str] = set()
    for each in commands:
        assert each.data["name"] == name
        named = {value.removeprefix("command:") for value in each.data.values() if str(value).startswith("command:")}
        assert named <= before
        assert bool(named) == bool(before)
        before.add(each.id)


def test_the_line_to_send_it_names_the_interpreter_of_this_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.executable", str(tmp_path / ".venv/bin/python"))
    shown = own.summary("shop", people(100, 1000), [], Path("orders.yaml"))
    assert "`.venv/bin/python -m service send orders.yaml --wait`" in shown


@pytest.mark.parametrize(
    ("options", "said"),
    [({"chain": Path("x")}, "found no --seed"), ({"port": 1}, "did not take it"), ({"user": "x"}, "found no column x")],
)
def test_a_failure_is_a_line(tmp_path: Path, options: dict[str, Any], said: str, port: int) -> None:
    file = written(tmp_path, "a.csv", "user_id,item_id,timestamp\nu,1,1\n")
    with pytest.raises(SystemExit, match=said):
        load_command(file, **{"port": port, **options})


def test_a_file_that_is_not_there_is_named_without_errno(tmp_path: Path, port: int) -> None:
    file = written(tmp_path, "a.csv", "user_id,item_id,timestamp\nu,1,1\n")
    with pytest.raises(SystemExit) as ended:
        load_command(tmp_path / "no.csv", port=port)
    assert str(ended.value) == f"{tmp_path}/no.csv: no such file"
    with pytest.raises(SystemExit) as ended:
        load_command(file, seed=tmp_path / "no.txt", port=port)
    assert str(ended.value) == f"{tmp_path}/no.txt: no such file"
