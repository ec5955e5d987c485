"""A seed given as SQL: the query runs in an in-memory DuckDB over the Glue tables it names.

AWS runs such a query in Clean Rooms; here ``database.table``, or ``table`` alone when one database has it, is a Glue
table. Parameters are written ``:name`` and bound as text, never pasted. The query can read nothing else: external
access (files, network, extensions) is off, the configuration locked, and one SELECT is all it may be.

Its users are its column ``user_id``, in whatever case, or its only column; which of several columns is meant is never
guessed. Of a table the query sees the columns that can be read, so that one of a type which the sandbox does not know
is no hindrance unless it is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from sandbox.jobs import storage as store
from sandbox.jobs.storage import SeedUnreadableError, Storage

_TOKENS = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|::|:(?P<name>[0-9a-zA-Z_]+)""", re.DOTALL)
_LIMITS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "threads": "2",
    "memory_limit": "1GB",
}
Name = tuple[str, ...]
"""(table,) or (database, table), as it is written."""


def run(storage: Storage, query: str, parameters: Sequence[tuple[str, str]]) -> list[str]:
    """Return the query's users, without nulls and repeats, ascending.

    Raises:
        SeedUnreadableError: the SQL is wrong or not one SELECT, it names an unknown table, or its result has no column
            of user ids, or several.
        TableUnreadableError: a table which it names cannot be read.
    """
    names = dict(parameters)
    used = {match["name"] for match in _TOKENS.finditer(query)} & names.keys()
    bound = {f"p_{name}": names[name] for name in sorted(used)}
    unread: dict[str, str] = {}
    with duckdb.connect(":memory:", config=_LIMITS) as connection:
        try:
            wanted, optional = _tables_of(connection, with_parameters(query, names, lambda _: "NULL"))
            for number, (written, location) in enumerate(_located(storage, wanted, optional).items()):
                unread |= _mount(storage, connection, f"glue_{number}", written, location)
            connection.execute("SET lock_configuration = true")
            final = with_parameters(query, names, lambda name: f"$p_{name}")
            relation = connection.sql(final, params=bound or None)
            rows = relation.to_arrow_table()
        except duckdb.Error as error:
            raise SeedUnreadableError(f"seed query: {_without_values(error, names)}{_because(error, unread)}") from None
    found = _users(rows)
    if len(found) > store.MOST_SEEDS:
        raise SeedUnreadableError(f"seed query: {len(found)} unique user ids, more than {store.MOST_SEEDS}")
    return found


def with_parameters(query: str, known: Sequence[str] | dict[str, str], replace: Callable[[str], str]) -> str:
    """Replace every ``:name`` of a known parameter outside of quotes, comments and ``::`` casts."""

    def substitute(match: re.Match[str]) -> str:
        name = match["name"]
        return replace(name) if name in known else match[0]

    return _TOKENS.sub(substitute, query)


def _users(rows: pa.Table) -> list[str]:
    column = _column(rows)
    if not _is_identity(column.type):
        raise SeedUnreadableError(f"seed query: the user ids are of type {column.type}; strings or integers are needed")
    return sorted({user for user in column.cast(pa.string()).to_pylist() if user})


def _column(rows: pa.Table) -> pa.ChunkedArray:
    """The column of user ids."""
    named = [at for at, name in enumerate(rows.column_names) if name.lower() == "user_id"]
    if not named and rows.num_columns == 1:
        return rows.column(0)
    if not named:
        raise SeedUnreadableError(
            f"seed query: none of its {rows.num_columns} columns is named user_id; select one column, or name it so"
        )
    first, *others = (rows.column(at) for at in named)
    if any(not first.equals(other) for other in others):
        raise SeedUnreadableError(f"seed query: its {len(named)} columns named user_id differ; select one of them")
    return first


def _is_identity(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_identity(kind.value_type)
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(whole or text or pa.types.is_null(kind))


def _tables_of(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[list[Name], set[Name]]:
    """Tables which a query reads, and those of them that may be its own WITH clauses instead."""
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SeedUnreadableError("seed query: it must be one SELECT statement")
    (text,) = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [query]).fetchall()[0]
    tree = json.loads(text)
    if tree.get("error"):
        raise SeedUnreadableError("seed query: it must be one SELECT statement")
    nodes = list(_nodes(tree))
    found = {
        tuple(part for part in (node["catalog_name"], node["schema_name"], node["table_name"]) if part)
        for node in nodes
        if node.get("type") == "BASE_TABLE"
    }
    own = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    return sorted(found), {name for name in found if len(name) == 1 and name[0].lower() in own}


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """All objects of a tree of JSON."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node


def _located(storage: Storage, wanted: Sequence[Name], optional: set[Name]) -> dict[Name, tuple[str, str]]:
    """Find the Glue table, (database, table), of each name."""
    known = _glue_tables(storage) if wanted else []
    found: dict[Name, tuple[str, str]] = {}
    for name in wanted:
        lowered = tuple(part.lower() for part in name)
        matches = [place for place in known if lowered in {place, place[-1:]}]
        if len(matches) == 1:
            found[name] = matches[0]
        elif name not in optional:
            problem = "is in several Glue databases" if matches else "is not in Glue"
            raise SeedUnreadableError(f"seed query: table {'.'.join(name)} {problem}")
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
    storage: Storage, connection: duckdb.DuckDBPyConnection, alias: str, written: Name, location: tuple[str, str]
) -> dict[str, str]:
    """Offer a Glue table to the query under the name the query uses; return why columns of it cannot be read."""
    rows, unread = store.read_readable(storage, store.read_layout(storage, *location))
    connection.register(alias, rows)
    quoted = ['"' + part.replace('"', '""') + '"' for part in written]
    if len(quoted) > 1:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted[0]}")
    connection.execute(f"CREATE VIEW {'.'.join(quoted)} AS SELECT * FROM {alias}")  # noqa: S608 - quoted above
    return unread


def _because(error: Exception, unread: dict[str, str]) -> str:
    """Why a column that the query misses is not there."""
    missed = [f"{name}: {why}" for name, why in unread.items() if f'"{name}"' in str(error).lower()]
    return f" ({'; '.join(missed)})" if missed else ""


def _without_values(error: Exception, parameters: dict[str, str]) -> str:
    """First line of an error; parameter values, which the API marks as sensitive, become their names."""
    line = (str(error) or type(error).__name__).splitlines()[0]
    for name, value in sorted(parameters.items(), key=lambda pair: -len(pair[1])):
        line = line.replace(value, f":{name}") if value else line
    return line
