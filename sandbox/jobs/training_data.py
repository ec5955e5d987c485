"""A Glue table's records as the lookalike model's input: checked, cut to the window, ids numbered in sorted order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

from sandbox.jobs import glue_tables, storage
from sandbox.jobs.storage import Storage, TableUnreadableError
from sandbox.lookalike import features
from sandbox.lookalike.model import Interactions

Columns = Sequence[tuple[str, str]]
Names = npt.NDArray[Any]
"""Ids, of NumPy's `StringDType`: its older strings take ``u`` and ``u\\0`` for the same."""


@dataclass(frozen=True, slots=True)
class Window:
    """Records kept: start <= time <= end, in Unix seconds; None is no limit."""

    start: float | None = None
    end: float | None = None


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Model input and the ids behind its user numbers.

    Attributes:
        interactions: the records.
        users: user ids (users,), sorted; number 0 is the first.
    """

    interactions: Interactions
    users: Names

    def users_with_two(self) -> int:
        """Users with at least two interactions, the ones who count towards AWS's minimum."""
        return int((np.bincount(self.interactions.users, minlength=1) >= 2).sum())


def read(where: Storage, database: str, table: str, columns: Columns, window: Window) -> TrainingData:
    """Read, check and number a training table; only the declared columns are decoded.

    Raises:
        TableUnreadableError: Glue, the declared schema and the data do not agree.
    """
    layout = storage.read_layout(where, database, table)
    try:
        glue_tables.check_schema(layout, columns)
        columns = [(name.lower(), kind) for name, kind in columns]
        user, item, moment = (_single(columns, kind) for kind in ("USER_ID", "ITEM_ID", "TIMESTAMP"))
    except glue_tables.TableError as error:
        raise TableUnreadableError(f"Glue table {database}.{table}: {error}") from error
    rows = storage.read_columns(where, layout, [name for name, _ in columns])
    for name in (user, item, moment):
        _require_values(rows, name)
    rows = _within(rows, moment, window)
    moments = _seconds(rows.column(moment)).astype(np.float64)
    user_codes, users = _numbered(rows.column(user))
    item_codes, items = _numbered(rows.column(item))
    extra, values = _features(rows, columns, user_codes, len(users))
    joined = features.cohort(user_codes, moments, len(users))
    return TrainingData(Interactions(user_codes, item_codes, len(users), len(items), extra, values, joined), users)


def _single(columns: Columns, kind: str) -> str:
    names = [name for name, given in columns if given == kind]
    if len(names) != 1:
        raise glue_tables.TableError(f"the schema needs exactly one {kind} column, it has {len(names)}")
    return names[0]


def _require_values(rows: pa.Table, name: str) -> None:
    column = rows.column(name)
    missing = column.null_count
    if pa.types.is_string(column.type):
        missing += pyarrow.compute.sum(pyarrow.compute.equal(column, "")).as_py() or 0
    if missing:
        hint = "" if missing < rows.num_rows else ": see whether Glue's columns, SerDe and field.delim suit the files"
        raise TableUnreadableError(f"column {name}: {missing} of {rows.num_rows} records have no value{hint}")


def _within(rows: pa.Table, name: str, window: Window) -> pa.Table:
    seconds = _seconds(rows.column(name))
    kept = np.ones(len(seconds), dtype=bool)
    if window.start is not None:
        kept &= seconds >= window.start
    if window.end is not None:
        kept &= seconds <= window.end
    return rows.filter(pa.array(kept))


def _seconds(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Unix seconds (records,) of a column of timestamps or of whole numbers."""
    if pa.types.is_timestamp(column.type):
        column = pyarrow.compute.floor_temporal(column, unit="second").cast(pa.timestamp("s"))
    seconds: npt.NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    return seconds


def _numbered(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], Names]:
    """Codes (records,), -1 for null, and the sorted names they stand for; the order of the files leaves no trace."""
    encoded = column.cast(pa.string()).dictionary_encode().combine_chunks()
    names = np.array(encoded.dictionary.to_pylist(), dtype=np.dtypes.StringDType())  # per name, not per record
    order = np.argsort(names)
    rank = np.empty(len(names), dtype=np.int64)
    rank[order] = np.arange(len(names))
    indices = encoded.indices.fill_null(-1).to_numpy()
    return np.append(rank, -1)[indices], names[order]


def _features(
    rows: pa.Table, columns: Columns, users: npt.NDArray[np.int64], user_count: int
) -> tuple[npt.NDArray[np.float64] | None, tuple[npt.NDArray[np.float64], ...]]:
    """What feature columns say of users (users, n), in the schema's order, or None without any; and all numbers."""
    parts, numbers = [], []
    for name, kind in columns:
        column = rows.column(name)
        if kind == "NUMERICAL_FEATURE":
            numbers.append(column.cast(pa.float64()).to_numpy())
            parts.append(features.numerical(users, numbers[-1], user_count))
        elif kind == "CATEGORICAL_FEATURE":
            owners, values = _flat(column, users)
            parts.append(features.categorical(owners, _numbered(values)[0], user_count))
    return np.concatenate(parts, axis=1) if parts else None, tuple(numbers)


def _flat(column: pa.ChunkedArray, users: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], pa.ChunkedArray]:
    """Values, and whose they are; every element of an array is a value of its own, "not a number" is none."""
    if pa.types.is_list(column.type):
        whole = column.combine_chunks()
        users = users[pyarrow.compute.list_parent_indices(whole).to_numpy()]
        column = pa.chunked_array([pyarrow.compute.list_flatten(whole)])
    if pa.types.is_floating(column.type):
        column = pyarrow.compute.if_else(pyarrow.compute.is_nan(column), None, column)
    return users, column
