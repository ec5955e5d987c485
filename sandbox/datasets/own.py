"""`python -m sandbox load FILE`: your own interactions as training data of a running sandbox, and a chain of commands.

The file is CSV, Parquet or JSON Lines; three columns of it are kept, and stored as a Parquet table that Glue describes.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from sandbox.console import Port
from sandbox.datasets import movielens
from sandbox.jobs.storage import AWS_ERRORS, MOST_SEEDS, Storage, seed_lines

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
BUCKET: Final = "clean-rooms-ml-own"
DATABASE: Final = "own"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/clean-rooms-ml-demo"
COLUMNS: Final = movielens.COLUMNS
_FEWEST: Final = (100_000, 1_000_000)
"""People and interactions that AWS demands (its quotas page); the sandbox's profile ``demo`` demands less."""
_FEWEST_SEEDS: Final = 25
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999: a larger number is no time in seconds."""


class LoadError(Exception):
    """The file, or the sandbox, is not what is needed; the message says what was found and expected."""


def load_command(
    file: Path,
    *,
    user: str = "user_id",
    item: str = "item_id",
    time: str = "timestamp",
    seed: Path | None = None,
    name: str | None = None,
    chain: Path | None = None,
    port: Port = 4599,
) -> None:
    """Load a file of interactions into a running sandbox, and print what to name in commands.

    Args:
        file: CSV with a header, Parquet, or JSON Lines, by its ending (.csv, .parquet, .jsonl, .ndjson).
        user: Column that says who.
        item: Column that says what.
        time: Column that says when: a timestamp, an ISO 8601 text, or seconds since 1970.
        seed: The people whose like is wanted: a file with one user id a line, or JSON Lines with "user_id".
        name: Of the Glue table; by default that of the file.
        chain: Write the five commands of a campaign here, for `python -m service send`; needs --seed.
        port: Where Clean Rooms ML of the sandbox listens.
    """
    try:
        table = interactions(file, user, item, time)
        seeds = seed_users(seed, table) if seed else []
        label = table_name(name or file.stem)
        if chain and not seed:
            raise LoadError("--chain: found no --seed; expected the file of the people whose like the campaign is for")
        storage = Storage(f"http://127.0.0.1:{port}", REGION, ACCOUNT)
        store(storage, label, table, seeds)
        if chain:
            chain.write_text(campaign(label), encoding="utf-8")
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename or file}: no such file") from None
    except (LoadError, OSError, pa.ArrowException) as error:
        raise SystemExit(str(error)) from None
    except AWS_ERRORS as error:
        raise SystemExit(f"The sandbox at port {port} did not take it: {error}. Is `make up` running?") from None
    sys.stdout.write(summary(label, table, len(seeds), chain))


def interactions(file: Path, user: str, item: str, time: str) -> pa.Table:
    """The file's three columns as ``user_id``, ``item_id`` (text) and ``timestamp`` (seconds since 1970).

    Raises:
        LoadError: a column is missing, has no value in some row, or the times can't be read.
        pyarrow.ArrowException: the file is not of the form that its name says.
    """
    table = _read(file, (user, item))
    if not table.num_rows:
        raise LoadError(f"{file.name}: found no rows; expected interactions")
    people, items = _ids(file, table, "--user", user), _ids(file, table, "--item", item)
    return pa.table(
        {"user_id": people, "item_id": items, "timestamp": _seconds(_column(file, table, "--time", time), time)}
    )


def _column(file: Path, table: pa.Table, option: str, name: str) -> pa.ChunkedArray:
    found = table.column_names.count(name)
    if not found:
        known = ", ".join(table.column_names)
        raise LoadError(f"{option}: found no column {name} in {file.name}; expected one of {known}")
    if found > 1:
        raise LoadError(f"{option}: found {found} columns {name} in {file.name}; expected one")
    return _complete(file, name, table.column(name))


def _complete(file: Path, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    if column.null_count:
        raise LoadError(f"{file.name}: column {name} has no value in {column.null_count:,} of {len(column):,} rows")
    return column


def _ids(file: Path, table: pa.Table, option: str, name: str) -> pa.ChunkedArray:
    """Ids as text. Two that differ stay two: a float has lost digits already, or a zero in front."""
    column = _column(file, table, option, name)
    if pa.types.is_floating(column.type):
        raise LoadError(f"{option}: column {name} is {column.type}, and may lack digits; expected text or integers")
    texts = column.cast(pa.string())
    return _complete(file, name, pc.if_else(pc.equal(texts, ""), None, texts))


def _read(file: Path, ids: Sequence[str]) -> pa.Table:
    match file.suffix.lower():
        case ".csv":
            # Ids are text as they stand: as numbers, 007 would be 7, and long ones would become one. NA is an id, too.
            types = {name: pa.string() for name in ids}
            options = pyarrow.csv.ConvertOptions(column_types=types, null_values=[""], strings_can_be_null=True)
            return pyarrow.csv.read_csv(file, convert_options=options)
        case ".parquet":
            return pyarrow.parquet.read_table(file)
        case ".jsonl" | ".ndjson":
            return pyarrow.json.read_json(file)
    raise LoadError(f"{file.name}: found the ending {file.suffix!r}; expected .csv, .parquet, .jsonl or .ndjson")


def _seconds(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        try:
            column = _parsed(column)
        except pa.ArrowInvalid as error:
            raise LoadError(f"--time: column {name} is text, but no time by ISO 8601: {error}") from error
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        stamps = column.cast(pa.timestamp("us", tz=getattr(column.type, "tz", None)), safe=False)
        return pc.divide(stamps.cast(pa.int64()), 1_000_000)
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise LoadError(f"--time: column {name} is {column.type}; expected timestamps, ISO 8601 text or seconds")
    if pa.types.is_floating(column.type) and not pc.all(pc.is_finite(column)).as_py():
        raise LoadError(f"--time: column {name} has what is no number; expected seconds since 1970")
    seconds = pc.floor(column.cast(pa.float64())).cast(pa.int64())
    latest = pc.max(seconds).as_py()
    if latest is not None and latest > _LATEST:
        raise LoadError(f"--time: column {name} has {latest}, past the year 9999; expected seconds, not milliseconds")
    return seconds


def _parsed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times of ISO 8601 texts; one without a zone is UTC, and digits behind a microsecond are cut."""
    texts = pc.replace_substring_regex(texts.cast(pa.string()), r"([.,][0-9]{6})[0-9]+", r"\1")
    zoned = pc.match_substring_regex(texts, r"[Tt ][0-9:.,]+([Zz]|[-+][0-9]{2}(:?[0-9]{2})?)$")
    with_zone = pc.if_else(zoned, texts, None).cast(pa.timestamp("us", tz="UTC"))
    without = pc.if_else(zoned, None, texts).cast(pa.timestamp("us"))
    return pc.coalesce(with_zone, without.cast(pa.timestamp("us", tz="UTC")))


def seed_users(file: Path, table: pa.Table) -> list[str]:
    """Ids of a seed file, each once and in order; at least one must have an interaction.

    Raises:
        LoadError: it is empty, too large, or names no person of the table.
    """
    found: dict[str, None] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if text := line.strip():
            found[_seed_user(file, text)] = None
    if not 0 < len(found) <= MOST_SEEDS:
        raise LoadError(f"{file.name}: found {len(found):,} user ids; expected 1 to {MOST_SEEDS:,}")
    known = pc.is_in(pa.array(list(found)), value_set=pc.unique(table.column("user_id")))
    if not pc.any(known).as_py():
        raise LoadError(f"{file.name}: none of its {len(found):,} user ids has an interaction; expected the same ids")
    return list(found)


def _seed_user(file: Path, text: str) -> str:
    if not text.startswith("{"):
        return text
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return str(json.loads(text)["user_id"])
    raise LoadError(f'{file.name}: found a line that begins with {{ and is no object with "user_id"')


def table_name(text: str) -> str:
    """A name that Glue and Clean Rooms ML both take."""
    return re.sub(r"[^a-z0-9_]+", "_", text.lower()).strip("_") or "interactions"


def store(storage: Storage, name: str, table: pa.Table, seeds: Sequence[str]) -> None:
    """Put the table into S3 and Glue, and the seed into S3; what has the same name is replaced."""
    body = io.BytesIO()
    pyarrow.parquet.write_table(table, body)
    objects = {f"training/{name}/interactions.parquet": body.getvalue()}
    if seeds:
        objects[f"seed/{name}.jsonl"] = seed_lines(seeds).encode()
    movielens.provision(storage, BUCKET, objects, DATABASE, _glue_table(name))


def _glue_table(name: str) -> dict[str, Any]:
    types = {"user_id": "string", "item_id": "string", "timestamp": "bigint"}
    return {
        "Name": name,
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": "parquet"},
        "StorageDescriptor": {
            "Columns": [{"Name": column, "Type": kind} for column, kind in types.items()],
            "Location": f"s3://{BUCKET}/training/{name}/",
            "InputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat",
            "OutputFormat": "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat",
            "SerdeInfo": {"SerializationLibrary": "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"},
        },
    }


def summary(name: str, table: pa.Table, seeds: int, chain: Path | None) -> str:
    """What was loaded, and what to name in commands."""
    people, rows = pc.count_distinct(table.column("user_id")).as_py(), table.num_rows
    lines = [
        f"Loaded {rows:,} interactions of {people:,} people.",
        "",
        f"  training data   Glue table {DATABASE}.{name} ({', '.join(column for column, _ in COLUMNS)})",
        *([f"  seed            s3://{BUCKET}/seed/{name}.jsonl: {seeds:,} people"] if seeds else []),
        f"  output          s3://{BUCKET}/audiences",
        f"  role            {ROLE}",
    ]
    if people < _FEWEST[0] or rows < _FEWEST[1]:
        lines += [
            "",
            f"AWS itself demands {_FEWEST[0]:,} people and {_FEWEST[1]:,} interactions; the sandbox does not.",
        ]
    if chain:
        lines += ["", f"Send the campaign with `python -m service send {chain} --wait`."]
    return "\n".join(lines) + "\n"


def campaign(name: str) -> str:
    """The five commands, each of which names what an earlier one makes, as documents for ``send``."""
    schema = [{"columnName": column, "columnTypes": [kind]} for column, kind in COLUMNS]
    source = {"schema": schema, "dataSource": {"glueDataSource": {"databaseName": DATABASE, "tableName": name}}}
    destination = {"s3Destination": {"s3Uri": f"s3://{BUCKET}/audiences"}}
    steps: list[tuple[str, str, dict[str, Any]]] = [
        (
            "data",
            "CreateTrainingDataset",
            {"name": name, "roleArn": ROLE, "trainingData": [{"type": "INTERACTIONS", "inputConfig": source}]},
        ),
        ("model", "CreateAudienceModel", {"name": name, "trainingDatasetArn": f"command:{name}-data"}),
        (
            "sizes",
            "CreateConfiguredAudienceModel",
            {
                "name": name,
                "audienceModelArn": f"command:{name}-model",
                "outputConfig": {"destination": destination, "roleArn": ROLE},
                "sharedAudienceMetrics": ["ALL"],
                "minMatchingSeedSize": _FEWEST_SEEDS,
                "audienceSizeConfig": {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": [1, 5, 10, 20]},
            },
        ),
        (
            "audience",
            "StartAudienceGenerationJob",
            {
                "name": name,
                "configuredAudienceModelArn": f"command:{name}-sizes",
                "seedAudience": {"roleArn": ROLE, "dataSource": {"s3Uri": f"s3://{BUCKET}/seed/{name}.jsonl"}},
            },
        ),
        (
            "export",
            "StartAudienceExportJob",
            {
                "name": name,
                "audienceGenerationJobArn": f"command:{name}-audience",
                "audienceSize": {"type": "PERCENTAGE", "value": 10},
            },
        ),
    ]
    documents = (
        {"operation": operation, "id": f"{name}-{step}", "source": "/campaigns", "key": name, "data": data}
        for step, operation, data in steps
    )
    return "".join(f"---\n{json.dumps(each, indent=2, ensure_ascii=False)}\n" for each in documents)
