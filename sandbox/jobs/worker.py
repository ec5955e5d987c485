"""The three things Clean Rooms ML does in the background, as functions for a process pool.

Requests, results and `JobFailed` are plain values which survive pickling; a function reads S3 and Glue, computes with
`lookalike`, and writes files (`model_files`) or S3. `JobFailed` is an outcome to show as ``statusDetails``; its codes
are the sandbox's own, since AWS publishes none:

=============================  =======================================================================
TRAINING_DATA_READ_FAILED      Glue table or its data missing, or not as declared
INSUFFICIENT_TRAINING_DATA     fewer users with two interactions, or records, than the minimum
SEED_READ_FAILED               seed object or query not readable
INSUFFICIENT_MATCHING_SEED     too few seed users exist in the training data
OUTPUT_WRITE_FAILED            the audience could not be written
=============================  =======================================================================
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from sandbox.jobs import model_files, seed_query, storage, training_data
from sandbox.jobs.storage import Storage
from sandbox.lookalike import model as lookalike

__all__ = [
    "ExportRequest",
    "ExportResult",
    "GenerateRequest",
    "GenerateResult",
    "JobFailed",
    "Storage",
    "TrainRequest",
    "TrainResult",
    "export_audience",
    "generate_audience",
    "train_audience_model",
]

BLAS_THREADS = 1
"""Jobs run beside one another in a pool; and one thread sums in one order, whatever the machine."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class TrainRequest:
    """Train an audience model.

    Attributes:
        storage: where S3 and Glue are.
        database: Glue database.
        table: Glue table.
        columns: (column name, column type) pairs of the training dataset's schema.
        start_time: first second of the training window (Unix), or None.
        end_time: last second of the training window (Unix), or None.
        model_path: directory for the trained model.
        minimum_users: users with at least two interactions which must be there.
        minimum_records: records which must be there.
        random_seed: same seed, same data: same model, to the byte.
    """

    storage: Storage
    database: str
    table: str
    columns: tuple[tuple[str, str], ...]
    start_time: float | None
    end_time: float | None
    model_path: str
    minimum_users: int
    minimum_records: int
    random_seed: int


@dataclass(frozen=True, slots=True)
class TrainResult:
    """What was learnt from: numbers of users, items and records in the window; seconds it took."""

    users: int
    items: int
    records: int
    seconds: float


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """Rank all users by their likeness to a seed; exactly one of ``seed_s3_uri`` and ``seed_sql`` is given.

    Attributes:
        storage: where S3 and Glue are.
        model_path: directory of the trained model.
        seed_s3_uri: seed as JSON Lines.
        seed_sql: seed as a query.
        seed_sql_parameters: (name, value) pairs of the query.
        minimum_matching_seed_size: seed users who must be in the training data.
        size_type: ABSOLUTE or PERCENTAGE.
        size_bins: audience sizes to give the relevance of.
        include_seed_in_output: whether the seed heads the audience or is left out.
        audience_path: directory for the ranking.
        random_seed: chooses who is held out for the recall.
    """

    storage: Storage
    model_path: str
    seed_s3_uri: str | None
    seed_sql: str | None
    seed_sql_parameters: tuple[tuple[str, str], ...]
    minimum_matching_seed_size: int
    size_type: str
    size_bins: tuple[int, ...]
    include_seed_in_output: bool
    audience_path: str
    random_seed: int


@dataclass(frozen=True, slots=True)
class GenerateResult:
    """Seed users found, (size bin, score 0..1) pairs, held-out recall 0..1, seconds it took."""

    matched_seed: int
    relevance: tuple[tuple[int, float], ...]
    recall: float
    seconds: float


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """Write the best ``size_value`` users (or percent of all users) of an audience to ``output_s3_uri``.

    ``output_format`` is jsonl or csv.
    """

    storage: Storage
    audience_path: str
    size_type: str
    size_value: int
    output_s3_uri: str
    output_format: str = "jsonl"


@dataclass(frozen=True, slots=True)
class ExportResult:
    """Rows written, and the folder they are in."""

    rows: int
    output_location: str


class JobFailed(Exception):
    """A job ended without a result; ``status_code`` and ``message`` go to ``statusDetails``."""

    def __init__(self, status_code: str, message: str) -> None:
        super().__init__(status_code, message)
        self.status_code = status_code
        self.message = message


def _job(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Cap the BLAS threads and turn the storage's exceptions into `JobFailed`."""

    @wraps(function)
    def guarded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        with threadpool_limits(BLAS_THREADS), _outcomes():
            return function(*args, **kwargs)

    return guarded


@contextlib.contextmanager
def _outcomes() -> Iterator[None]:
    try:
        yield
    except storage.TableUnreadableError as error:
        raise JobFailed("TRAINING_DATA_READ_FAILED", str(error)) from error
    except storage.SeedUnreadableError as error:
        raise JobFailed("SEED_READ_FAILED", str(error)) from error
    except storage.OutputUnwritableError as error:
        raise JobFailed("OUTPUT_WRITE_FAILED", str(error)) from error


@_job
def train_audience_model(r: TrainRequest) -> TrainResult:
    """Read the table, learn, save the model."""
    began = time.perf_counter()
    window = training_data.Window(r.start_time, r.end_time)
    data = training_data.read(r.storage, r.database, r.table, r.columns, window)
    records, users = len(data.interactions.users), data.users_with_two()
    if users < r.minimum_users or records < r.minimum_records:
        raise JobFailed(
            "INSUFFICIENT_TRAINING_DATA",
            f"{users} users with at least 2 interactions and {records} records in the training window; "
            f"{r.minimum_users} and {r.minimum_records} are needed",
        )
    if not records:
        raise JobFailed("INSUFFICIENT_TRAINING_DATA", "there are no records in the training window")
    model = lookalike.learn(data.interactions, r.random_seed)
    model_files.save_model(Path(r.model_path), data.users, model)
    seconds = time.perf_counter() - began
    return TrainResult(data.interactions.user_count, data.interactions.item_count, records, seconds)


@_job
def generate_audience(r: GenerateRequest) -> GenerateResult:
    """Read the seed, rank everybody, measure, save the ranking."""
    began = time.perf_counter()
    users, model = model_files.load_model(Path(r.model_path))
    seed = _matching(users, _seed_users(r))
    if len(seed) < max(r.minimum_matching_seed_size, 2):
        raise JobFailed(
            "INSUFFICIENT_MATCHING_SEED",
            f"{len(seed)} users of the seed are in the training data; {r.minimum_matching_seed_size} are needed",
        )
    scores = lookalike.score(model, seed)
    rows = [lookalike.audience_rows(r.size_type, value, len(users)) for value in r.size_bins]
    relevance = lookalike.relevance(scores, seed, rows)
    recall = lookalike.recall(model, seed, r.random_seed)
    ranked = users[lookalike.best_first(scores, seed, r.include_seed_in_output)]
    model_files.save_audience(Path(r.audience_path), model_files.Audience(ranked, len(users)))
    scored = tuple(zip(r.size_bins, relevance, strict=True))
    return GenerateResult(len(seed), scored, recall, time.perf_counter() - began)


@_job
def export_audience(r: ExportRequest) -> ExportResult:
    """Write the head of a ranking to S3."""
    audience = model_files.load_audience(Path(r.audience_path))
    wanted = lookalike.audience_rows(r.size_type, r.size_value, audience.user_count)
    chosen: list[str] = audience.users[:wanted].tolist()
    return ExportResult(len(chosen), storage.write_audience(r.storage, r.output_s3_uri, chosen, r.output_format))


def _seed_users(r: GenerateRequest) -> list[str]:
    if r.seed_sql is None:
        return storage.read_seed(r.storage, r.seed_s3_uri or "")
    try:
        return seed_query.run(r.storage, r.seed_sql, r.seed_sql_parameters)
    except storage.TableUnreadableError as error:
        raise storage.SeedUnreadableError(f"seed query: {error}") from error


def _matching(known: training_data.Names, seed: list[str]) -> npt.NDArray[np.int64]:
    """Indices, ascending, of the seed's users among the model's sorted ids."""
    wanted = set(seed)  # np.isin would cut the zeros at a string's end
    return np.flatnonzero(np.fromiter((user in wanted for user in known.tolist()), dtype=bool, count=len(known)))
