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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from sandbox.console import Port, python_command
from sandbox.datasets import movielens
from sandbox.jobs.storage import AWS_ERRORS, MOST_SEEDS, Storage, seed_lines

ACCOUNT: Final = "123456789012"
REGION: Final = "eu-west-1"
BUCKET: Final = "clean-rooms-ml-own"
DATABASE: Final = "own"
ROLE: Final = f"arn:aws:iam::{ACCOUNT}:role/clean-rooms-ml-demo"
COLUMNS: Final = movielens.COLUMNS
_FEWEST: Final = (100_000, 1_000_000)
"""People and interactions that AWS demands (its quotas page)."""
_FEWEST_HERE: Final = (100, 1_000)
"""What the sandbox demands, unless it runs with ``--profile aws``."""
_FEWEST_SEEDS: Final = 25
_LATEST: Final = 253_402_300_799
"""The last second of the year 9999: a larger number is no time in seconds."""


_EXPECTED: Final = "ISO 8601 such as 2026-12-31T17:19:00, a timestamp, or seconds since 1970"


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
        seed: The people to find others like: a file with one user id a line, or JSON Lines with "user_id".
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
    sys.stdout.write(summary(label, table, seeds, chain))


def interactions(file: Path, user: str, item: str, time: str) -> pa.Table:
    """The file's three columns as ``user_id``, ``item_id`` (text) and ``timestamp`` (seconds since 1970).

    Raises:
        LoadError: a column is missing, has no value in some row, or the times can't be read.
        pyarrow.ArrowException: the file is not of the form that its name says.
    """
    table = _read(file, (user, item))
    if not table.num_rows:
        raise LoadError(f"{file.name}: found no rows; expected interactions")
    people = _ids(_column(file, table, "--user", user))
    items = _ids(_column(file, table, "--item", item))
    times = _seconds(_column(file, table, "--time", time))
    return pa.table({"user_id": people, "item_id": items, "timestamp": times})


@dataclass(frozen=True, slots=True)
class _LoadedColumn:
    """A column of the file, and how to speak of its values."""

    file: Path
    option: str
    name: str
    values: pa.ChunkedArray

    def refuse(self, wrong: pa.ChunkedArray, expected: str) -> None:
        """Names the first row where ``wrong`` is true or null, and how many are like it.

        Raises:
            LoadError: There is one.
        """
        wrong = pc.fill_null(wrong, True)
        if count := pc.sum(wrong).as_py():
            raise self.error(pc.index(wrong, True).as_py(), expected, count - 1)

    def error(self, at: int, expected: str, more: int = 0) -> LoadError:
        """What is said about the value of a row, which is counted from 0."""
        value = self.values[at].as_py()
        found = "no value" if value in (None, "") else repr(value)
        also = f", and so have {more:,} more" if more else ""
        return LoadError(
            f"{self.option}: row {at + 1:,} of {self.file.name} has {found} in column {self.name}{also}; expected"
            f" {expected}; nothing was loaded"
        )


def _column(file: Path, table: pa.Table, option: str, name: str) -> _LoadedColumn:
    found = table.column_names.count(name)
    if not found:
        known = ", ".join(table.column_names)
        raise LoadError(f"{option}: found no column {name} in {file.name}; expected one of {known}")
    if found > 1:
        raise LoadError(f"{option}: found {found} columns {name} in {file.name}; expected one")
    return _LoadedColumn(file, option, name, table.column(name))


def _ids(column: _LoadedColumn) -> pa.ChunkedArray:
    """Ids as text. Two that differ stay two: a float has lost digits already, or a zero in front."""
    kind = column.values.type
    if pa.types.is_floating(kind):
        raise LoadError(
            f"{column.option}: column {column.name} is {kind}, and may lack digits; expected text or integers"
        )
    texts = column.values.cast(pa.string())
    column.refuse(pc.equal(pc.utf8_trim_whitespace(texts), ""), "an id")
    return texts


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


def _seconds(column: _LoadedColumn) -> pa.ChunkedArray:
    values = column.values
    column.refuse(pc.is_null(values), _EXPECTED)
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        values = _read_times(column, values.cast(pa.string()))
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        stamps = values.cast(pa.timestamp("us", tz=getattr(values.type, "tz", None)), safe=False)
        return pc.divide(stamps.cast(pa.int64()), 1_000_000)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        raise LoadError(f"{column.option}: column {column.name} is {values.type}; expected {_EXPECTED}")
    if pa.types.is_floating(values.type):
        column.refuse(pc.invert(pc.is_finite(values)), "seconds since 1970")
    column.refuse(pc.greater(values, _LATEST), "seconds since 1970, not milliseconds: this is past the year 9999")
    return pc.floor(values.cast(pa.float64())).cast(pa.int64())


def _read_times(column: _LoadedColumn, texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times of ISO 8601 texts.

    Raises:
        LoadError: One is not; a number beside it, which would do in a column of numbers, is not the one to blame.
    """
    if _are_times(texts):
        return _parsed(texts)
    numbers = pc.match_substring_regex(texts, r"^-?[0-9]+([.][0-9]+)?$")
    others = pc.if_else(numbers, None, texts)
    if _are_times(others):
        column.refuse(numbers, "ISO 8601 as in the other rows: a column has times in one form, text or seconds")
    good, bad = 0, len(others)  # the first `good` rows can be read, the first `bad` can't
    while bad - good > 1:
        half = (good + bad) // 2
        good, bad = (half, bad) if _are_times(others.slice(0, half)) else (good, half)
    raise column.error(bad - 1, _EXPECTED)


def _are_times(texts: pa.ChunkedArray) -> bool:
    try:
        _parsed(texts)
    except pa.ArrowInvalid:
        return False
    return True


def _parsed(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    """Times of ISO 8601 texts; one without a zone is UTC, and digits behind a microsecond are cut."""
    texts = pc.replace_substring_regex(texts, r"([.,][0-9]{6})[0-9]+", r"\1")
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


def summary(name: str, table: pa.Table, seeds: Sequence[str], chain: Path | None) -> str:
    """What was loaded, what to name in commands, and what will fail with so few people."""
    people, rows = pc.count_distinct(table.column("user_id")).as_py(), table.num_rows
    lines = [
        f"Loaded {rows:,} {'interaction' if rows == 1 else 'interactions'} of {_people(people)}.",
        "",
        f"  training data   Glue table {DATABASE}.{name} ({', '.join(column for column, _ in COLUMNS)})",
        *([f"  seed            s3://{BUCKET}/seed/{name}.jsonl: {_people(len(seeds))}"] if seeds else []),
        f"  output          s3://{BUCKET}/audiences",
        f"  role            {ROLE}",
        *_warnings(table, seeds),
    ]
    if chain:
        lines += ["", f"Send the campaign with `{python_command()} -m service send {chain} --wait`."]
    return "\n".join(lines) + "\n"


def _people(count: int) -> str:
    return f"{count:,} {'person' if count == 1 else 'people'}"


def _warnings(table: pa.Table, seeds: Sequence[str]) -> list[str]:
    """What will fail: a training counts people with two interactions, and a generation job those of the seed."""
    counts = pc.value_counts(table.column("user_id").combine_chunks())
    people, rows = pc.sum(pc.greater_equal(counts.field("counts"), 2)).as_py(), table.num_rows
    has = f"found {_people(people)} with two interactions or more, and {rows:,} interactions in all"
    lines = []
    if people < _FEWEST_HERE[0] or rows < _FEWEST_HERE[1]:
        lines.append(f"Training will fail: the sandbox demands {_FEWEST_HERE[0]:,} and {_FEWEST_HERE[1]:,}; {has}.")
    elif people < _FEWEST[0] or rows < _FEWEST[1]:
        lines.append(f"AWS itself demands {_FEWEST[0]:,} and {_FEWEST[1]:,}; {has}. It is enough for the sandbox.")
    known = pc.sum(pc.is_in(pa.array(list(seeds), pa.string()), value_set=counts.field("values"))).as_py() or 0
    if known < len(seeds):
        lines.append(f"Of the seed's {_people(len(seeds))}, {len(seeds) - known:,} have no interaction.")
    if seeds and known < _FEWEST_SEEDS:
        lines.append(
            f"The campaign's generation job will fail: it demands {_FEWEST_SEEDS} people of the seed with interactions"
            f" (minMatchingSeedSize); found {known:,}."
        )
    return ["", *lines] if lines else []


def campaign(name: str) -> str:
    """The five commands, each of which names what an earlier one makes, as a document for ``send``."""
    quoted = json.dumps(name)
    columns = "\n".join(f"              - {{columnName: {each}, columnTypes: [{kind}]}}" for each, kind in COLUMNS)
    return f"""\
# Each command names what an earlier one makes, and waits for it.
source: /campaigns
key: {quoted}
commands:
  - operation: CreateTrainingDataset
    id: {name}-data
    data:
      name: {quoted}
      roleArn: {ROLE}
      trainingData:
        - type: INTERACTIONS
          inputConfig:
            schema:
{columns}
            dataSource: {{glueDataSource: {{databaseName: {DATABASE}, tableName: {quoted}}}}}
  - operation: CreateAudienceModel
    id: {name}-model
    data:
      name: {quoted}
      trainingDatasetArn: command:{name}-data
  - operation: CreateConfiguredAudienceModel
    id: {name}-sizes
    data:
      name: {quoted}
      audienceModelArn: command:{name}-model
      outputConfig:
        destination: {{s3Destination: {{s3Uri: "s3://{BUCKET}/audiences"}}}}
        roleArn: {ROLE}
      sharedAudienceMetrics: [ALL]
      minMatchingSeedSize: {_FEWEST_SEEDS}
      audienceSizeConfig: {{audienceSizeType: PERCENTAGE, audienceSizeBins: [1, 5, 10, 20]}}
  - operation: StartAudienceGenerationJob
    id: {name}-audience
    data:
      name: {quoted}
      configuredAudienceModelArn: command:{name}-sizes
      seedAudience:
        roleArn: {ROLE}
        dataSource: {{s3Uri: "s3://{BUCKET}/seed/{name}.jsonl"}}
  - operation: StartAudienceExportJob
    id: {name}-export
    data:
      name: {quoted}
      audienceGenerationJobArn: command:{name}-audience
      audienceSize: {{type: PERCENTAGE, value: 10}}
"""
