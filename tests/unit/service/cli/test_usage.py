"""What is wrong with a command line: one line with what was found, what was expected, and the next step."""

import pytest

from service.cli import console
from service.cli.entry import app


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
