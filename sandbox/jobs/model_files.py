"""Trained models and generated audiences on disk, as ``.npz`` without pickle: opening one runs no code.

A file appears whole or not at all (written beside, then renamed), and the same content gives the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sandbox.jobs.training_data import Names
from sandbox.lookalike.model import Model
from sandbox.lookalike.user_views import View

MODEL = "model.npz"
AUDIENCE = "audience.npz"


@dataclass(frozen=True, slots=True)
class Audience:
    """A generated audience before a size is chosen.

    Attributes:
        users: user ids, best first; with the seed in front if it is included.
        user_count: users in the training data, of which percentages are taken.
    """

    users: Names
    user_count: int


def save_model(folder: Path, users: Names, model: Model) -> None:
    """Write a model and the ids of its users (users,), sorted."""
    arrays: dict[str, npt.NDArray[Any]] = {
        **_packed(users),
        "penalties": np.array([view.penalty for view in model.views]),
        "weights": np.array([view.weight for view in model.views]),
    }
    for number, view in enumerate(model.views):
        parts = _sparse_parts(view.rows) if sparse.issparse(view.rows) else {"rows": view.rows}
        arrays |= {f"{number}.{name}": part for name, part in parts.items()}
    _save(folder / MODEL, arrays)


def load_model(folder: Path) -> tuple[Names, Model]:
    """Read what `save_model` wrote."""
    with np.load(folder / MODEL, allow_pickle=False) as file:
        knobs = zip(file["penalties"].tolist(), file["weights"].tolist(), strict=True)
        views = tuple(View(_rows(file, number), *knob) for number, knob in enumerate(knobs))
        users = _unpacked(file)
    return users, Model(views, len(users))


def _sparse_parts(rows: sparse.csr_matrix) -> dict[str, npt.NDArray[Any]]:
    return {"values": rows.data, "columns": rows.indices, "bounds": rows.indptr, "shape": np.array(rows.shape)}


def _rows(file: Mapping[str, npt.NDArray[Any]], number: int) -> Any:
    """A view's rows, dense or CSR."""
    if f"{number}.rows" in file:
        return file[f"{number}.rows"]
    shape = tuple(int(side) for side in file[f"{number}.shape"])
    parts = tuple(file[f"{number}.{name}"] for name in ("values", "columns", "bounds"))
    return sparse.csr_matrix(parts, shape=shape)


def save_audience(folder: Path, audience: Audience) -> None:
    """Write an audience."""
    _save(folder / AUDIENCE, {**_packed(audience.users), "user_count": np.array(audience.user_count)})


def load_audience(folder: Path) -> Audience:
    """Read what `save_audience` wrote."""
    with np.load(folder / AUDIENCE, allow_pickle=False) as file:
        return Audience(_unpacked(file), int(file["user_count"]))


def _packed(users: Names) -> dict[str, npt.NDArray[Any]]:
    """Ids as the bytes of all of them and where each ends."""
    encoded = [user.encode() for user in users.tolist()]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    return {"user_bytes": np.frombuffer(b"".join(encoded), dtype=np.uint8), "user_ends": ends}


def _unpacked(file: Mapping[str, npt.NDArray[Any]]) -> Names:
    """What `_packed` made; files of earlier versions have the ids as they are."""
    if "users" in file:
        return np.array(file["users"].tolist(), dtype=np.dtypes.StringDType())
    whole, ends = file["user_bytes"].tobytes(), file["user_ends"].tolist()
    users = [whole[begin:end].decode() for begin, end in zip([0, *ends], ends, strict=False)]
    return np.array(users, dtype=np.dtypes.StringDType())


def _save(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    os.replace(unfinished, path)
