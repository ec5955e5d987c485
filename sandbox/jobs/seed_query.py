"""A seed given as SQL: the query runs in an in-memory DuckDB over the Glue tables it names.

AWS runs such a query in Clean Rooms; here ``database.table``, or ``table`` alone when one database has it, is a Glue
table. Parameters are written ``:name`` and bound as text, never pasted. The query can read nothing else: external
access (files, network, extensions) is off, the configuration locked, and one SELECT is all it may be.

Its users are its column ``user_id``, in whatever case, or its only column; which of several columns is meant is never
guessed. Of a table the query sees the columns that can be read, so that one of a type which the sandbox does not know
is no hindrance unless it is asked for. A database named like one of DuckDB's own schemas (``main``, ``temp``) gets
another name on the way.

What DuckDB says of an error may quote values, of the data or of the query. Messages have its kind and its position
in the query instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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
_IDENTIFIER = re.compile(r'"(?:[^"]|"")*"|[\w$]+')
_REMEDIES = {
    "Parser Error": "it is not valid SQL there",
    "Binder Error": "a name, type or function does not fit there",
    "Catalog Error": "there is no such function or table",
    "Conversion Error": "a value cannot be converted to the type that the query wants; use TRY_CAST to make it NULL",
    "Out Of Range Error": "a value is out of its type's range",
    "Invalid Input Error": "a function does not take one of its values",
    "Permission Error": "files and the network are disabled; only Glue tables can be read",
    "Out Of Memory Error": f"it needs more than {_LIMITS['memory_limit']}",
}
"""What kinds of DuckDB's errors mean here."""
_UNKNOWN = 2**63
"""Positions from here on are how DuckDB says that it does not know."""
Name = tuple[str, ...]
"""(table,) or (database, table), in lower case."""


@dataclass(frozen=True, slots=True)
class _Tree:
    """What a query refers to.

    Attributes:
        tables: names of the tables that it reads.
        optional: those of them that may be its own WITH clauses instead.
        qualified: names of more than one part, and where in the UTF-8 of the query they are written, -1 if that is
            not known.
    """

    tables: list[Name]
    optional: set[Name]
    qualified: list[tuple[Name, int]]


@dataclass(frozen=True, slots=True)
class _Offer:
    """What a query can read: why columns are missing, by name, and a description of each table."""

    unread: dict[str, str]
    tables: list[str]


@dataclass(frozen=True, slots=True)
class _Edit:
    """Other text for a part of the query; positions are of bytes."""

    begin: int
    end: int
    text: bytes


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
    edits = _parameter_edits(query, names, lambda name: f"$p_{name}")
    offer = _Offer({}, [])
    with duckdb.connect(":memory:", config=_LIMITS) as connection:
        try:
            connection.execute("SET errors_as_json = true")
            tree = _tree(connection, _edited(query.encode(), _parameter_edits(query, names, _stand_in)).decode())
            located = _located(storage, tree.tables, tree.optional)
            schemas = _renamed(connection, located)
            edits = sorted([*edits, *_schema_edits(query, tree, located, schemas)], key=lambda each: each.begin)
            offer = _mounted(storage, connection, located, schemas)
            connection.execute("SET lock_configuration = true")
            found = _users(_rows(connection, _edited(query.encode(), edits).decode(), bound))
        except duckdb.Error as error:
            raise SeedUnreadableError(f"seed query: {_explained(error, query, edits, offer)}") from None
    if len(found) > store.MOST_SEEDS:
        raise SeedUnreadableError(f"seed query: {len(found)} unique user ids, more than {store.MOST_SEEDS}")
    return found


def with_parameters(query: str, known: Sequence[str] | dict[str, str], replace: Callable[[str], str]) -> str:
    """Replace every ``:name`` of a known parameter outside of quotes, comments and ``::`` casts."""
    return _edited(query.encode(), _parameter_edits(query, known, replace)).decode()


def _parameter_edits(query: str, known: Sequence[str] | dict[str, str], replace: Callable[[str], str]) -> list[_Edit]:
    found = [match for match in _TOKENS.finditer(query) if match["name"] in known]
    ends = [(len(query[: each.start()].encode()), len(query[: each.end()].encode())) for each in found]
    return [_Edit(*end, replace(each["name"]).encode()) for each, end in zip(found, ends, strict=True)]


def _stand_in(name: str) -> str:
    """A value instead of a parameter, of the same length, so that nothing moves."""
    return "1".ljust(len(name) + 1)


def _edited(query: bytes, edits: Sequence[_Edit]) -> bytes:
    parts, at = [], 0
    for edit in edits:
        parts += [query[at : edit.begin], edit.text]
        at = edit.end
    return b"".join([*parts, query[at:]])


def _origin(position: int, edits: Sequence[_Edit]) -> int:
    """Where in the query as it was given a position of the edited one is."""
    moved = 0
    for edit in edits:
        begin = edit.begin + moved
        if position < begin:
            break
        if position < begin + len(edit.text):
            return edit.begin
        moved += len(edit.text) - (edit.end - edit.begin)
    return position - moved


def _rows(connection: duckdb.DuckDBPyConnection, query: str, bound: dict[str, str]) -> pa.Table:
    try:
        return connection.sql(query, params=bound or None).to_arrow_table()
    except duckdb.BinderException:
        connection.execute(query, bound or None)  # fails alike, and says at which position
        raise


def _users(rows: pa.Table) -> list[str]:
    column = _column(rows)
    if not _is_identity(column.type):
        raise SeedUnreadableError(
            f"seed query: the user ids are of type {_kind(column.type)}; strings or integers are needed"
        )
    found = set(column.cast(pa.string()).to_pylist())
    if "" in found:
        raise SeedUnreadableError("seed query: a user id is empty; leave such rows out, as by WHERE user_id <> ''")
    return sorted(found - {None})


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


def _kind(kind: pa.DataType) -> str:
    """A type without the names inside it, which a query can make of values."""
    return re.split("[<(]", str(kind), maxsplit=1)[0]


def _is_identity(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_identity(kind.value_type)
    whole = pa.types.is_integer(kind) or (pa.types.is_decimal(kind) and kind.scale == 0)
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)
    return bool(whole or text or pa.types.is_null(kind))


def _tree(connection: duckdb.DuckDBPyConnection, query: str) -> _Tree:
    """What a query refers to, if it is one SELECT."""
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise SeedUnreadableError("seed query: it must be one SELECT statement")
    (text,) = connection.execute("SELECT json_serialize_sql($1::VARCHAR)", [query]).fetchall()[0]
    tree = json.loads(text)
    if tree.get("error"):
        raise SeedUnreadableError("seed query: it must be one SELECT statement")
    nodes = list(_nodes(tree))
    _require_glue_only(nodes)
    tables = [(_parts(node), _location(node)) for node in nodes if node.get("type") == "BASE_TABLE"]
    columns = [(_lowered(node["column_names"]), _location(node)) for node in nodes if node.get("type") == "COLUMN_REF"]
    own = {entry["key"].lower() for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    found = sorted({name for name, _ in tables})
    return _Tree(
        tables=found,
        optional={name for name in found if len(name) == 1 and name[0] in own},
        qualified=[
            *((name, at) for name, at in tables if len(name) > 1),
            *((name[:2], at) for name, at in columns if len(name) > 2),
        ],
    )


def _require_glue_only(nodes: Sequence[Mapping[str, Any]]) -> None:
    """Refuse what reads of DuckDB itself, which is on this machine and not in the data."""
    for node in nodes:
        kind = node.get("type")
        if kind == "SHOW_REF":
            raise SeedUnreadableError("seed query: DESCRIBE, SHOW and SUMMARIZE are disabled; write a SELECT")
        name = str((node.get("function") or {}).get("function_name") if kind == "TABLE_FUNCTION" else "").lower()
        if kind == "TABLE_FUNCTION" and name not in _SERIES:
            raise SeedUnreadableError(
                f"seed query: a table function is disabled; only Glue tables and {', '.join(_SERIES)} can be read"
            )
        if kind == "FUNCTION" and str(node.get("function_name")).lower() in _OWN:
            raise SeedUnreadableError("seed query: functions that read DuckDB's settings are disabled")


_SERIES = ("generate_series", "range", "unnest")
"""Table functions that read nothing; others read DuckDB's own tables, or files, or run text as a query."""
_OWN = frozenset({"current_setting", "getenv", "current_query", "version"})


def _parts(table: Mapping[str, Any]) -> Name:
    written = (table["catalog_name"], table["schema_name"], table["table_name"])
    return _lowered([part for part in written if part])


def _lowered(parts: Sequence[str]) -> Name:
    return tuple(part.lower() for part in parts)


def _location(node: Mapping[str, Any]) -> int:
    at = node.get("query_location", _UNKNOWN)
    return at if at < _UNKNOWN else -1


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
        matches = [table for table in known if name in {table, table[-1:]}]
        if len(matches) == 1:
            found[name] = matches[0]
        elif name not in optional:
            problem = "is in several Glue databases" if matches else "is not in Glue"
            raise SeedUnreadableError(f"seed query: table {'.'.join(name)} {problem}")
    return found


def _renamed(connection: duckdb.DuckDBPyConnection, located: Mapping[Name, object]) -> dict[str, str]:
    """Other names for databases that are called like schemas or catalogs which DuckDB has by itself."""
    own = "SELECT schema_name FROM duckdb_schemas() UNION SELECT database_name FROM duckdb_databases()"
    taken = {name for (name,) in connection.execute(own).fetchall()}
    return {name[0]: f"glue database {name[0]}" for name in located if len(name) > 1 and name[0] in taken}


def _schema_edits(query: str, tree: _Tree, located: Mapping[Name, object], schemas: Mapping[str, str]) -> list[_Edit]:
    """Rename databases where tables are named, and columns with their tables."""
    written = query.encode()
    edits = []
    for name, at in tree.qualified:
        if name not in located or name[0] not in schemas:
            continue
        found = _IDENTIFIER.match(written[at:].decode()) if at >= 0 else None
        if found is None or found[0].strip('"').lower() != name[0]:
            raise SeedUnreadableError(
                f"seed query: database {name[0]} has the name of one of DuckDB's own schemas; "
                f"name its table alone, or as FROM {'.'.join(name)}"
            )
        edits.append(_Edit(at, at + len(found[0].encode()), _quoted(schemas[name[0]]).encode()))
    return edits


def _glue_tables(storage: Storage) -> list[tuple[str, str]]:
    glue = store.client(storage, "glue")
    tables = []
    try:
        for page in glue.get_paginator("get_databases").paginate():
            for database in page["DatabaseList"]:
                for part in glue.get_paginator("get_tables").paginate(DatabaseName=database["Name"]):
                    tables += [(database["Name"], table["Name"]) for table in part["TableList"]]
    except store.AWS_ERRORS as error:
        raise SeedUnreadableError(f"seed query: {error}") from error
    return tables


def _mounted(
    storage: Storage,
    connection: duckdb.DuckDBPyConnection,
    located: Mapping[Name, tuple[str, str]],
    schemas: Mapping[str, str],
) -> _Offer:
    """Offer Glue's tables to the query under the names that it uses."""
    offer = _Offer({}, [])
    for number, (name, location) in enumerate(located.items()):
        rows, unread = store.read_readable(storage, store.read_layout(storage, *location))
        connection.register(f"glue rows {number}", rows)
        *database, table = name
        path = [_quoted(schemas.get(each, each)) for each in database]
        for schema in path:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        view = ".".join([*path, _quoted(table)])
        connection.execute(f'CREATE VIEW {view} AS SELECT * FROM "glue rows {number}"')  # noqa: S608 - quoted above
        offer.unread.update(unread)
        offer.tables.append(f"{'.'.join(location)} ({', '.join(rows.column_names)})")
    return offer


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _explained(error: duckdb.Error, query: str, edits: Sequence[_Edit], offer: _Offer) -> str:
    """Kind and position of an error; DuckDB's own words may quote data, and are left out."""
    report = _report(error)
    words = re.findall("[A-Z][a-z]*", type(error).__name__.removesuffix("Exception").removesuffix("Error"))
    kind = " ".join([*words, "Error"])
    position = str(report.get("position", ""))
    where = f" at {_position(query, _origin(int(position), edits))}" if position.isdecimal() else ""
    known = f"; it can read {'; '.join(offer.tables)}" if kind == "Binder Error" and offer.tables else ""
    return f"DuckDB's {kind}{where}: {_REMEDIES.get(kind, 'it cannot be run')}{known}{_missed(report, offer)}"


def _missed(report: Mapping[str, Any], offer: _Offer) -> str:
    """Why a column that the query misses is not there."""
    said = str(report.get("exception_message", "")).lower()
    found = [f"{name}: {why}" for name, why in offer.unread.items() if f'"{name}"' in said]
    return f" ({'; '.join(found)})" if found else ""


def _report(error: Exception) -> dict[str, Any]:
    """What DuckDB says of an error, member by member; nothing if it does not."""
    _, brace, rest = str(error).partition("{")
    try:
        found = json.loads(brace + rest)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _position(query: str, position: int) -> str:
    """Line and column of a position in the UTF-8 of the query."""
    before = query.encode()[:position].decode(errors="ignore")
    return f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
