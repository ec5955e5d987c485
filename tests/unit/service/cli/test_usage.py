"""What is wrong with a command line: one line with what was found, what was expected, and the next step."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cyclopts import App

from service.cli import console
from service.cli.entry import app

ROOT = Path(__file__).parents[4]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rune"], "found the command 'rune'; expected perhaps run. See python -m service --help."),
        (["x"], "found the command 'x'; expected one of "),
        (["dlq", "lst"], "dlq: found the command 'lst'; expected perhaps list. See python -m service dlq --help."),
        (["dlq", "list", "--limt", "1"], "dlq list: found the option '--limt'; expected perhaps --limit"),
        (["dlq", "list", "--limit", "few"], "dlq list: --limit: found 'few'; expected a whole number. See"),
        (["acls", "--format", "xml"], "acls: --format: found 'xml'; expected one of table, json, kafka-acls, "),
        (["dlq", "show"], "dlq show: PARTITION: found no value; expected a whole number. See"),
        (["run", "--settings"], "run: --settings: found no value; expected a path. See python -m service run --help."),
        (["run", "x"], "run: found 'x'; expected nothing more. See python -m service run --help."),
        (
            ["check", "--settings", "a", "--settings", "b"],
            "check: --settings: found more than once; expected once. See",
        ),
    ],
)
def test_a_wrong_command_line_is_one_line_with_found_expected_and_the_next_step(
    capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert console.guarded(lambda: app(words)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("python -m service")
    assert err.endswith("--help.\n")
    assert err.count("\n") == 1
    assert said in err


def commands(app: App, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Every command, by its words, with its options."""
    names = [name for name in app if not name.startswith("-")]
    for name in names:
        yield from commands(app[name], (*path, name))
    if not names:
        yield " ".join(path), {name for each in app.assemble_argument_collection() for name in each.names}


def test_the_repair_page_says_of_each_command_whether_it_acts_at_once() -> None:
    """An operator trusts its first paragraph with money: what it does not name there must not act at once."""
    page = (ROOT / "docs/howto/repair.md").read_text(encoding="utf-8")
    harmless, _, at_once = page.split("\n\n")[1].partition("**")
    every = dict(commands(app))
    dry = {name for name, options in every.items() if "--apply" in options}
    assert {name for name in every if f"`{name}`" in harmless} == dry | {"skip-corrupt"}
    used = {name for name in every if f"python -m service {name}" in page}
    reads = {"acls", "parked list", "show", "offsets show", "dlq list", "dlq show"}
    assert {name for name in every if f"`{name}`" in at_once} == (used - dry - reads - {"skip-corrupt"}) | {"cancel"}
    for name, options in every.items():
        assert "--i-understand" not in options or name in dry | {"skip-corrupt"}
