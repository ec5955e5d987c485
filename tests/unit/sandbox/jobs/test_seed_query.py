"""Seeds given as SQL: which users a query means, what it can read, and what is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs import seed_query
from sandbox.jobs import storage as store
from sandbox.jobs.storage import SeedUnreadableError, Storage, TableUnreadableError
from tests.support.glue_and_s3 import CSV, JSON, LAZY, PARQUET, Cloud, account


def provide(cloud: Cloud) -> Cloud:
    """Two tables: who saw what, and how old people are."""
    cloud.table("seen", LAZY)
    cloud.put("seen/a", CSV)
    cloud.table("people", JSON, columns=[("user_id", "string"), ("age", "int")])
    cloud.put("people/a", '{"user_id": "u-1", "age": 30}\n{"user_id": "u-2", "age": 50}\n{"age": 51}\n')
    return cloud


@pytest.fixture(scope="module")
def queried(server: Storage) -> Iterator[Cloud]:
    """An account with the two tables, for tests that only read it."""
    with account(replace(server, account="555555555555"), "data-of-555555555555") as cloud:
        yield provide(cloud)


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
        ("SELECT name AS user_id FROM duckdb_settings()", "table function is disabled; only Glue tables and gen"),
        ("SELECT x.view_name FROM (SELECT * FROM duckdb_views()) x", "table function is disabled"),
        ("SELECT * FROM pragma_table_info('people')", "table function is disabled"),
        ("SELECT * FROM query('SELECT 1')", "table function is disabled"),
        ("DESCRIBE people", "DESCRIBE, SHOW and SUMMARIZE are disabled"),
        ("SELECT column_name FROM (DESCRIBE people)", "DESCRIBE, SHOW and SUMMARIZE are disabled"),
        ("SUMMARIZE people", "DESCRIBE, SHOW and SUMMARIZE are disabled"),
        ("SHOW TABLES", "DESCRIBE, SHOW and SUMMARIZE are disabled"),
        ("SELECT Current_Setting('threads')", "read DuckDB's settings are disabled"),
        ("SELECT ''", "a user id is empty; leave such rows out"),
        ("SELECT user_id FROM people UNION ALL SELECT ''", "a user id is empty; leave such rows out"),
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


def test_an_ambiguous_table_needs_its_database(cloud: Cloud) -> None:
    queried = provide(cloud)
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
        ("SELECT range AS user_id FROM range(2)", ["0", "1"]),
        ("SELECT x FROM unnest(['a', NULL]) t(x)", ["a"]),
        ("SELECT unnest(['a', 'b']) AS user_id", ["a", "b"]),
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
def test_a_database_may_have_the_name_of_one_of_duckdbs_own(cloud: Cloud, database: str) -> None:
    queried = provide(cloud)
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
