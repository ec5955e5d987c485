"""The command: its exit code, and what it says when something fails."""

import asyncio
import io
import logging
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from sandbox.demo import INTERRUPTED, command, demo_command
from sandbox.demo.command import FEWEST_LIKERS
from sandbox.demo.service import LOG, ServiceError
from sandbox.demo.timeline import UnwantedError
from sandbox.jobs.storage import StorageError
from sandbox.stack import StartError
from tests.unit.sandbox.demo.test_summary import outcome


@pytest.mark.parametrize(
    ("film", "words"), [("Sharknado", "no film titled"), ("Golden Earrings", f"needs {FEWEST_LIKERS}")]
)
def test_a_film_that_will_not_do_is_refused_before_anything_starts(
    film: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        demo_command(film=film, output=tmp_path / "out")
    assert ended.value.code == 1
    told = capsys.readouterr().out
    assert "The demo did not succeed." in told
    assert words in told
    assert not (tmp_path / "out").exists()


class FakeDemo:
    """A run that ends as a test says."""

    ends: Callable[[], Coroutine[Any, Any, Any]]
    saved = 0

    def __init__(self, _screen: object, folder: Path, film: str) -> None:
        assert film == "Blade Runner"
        assert folder.is_dir()

    async def play(self) -> Any:
        return await type(self).ends()

    def save(self) -> None:
        type(self).saved += 1


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., tuple[int, str, int]]:
    """Play a demo that ends so; give the exit code, what was shown, and how often the records were saved."""

    def played(ends: Callable[[], Coroutine[Any, Any, Any]]) -> tuple[int, str, int]:
        fake = type("Fake", (FakeDemo,), {"ends": staticmethod(ends)})
        shown = io.StringIO()
        monkeypatch.setattr(command, "Demo", fake)
        monkeypatch.setattr(command, "download", lambda _: None)
        monkeypatch.setattr(
            command, "Console", lambda **_: Console(file=shown, width=80, color_system=None, highlight=False)
        )
        monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
        code = command.demo("Blade Runner", tmp_path / "out")
        return code, shown.getvalue(), fake.saved  # type: ignore[attr-defined]

    return played


def raising(error: BaseException) -> Callable[[], Coroutine[Any, Any, Any]]:
    async def play() -> None:
        raise error

    return play


def returning(result: object) -> Callable[[], Coroutine[Any, Any, Any]]:
    async def play() -> object:
        return result

    return play


def test_a_run_that_succeeds_ends_with_0_and_what_to_do_next(run: Callable[..., tuple[int, str, int]]) -> None:
    code, shown, _ = run(returning(outcome()))
    assert code == 0
    assert "Who else will like Blade Runner?" in shown
    assert "All of it took 12 s" in shown
    assert "make up" in shown
    assert "did not succeed" not in shown


def test_a_command_that_was_called_twice_is_a_failure(run: Callable[..., tuple[int, str, int]]) -> None:
    code, shown, _ = run(returning(outcome(once=False)))
    assert code == 1
    assert "exactly one call" in shown
    assert "The demo did not succeed." in shown


@pytest.mark.parametrize("error", [ServiceError("it ended"), UnwantedError("it was parked")])
def test_a_failure_of_the_service_shows_the_end_of_its_log(
    run: Callable[..., tuple[int, str, int]], tmp_path: Path, error: Exception
) -> None:
    async def play() -> None:
        (tmp_path / "out" / LOG).write_text("".join(f"line {number}\n" for number in range(50)))
        raise error

    code, shown, saved = run(play)
    assert (code, saved) == (1, 1)
    assert str(error) in shown
    assert "line 30\n" in shown
    assert "line 29\n" not in shown
    assert "The whole log is" in shown
    assert "-m service check" in shown


def test_an_empty_log_is_named_without_lines(run: Callable[..., tuple[int, str, int]], tmp_path: Path) -> None:
    async def play() -> None:
        (tmp_path / "out" / LOG).touch()
        raise ServiceError("it ended")

    _, shown, _ = run(play)
    assert "The last lines" not in shown
    assert "The whole log is" in shown


@pytest.mark.parametrize("error", [StartError("no port"), StorageError("no bucket"), ServiceError("no topics")])
def test_a_failure_without_a_log_says_that_nothing_is_left(
    run: Callable[..., tuple[int, str, int]], error: Exception
) -> None:
    code, shown, saved = run(raising(error))
    assert (code, saved) == (1, 1)
    assert str(error) in shown
    assert "Nothing is left running." in shown


def test_an_interrupted_run_keeps_what_was_read(run: Callable[..., tuple[int, str, int]]) -> None:
    async def play() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    code, shown, saved = run(play)
    assert (code, saved) == (INTERRUPTED, 1)
    assert "Interrupted; everything is stopped." in shown


def test_an_error_that_was_not_foreseen_is_not_hidden(run: Callable[..., tuple[int, str, int]]) -> None:
    with pytest.raises(ZeroDivisionError):
        run(raising(ZeroDivisionError()))


def test_a_download_that_fails_is_said_before_anything_starts(
    run: Callable[..., tuple[int, str, int]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def download(_: object) -> None:
        raise StartError("no network")

    monkeypatch.setattr(command, "download", download)
    assert command.demo("Blade Runner", Path("never made")) == 1
    said = capsys.readouterr().out
    assert "no network" in said
    assert "Without the download there is no demo" in said
    assert not Path("never made").exists()


def test_files_of_an_earlier_run_are_gone(run: Callable[..., tuple[int, str, int]], tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    for name in ("events.jsonl", LOG, "mine.txt"):
        (tmp_path / "out" / name).write_text("old")
    run(raising(StartError("no port")))
    assert [each.name for each in (tmp_path / "out").iterdir()] == ["mine.txt"]
