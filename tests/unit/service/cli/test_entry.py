"""The begin of the process: what is quick stays quick, and says what the commands say of themselves."""

import gc
import importlib
import inspect
import io
import re
import subprocess
import sys
from typing import Any

import pytest
from cyclopts import App
from rich.console import Console

from service.cli import console, entry, following
from service.cli.usage import PROGRAM
from tests.support.command_line import CommandLine

QUICK = ["--version", "--help", "-h", ""]


def loaded(where: str) -> Any:
    module, _, attribute = where.partition(":")
    return getattr(importlib.import_module(f"service.cli.{module}"), attribute)


def test_every_command_is_named_with_what_it_says_of_itself() -> None:
    for name, where, _, _, text in entry.COMMANDS:
        target = loaded(where)
        own = target.help if isinstance(target, App) else (inspect.getdoc(target) or "").partition("\n\n")[0]
        assert text == " ".join(own.split()), name


def page(app: App) -> str:
    """On a screen of its own: an app keeps the width of the one that it has printed to first."""
    screen = Console(file=io.StringIO(), width=100)
    with screen.capture() as printed:
        app.help_print(console=screen)
    return printed.get()


def test_the_page_is_that_of_the_loaded_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = App(name=PROGRAM, help=entry.HELP, help_epilogue=entry.CODES, version=entry.version)
    for name, where, group, order, _ in entry.COMMANDS:
        target = loaded(where)
        if isinstance(target, App):
            monkeypatch.setattr(target, "group", group)
            monkeypatch.setattr(target, "sort_key", order)
            commands.command(target)
        else:
            commands.command(target, name=name, group=group, sort_key=order)
    assert entry.COMMANDS[-1][0] in page(entry.app)
    assert page(entry.app) == page(commands)


def test_the_page_has_the_exit_codes() -> None:
    assert f"{console.EXIT_USAGE} invalid settings or usage; {console.EXIT_REFUSED} Kafka" in entry.CODES
    codes = (following.EXIT_FAILED, following.EXIT_REJECTED, following.EXIT_PARKED, following.EXIT_TIME)
    assert "{} failed, {} rejected, {} parked, {} time is up".format(*codes) in entry.CODES


@pytest.mark.parametrize(
    "words",
    [
        *((name,) for name, *_ in entry.COMMANDS),
        *(("parked", each) for each in ("list", "resolve")),
        *(("dlq", each) for each in ("list", "show", "replay")),
        *(("offsets", each) for each in ("show", "reset", "set")),
    ],
    ids=" ".join,
)
def test_help_fits_eighty_columns_and_says_nothing_that_is_no_news(
    monkeypatch: pytest.MonkeyPatch, type_: CommandLine, words: tuple[str, ...]
) -> None:
    """No option for the opposite of a default, no empty default, one spelling of an id, and no codes of others."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = type_(*words, "--help").out
    assert "--no-" not in shown.replace("--not-", "")
    assert not re.search(
        r"\[default: (\(\)|False|None|)\]|--empty-|COMMAND_ID|ARGS|--(command-id|offset) OFFSET", shown
    )
    assert "Exit codes: " in shown
    assert ("4 failed" in shown) is (words[0] in ("send", "watch"))


@pytest.mark.parametrize("word", QUICK)
def test_what_is_quick_loads_no_command(word: str) -> None:
    """It took a second of CPU, nearly all of it for loading modules."""
    program = (
        "import sys; from service.cli import entry\n"
        f"sys.argv = ['service', *{[word] if word else []!r}]\n"
        "try: entry.main()\n"
        "except SystemExit as ended: assert not ended.code\n"
        "assert not {'service.settings', 'service.bootstrap', 'aiohttp', 'botocore', 'pydantic'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("word", QUICK)
def test_what_is_quick_is_printed_without_the_commands(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """In this process, in which all of them are loaded."""
    monkeypatch.setattr(sys, "argv", ["service", *([word] if word else [])])
    monkeypatch.setattr(gc, "disable", lambda: None)
    monkeypatch.setattr(console, "guarded", lambda _: pytest.fail("the commands were loaded"))
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert not ended.value.code


def test_a_command_that_is_not_there_is_a_usage_error() -> None:
    words = [sys.executable, "-m", "service", "nonsense"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("python -m service: found the command 'nonsense'; expected one of run, topics, check")
    assert done.stderr.endswith("See python -m service --help.\n")


def test_output_that_nobody_reads_ends_as_that_of_any_command() -> None:
    shell = f"{sys.executable} -m service --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", shell], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["141"]
    assert not done.stderr
