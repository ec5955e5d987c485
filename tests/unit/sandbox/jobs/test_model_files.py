"""Models and audiences on disk: whole or not at all, the same bytes, and no code in them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from sandbox.jobs import model_files, worker
from sandbox.jobs.model_files import Audience
from sandbox.lookalike.model import Model
from sandbox.lookalike.user_views import View


def test_ids_that_differ_in_a_last_zero_stay_apart_in_files(tmp_path: Path) -> None:
    users = np.array(["u0", "u0\0", "ü", ""], dtype=np.dtypes.StringDType())
    model_files.save_audience(tmp_path, model_files.Audience(users, 4))
    assert model_files.load_audience(tmp_path).users.tolist() == ["u0", "u0\0", "ü", ""]
    model_files.save_audience(tmp_path, model_files.Audience(users[:0], 4))
    assert model_files.load_audience(tmp_path).users.tolist() == []
    assert worker._matching(users, ["u0\0", "none"]).tolist() == [1]


def test_files_of_earlier_versions_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "audience.npz", users=np.array(["u1", "ü2"]), user_count=np.array(2))
    assert model_files.load_audience(tmp_path).users.tolist() == ["u1", "ü2"]


def views() -> tuple[View, ...]:
    rng = np.random.default_rng(0)
    dense = rng.normal(size=(3, 2)).astype(np.float32)
    thin = sparse.csr_matrix(np.array([[1, 0, 2], [0, 0, 0], [0, 3, 0]], dtype=np.float32))
    return View(dense, 100.0), View(thin, 0.5, 3.0)


def ids(*users: str) -> Any:
    return np.array(users, dtype=np.dtypes.StringDType())


def test_a_model_is_read_as_it_was_written(tmp_path: Path) -> None:
    model_files.save_model(tmp_path / "deep" / "folder", ids("a", "b\0", "ü"), Model(views(), 3))
    users, model = model_files.load_model(tmp_path / "deep" / "folder")
    assert (users.tolist(), model.user_count) == (["a", "b\0", "ü"], 3)
    for found, given_view in zip(model.views, views(), strict=True):
        assert (found.penalty, found.weight) == (given_view.penalty, given_view.weight)
        assert sparse.issparse(found.rows) == sparse.issparse(given_view.rows)
        assert found.rows.dtype == np.float32
        difference = found.rows - given_view.rows
        assert not (difference.toarray() if sparse.issparse(difference) else difference).any()


def test_a_model_of_no_users_and_no_views(tmp_path: Path) -> None:
    model_files.save_model(tmp_path, ids(), Model((), 0))
    users, model = model_files.load_model(tmp_path)
    assert (users.tolist(), model) == ([], Model((), 0))


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.integers(0, 2**40))
def test_any_users_are_read_as_they_were_written(users: list[str], count: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        model_files.save_audience(Path(name), Audience(ids(*users), count))
        found = model_files.load_audience(Path(name))
    assert (found.users.tolist(), found.user_count) == (users, count)


def test_the_same_contents_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        model_files.save_model(tmp_path / name, ids("a", "b", "c"), Model(views(), 3))
    one, two = ((tmp_path / name / model_files.MODEL).read_bytes() for name in ("one", "two"))
    assert one == two


def test_a_file_that_is_not_finished_replaces_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model_files.save_audience(tmp_path, Audience(ids("old"), 1))

    def savez(file: Any, **_: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(OSError, match="disk full"):
        model_files.save_audience(tmp_path, Audience(ids("new"), 2))
    monkeypatch.undo()
    assert model_files.load_audience(tmp_path).users.tolist() == ["old"]
    model_files.save_audience(tmp_path, Audience(ids("new"), 2))
    assert os.listdir(tmp_path) == [model_files.AUDIENCE]


def test_a_file_with_code_in_it_is_not_opened(tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "done"),)

    np.savez(tmp_path / model_files.AUDIENCE, users=np.array([Harm()], dtype=object), user_count=np.array(1))
    with pytest.raises(ValueError, match="allow_pickle"):
        model_files.load_audience(tmp_path)
    assert not (tmp_path / "done").exists()


def test_a_missing_an_empty_and_another_file_are_errors(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        model_files.load_model(tmp_path)
    (tmp_path / model_files.MODEL).touch()
    with pytest.raises(EOFError):
        model_files.load_model(tmp_path)
    np.savez(tmp_path / model_files.MODEL, other=np.arange(3))
    with pytest.raises(KeyError, match="penalties"):
        model_files.load_model(tmp_path)
