"""Models and audiences on disk: whole or not at all, the same bytes, and no code in them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sandbox.jobs import model_files, worker


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
