"""S3 and Glue: reads training tables and seeds, writes audiences.

Exceptions::

    StorageError
    +-- TableUnreadableError   a Glue table or its data
    +-- SeedUnreadableError    a seed object
    +-- OutputUnwritableError  an exported audience

Messages name databases, objects and lines, never a user id: the training party must not learn the seed.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pyarrow as pa
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from sandbox import SECRET
from sandbox.aws_session import own_session
from sandbox.jobs import glue_tables
from sandbox.jobs.formats import text
from sandbox.jobs.formats.types import UnreadableError

MOST_SEEDS = 500_000
"""Unique ids a seed may have (user guide, "seed data requirements")."""
PART = "part-00000.jsonl"

AWS_ERRORS = (ClientError, BotoCoreError)
"""What botocore raises when AWS refuses or cannot be reached."""


@dataclass(frozen=True, slots=True)
class Storage:
    """Where S3 and Glue are, and as whom.

    Attributes:
        endpoint_url: one address for both services.
        region: AWS region.
        account: 12 digits; also the access key id, which is how local AWS emulators distinguish accounts.
    """

    endpoint_url: str
    region: str
    account: str


class StorageError(Exception):
    """S3 or Glue said no, or what they hold is not readable."""


class TableUnreadableError(StorageError):
    """The Glue table is missing, contradicts the declared schema, or its data contradict Glue."""


class SeedUnreadableError(StorageError):
    """The seed is missing or one of its lines is not ``{"user_id": ...}``."""


class OutputUnwritableError(StorageError):
    """The audience could not be written to its destination."""


@lru_cache(maxsize=32)
def client(storage: Storage, service: str) -> Any:
    """A client of botocore ("s3" or "glue"), made once per process."""
    made = own_session().create_client(
        service,
        endpoint_url=storage.endpoint_url,
        region_name=storage.region,
        aws_access_key_id=storage.account,
        aws_secret_access_key=SECRET,
        config=Config(
            connect_timeout=5,
            read_timeout=60,
            retries={"total_max_attempts": 3},
            s3={"addressing_style": "path"},
            proxies={},  # the sandbox calls itself; a proxy of the environment could not reach it
        ),
    )

    def name_account(request: Any, **_: Any) -> None:
        request.headers["x-moto-account-id"] = storage.account

    made.meta.events.register("before-sign", name_account)
    return made


def read_layout(storage: Storage, database: str, table: str) -> glue_tables.Layout:
    """Ask Glue about a table, whose name it keeps in lower case, and its partitions.

    Raises:
        TableUnreadableError: there is no such table, or its format is not supported.
    """
    named = {"DatabaseName": database.lower(), "TableName": table.lower()}
    glue = client(storage, "glue")
    try:
        answer = glue.get_table(DatabaseName=named["DatabaseName"], Name=named["TableName"])
        layout = glue_tables.layout(answer["Table"])
        pages = glue.get_paginator("get_partitions").paginate(**named) if layout.partitions else ()
        parts = [glue_tables.partition(layout, each) for page in pages for each in page["Partitions"]]
        return replace(layout, parts=tuple(parts))
    except AWS_ERRORS as error:
        raise TableUnreadableError(f"Glue table {database}.{table}: {error}") from error
    except glue_tables.TableError as error:
        raise TableUnreadableError(f"Glue table {database}.{table}: {error}") from error


def read_columns(storage: Storage, layout: glue_tables.Layout, names: Sequence[str]) -> pa.Table:
    """Read the named columns of all objects of a table, partition by partition, in key order.

    A table that has partitions in Glue consists of those; one that has none, of the objects under its location.

    Raises:
        TableUnreadableError: an object cannot be fetched or contradicts the layout.
    """
    return _decoded(layout, _files(storage, layout), names)


def read_readable(storage: Storage, layout: glue_tables.Layout) -> tuple[pa.Table, dict[str, str]]:
    """Read all columns that can be read, and say by name why others can't be.

    Raises:
        TableUnreadableError: an object cannot be fetched, or no column can be read.
    """
    files = list(_files(storage, layout))
    unread = {name: str(why) for name, kind in layout.all_columns.items() if (why := glue_tables.unreadable(kind))}
    names = [name for name in layout.all_columns if name not in unread]
    if not names:
        raise TableUnreadableError(f"data at {layout.location}: " + "; ".join(unread.values()))
    try:
        return _decoded(layout, files, names), unread
    except TableUnreadableError:
        return _column_by_column(layout, files, names, unread)


def _column_by_column(
    layout: glue_tables.Layout, files: Sequence[_File], names: Sequence[str], unread: dict[str, str]
) -> tuple[pa.Table, dict[str, str]]:
    found: dict[str, pa.ChunkedArray] = {}
    for name in names:
        try:
            found[name] = _decoded(layout, files, [name]).column(name)
        except TableUnreadableError as error:
            unread[name] = str(error)
    if not found:
        raise TableUnreadableError(unread[names[0]])
    return pa.table(found), unread


_File = tuple[glue_tables.Layout, str, bytes]
"""An object of a table: what Glue says about it, its key, and its bytes."""


def _files(storage: Storage, layout: glue_tables.Layout) -> Iterator[_File]:
    try:
        for part in layout.parts or (layout,):
            for key, body in _objects(storage, part.location):
                yield part, key, body
    except AWS_ERRORS as error:
        raise TableUnreadableError(f"data at {layout.location}: {error}") from error
    except ValueError as error:
        raise TableUnreadableError(str(error)) from error


def _decoded(layout: glue_tables.Layout, files: Iterable[_File], names: Sequence[str]) -> pa.Table:
    try:
        parts = [glue_tables.decode(body, key, part, names) for part, key, body in files]
    except glue_tables.TableError as error:
        raise TableUnreadableError(str(error)) from error
    return pa.concat_tables(parts) if parts else glue_tables.empty(layout, names)


def read_seed(storage: Storage, uri: str) -> list[str]:
    """Read user ids from an object, or from all objects under a prefix; repeats are dropped, order is kept.

    Raises:
        SeedUnreadableError: nothing there, a line is no seed row, or more ids than AWS takes.
    """
    found: dict[str, None] = {}
    objects = 0
    try:
        for key, body in _objects(storage, uri):
            objects += 1
            found.update((user, None) for user in _seed_rows(key, body))
    except AWS_ERRORS as error:
        raise SeedUnreadableError(f"seed {uri}: {error}") from error
    except ValueError as error:
        raise SeedUnreadableError(str(error)) from error
    if not objects:
        raise SeedUnreadableError(f"seed {uri}: there is no such object")
    if len(found) > MOST_SEEDS:
        raise SeedUnreadableError(f"seed {uri}: {len(found)} unique user ids, more than {MOST_SEEDS}")
    return list(found)


def read_audience(storage: Storage, location: str) -> list[str]:
    """User ids of an exported audience, best first; ``location`` is the API's ``outputLocation``."""
    return read_seed(storage, location)


def write_audience(storage: Storage, uri: str, users: Iterable[str], form: str = "jsonl") -> str:
    """Write users, in the order given, to ``<uri>/part-00000.<form>``; return its folder.

    The form is jsonl, the one of seeds, or csv with a header.

    Raises:
        OutputUnwritableError: S3 refused, or the address is none.
    """
    folder = uri.rstrip("/")
    try:
        bucket, prefix = split_uri(folder)
        name, body, kind = _file(form, users)
        key = f"{prefix}/{name}" if prefix else name
        client(storage, "s3").put_object(Bucket=bucket, Key=key, Body=body.encode(), ContentType=kind)
    except (*AWS_ERRORS, ValueError) as error:
        raise OutputUnwritableError(f"audience at {folder}: {error}") from error
    return folder


def _file(form: str, users: Iterable[str]) -> tuple[str, str, str]:
    """Name, content and media type of an audience's file."""
    if form == "jsonl":
        return PART, seed_lines(users), "application/x-ndjson"
    rows = io.StringIO()
    csv.writer(rows, lineterminator="\n").writerows([("user_id",), *((user,) for user in users)])
    return "part-00000.csv", rows.getvalue(), "text/csv"


def seed_lines(users: Iterable[str]) -> str:
    """JSON Lines of ``{"user_id": ...}``: the format of seeds and of exported audiences."""
    return "".join(json.dumps({"user_id": user}, ensure_ascii=False) + "\n" for user in users)


def split_uri(uri: str) -> tuple[str, str]:
    """``s3://bucket/some/key`` -> ("bucket", "some/key").

    Raises:
        ValueError: this is no S3 address.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme not in {"s3", "s3a", "s3n"} or not bucket:
        raise ValueError(f"{uri} is not an s3:// address")
    return bucket, key


def _objects(storage: Storage, uri: str) -> Iterator[tuple[str, bytes]]:
    """Key and body of the object at ``uri`` or of all below; not hidden ones (``_``, ``.``) nor folder marks."""
    bucket, prefix = split_uri(uri)
    s3 = client(storage, "s3")
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for entry in page.get("Contents", ()):
            key = entry["Key"]
            inside = not prefix or prefix.endswith("/") or key == prefix or key.startswith(prefix + "/")
            if inside and entry["Size"] and not _hidden(key[len(prefix) :]):
                yield key, s3.get_object(Bucket=bucket, Key=key)["Body"].read()


def _hidden(below: str) -> bool:
    """Whether Hive leaves out an object: a part of its name begins with a mark, or it stands for a folder."""
    marked = any(segment.startswith(("_", ".")) for segment in below.split("/") if "=" not in segment)
    return marked or below.endswith("_$folder$")


def _seed_rows(key: str, body: bytes) -> Iterator[str]:
    """User ids of JSON Lines; blank lines are allowed, and byte order marks where files were joined."""
    try:
        lines = text.utf8(glue_tables.unpacked(body, key)).splitlines()
    except UnreadableError as error:
        raise ValueError(f"seed object {key}: {error}") from error
    for number, line in enumerate(lines, start=1):
        if row := line.removeprefix(codecs.BOM_UTF8).strip():
            yield _seed_row(f"seed object {key}, line {number}", row)


class _TwiceError(Exception):
    """An object has a key twice; which of the values counts would be a guess."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _TwiceError
    return made


def _seed_row(where: str, line: bytes) -> str:
    try:
        row = json.loads(line.decode(), object_pairs_hook=_unique)
    except _TwiceError:
        raise ValueError(f"{where}: a key occurs twice") from None
    except UnicodeDecodeError:
        raise ValueError(f"{where}: not UTF-8") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{where}: not JSON") from None
    if not isinstance(row, dict) or "user_id" not in row:
        raise ValueError(f'{where}: not an object with "user_id"')
    user = row["user_id"]
    if isinstance(user, bool) or not isinstance(user, str | int) or user == "":
        raise ValueError(f'{where}: "user_id" is neither a string nor an integer')
    if isinstance(user, str) and not user.isascii() and any("\ud800" <= each <= "\udfff" for each in user):
        raise ValueError(f'{where}: "user_id" has half a surrogate pair')
    return str(user)
