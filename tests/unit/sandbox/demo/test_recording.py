"""The picture of a run: drawn from what was shown, complete by itself, and only of a run that succeeded."""

from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from sandbox.demo import recording

SHOWN = "Who else will like <Blade Runner> & co?"


@pytest.fixture
def code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[int]:
    """The exit code of the demo that is played; it shows one line."""
    ends = [0]

    def demo(film: str, output: Path, console: Console) -> int:
        assert (film, output) == ("Blade Runner", tmp_path / "out")
        assert not console.is_terminal, "shown as to a pipe: line by line, no table that changes"
        console.print(SHOWN)
        return ends[0]

    monkeypatch.setattr(recording, "demo", demo)
    return ends


@pytest.mark.usefixtures("code")
def test_what_was_shown_is_in_the_picture_and_nothing_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "demo.svg"
    assert recording.record(picture, tmp_path / "out") == 0
    text = picture.read_text(encoding="utf-8")
    document = ElementTree.fromstring(text)  # noqa: S314 - the picture is our own
    words = "".join(document.itertext()).replace("\xa0", " ")
    assert SHOWN in words
    assert "make demo" in words
    assert text.count("http") == text.count('xmlns="http://www.w3.org/2000/svg"'), "no font or style of a server"
    assert SHOWN in capsys.readouterr().out, "it is shown too"


@pytest.mark.usefixtures("code")
def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "1.svg", tmp_path / "2.svg"
    for picture in (one, two):
        recording.record(picture, tmp_path / "out")
    assert one.read_bytes() == two.read_bytes()


def test_a_run_that_fails_leaves_the_picture_as_it_was(code: list[int], tmp_path: Path) -> None:
    code[0] = 130
    picture = tmp_path / "demo.svg"
    picture.write_text("of an earlier run")
    assert recording.record(picture, tmp_path / "out") == 130
    assert picture.read_text() == "of an earlier run"


def test_the_picture_has_the_ends_and_the_findings() -> None:
    lines = [
        "Who else?",
        "    0.0 s  Sandbox  starting",
        "    2.1 s  Sandbox  ready, 127.0.0.1:1",
        "    4.2 s  CreateTrainingDataset  accepted",
        "    4.3 s  CreateTrainingDataset  succeeded",
        "What a subscriber on Kafka saw ─────",
        " 0.00  command",
        "Was it right? ─────",
        " 4.6 times",
        "What Clean Rooms ML was asked ─────",
        " 5 calls",
        "Files ─────",
        " a file",
    ]
    assert recording.essence(lines) == [lines[number] for number in (0, 2, 4, 7, 8, 9, 10)]
