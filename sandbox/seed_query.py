"""A seed given as SQL: the query runs in an in-memory DuckDB over the Glue tables it names.

AWS runs such a query in Clean Rooms; here ``database.table``, or ``table`` alone when one database has it, is a Glue
table. Parameters are written ``:name`` and bound as text, never pasted. The query can read nothing else: external
access (files, network, extensions) is off, the configuration locked, and one SELECT is all it may be.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import duckdb
import pyarrow as pa

from sandbox import storage as store
from sandbox.storage import SeedUnreadableError, Storage

_TOKENS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|::|:(?P<name>[0-9a-zA-Z_]+)""", re.DOTALL)
_NAME = re.compile(r'"((?:[^"]|"")*)"|([^."]+)')
_LIMITS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "threads": "2",
    "memory_limit": "1GB",
}


def run(storage: Storage, query: str, parameters: Sequence[tuple[str, str]]) -> list[str]:
    """Return the query's users: its ``user_id`` column or else its first, without nulls and repeats, ascending.

    Raises:
        SeedUnreadableError: the SQL is wrong or not one SELECT, or it names an unknown table.
        TableUnreadableError: a table which it names cannot be read.
    """
    names = dict(parameters)
    used = {match["name"] for match in _TOKENS.finditer(query)} & names.keys()
    bound = {f"p_{name}": names[name] for name in sorted(used)}
    with duckdb.connect(":memory:", config=_LIMITS) as connection:
        try:
            wanted = _tables_of(connection, with_parameters(query, names, lambda _: "NULL"))
            for number, (written, location) in enumerate(_located(storage, wanted).items()):
                _mount(storage, connection, f"glue_{number}", written, location)
            connection.execute("SET lock_configuration = true")
            final = with_parameters(query, names, lambda name: f"$p_{name}")
            relation = connection.sql(final, params=bound or None)
            rows = relation.to_arrow_table()
        except duckdb.Error as error:
            raise SeedUnreadableError(f"seed query: {_without_values(error, names)}") from None
    column = rows.column("user_id" if "user_id" in rows.column_names else 0)
    return sorted({str(user) for user in column.cast(pa.string()).to_pylist() if user})


def with_parameters(query: str, known: Sequence[str] | dict[str, str], replace: Callable[[str], str]) -> str:
    """Replace every ``:name`` of a known parameter outside of quotes, comments and ``::`` casts."""

    def substitute(match: re.Match[str]) -> str:
        name = match["name"]
        return replace(name) if name in known else match[0]

    return _TOKENS.sub(substitute, query)


def _tables_of(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[str, ...]]:
    """Tables which a query reads, each as (table,) or (database, table)."""
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SeedUnreadableError("seed query: it must be one SELECT statement")
    return [_name_parts(name) for name in sorted(connection.get_table_names(query, qualified=True))]


def _name_parts(written: str) -> tuple[str, ...]:
    """Parts of a dotted name, quotes removed."""
    return tuple(quoted.replace('""', '"') or plain for quoted, plain in _NAME.findall(written))


def _located(storage: Storage, wanted: Sequence[tuple[str, ...]]) -> dict[tuple[str, ...], tuple[str, str]]:
    """Find the Glue table, (database, table), of each name."""
    known = _glue_tables(storage) if wanted else []
    found: dict[tuple[str, ...], tuple[str, str]] = {}
    for name in wanted:
        lowered = tuple(part.lower() for part in name)
        matches = [place for place in known if lowered in {place, place[-1:]}]
        if len(matches) != 1:
            problem = "is in several Glue databases" if matches else "is not in Glue"
            raise SeedUnreadableError(f"seed query: table {'.'.join(name)} {problem}")
        found[name] = matches[0]
    return found


def _glue_tables(storage: Storage) -> list[tuple[str, str]]:
    glue = store.client(storage, "glue")
    places = []
    try:
        for page in glue.get_paginator("get_databases").paginate():
            for database in page["DatabaseList"]:
                for tables in glue.get_paginator("get_tables").paginate(DatabaseName=database["Name"]):
                    places += [(database["Name"], table["Name"]) for table in tables["TableList"]]
    except store.AWS_ERRORS as error:
        raise SeedUnreadableError(f"seed query: {error}") from error
    return places


def _mount(
    storage: Storage,
    connection: duckdb.DuckDBPyConnection,
    alias: str,
    written: tuple[str, ...],
    location: tuple[str, str],
) -> None:
    """Offer a Glue table to the query under the name the query uses."""
    layout = store.read_layout(storage, *location)
    connection.register(alias, store.read_columns(storage, layout, list(layout.all_columns)))
    quoted = ['"' + part.replace('"', '""') + '"' for part in written]
    if len(quoted) > 1:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted[0]}")
    connection.execute(f"CREATE VIEW {'.'.join(quoted)} AS SELECT * FROM {alias}")  # noqa: S608 - quoted above


def _without_values(error: Exception, parameters: dict[str, str]) -> str:
    """First line of an error; parameter values, which the API marks as sensitive, become their names."""
    line = (str(error) or type(error).__name__).splitlines()[0]
    for name, value in sorted(parameters.items(), key=lambda pair: -len(pair[1])):
        line = line.replace(value, f":{name}") if value else line
    return line
