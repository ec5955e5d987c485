"""What is generated is fresh, deterministic, complete, and says what the code does."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.docs import descriptions, json_schemas, render
from schemas.operations import COMMANDS


def test_nothing_is_stale() -> None:
    assert render.stale() == [], "run make render"


def test_the_published_contract_is_kept() -> None:
    assert [str(one) for one in render.broken()] == []


def test_a_rendering_is_the_same_in_another_process() -> None:
    program = "import json, sys; from schemas.docs import render; json.dump(render.files(), sys.stdout)"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=render.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(result.stdout) == render.files()


def test_a_changed_a_missing_and_a_left_over_file_are_stale_until_written(tmp_path: Path) -> None:
    render.write(tmp_path)
    assert render.stale(tmp_path) == []
    changed, missing, left = (
        f"{render.GENERATED}/asyncapi.yaml",
        f"{render.PAGES}/README.md",
        f"{render.PAGES}/CreateNothing.md",
    )
    (tmp_path / changed).write_text("asyncapi: 3.0.0\n")
    (tmp_path / missing).unlink()
    (tmp_path / left).write_text("# CreateNothing\n")
    assert render.stale(tmp_path) == sorted([changed, missing, left])
    render.write(tmp_path)
    assert render.stale(tmp_path) == []
    assert not (tmp_path / left).exists()


def test_publishing_keeps_what_is_published(tmp_path: Path) -> None:
    assert render.publish(tmp_path) == []
    path = tmp_path / render.PUBLISHED / "v1" / "contract.json"
    contract = json.loads(path.read_text())
    assert contract == json_schemas.contract()
    render.write(tmp_path)
    assert path.exists(), "a rendering does not remove it"
    contract["replies"]["accepted"]["data"]["properties"]["receipt"] = {"type": "string"}
    path.write_text(json.dumps(contract))
    assert [str(one) for one in render.publish(tmp_path)] == ["replies.accepted.data.receipt: removed: is gone"]
    assert json.loads(path.read_text()) == contract


@pytest.mark.parametrize(("stale", "broken", "code"), [([], [], 0), (["a"], [], 1), ([], ["b"], 1)])
def test_check_fails_for_what_is_stale_or_broken(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    stale: list[str],
    broken: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(render, "stale", lambda: stale)
    monkeypatch.setattr(render, "broken", lambda: broken)
    assert render.main(["--check"]) == code
    told = capsys.readouterr().err
    assert all(name in told for name in [*stale, *broken])


def test_no_file_names_a_machine_or_a_registry() -> None:
    for path, text in render.files().items():
        assert str(Path.home()) + "/" not in text or str(Path.home()) == "/", path
        assert str(render.ROOT) not in text, path


# --- AsyncAPI --------------------------------------------------------------------------------------------------------


# --- pages -----------------------------------------------------------------------------------------------------------


def test_purposes_and_recipes_are_sentences_of_our_own() -> None:
    for row in COMMANDS.values():
        for text in (descriptions.purpose(row), descriptions.recipe(row)):
            assert text.endswith("."), row.name
            assert "None" not in text
