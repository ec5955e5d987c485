"""Tables and lines of commands: they fit on 80 columns, are whole in a pipe, and nothing from outside is obeyed."""

import json

import pytest
from rich.cells import cell_len

from schemas.events import ReplyKind
from service.cli import command_output as output
from service.operator.commands.history import CommandHistory, Histories
from tests.support import terminal
from tests.support.published_records import MODEL, NOW, error, event, notice, reply, sent, trained

EVIL = "a\x1b[2J[red]\n"


def known(*records: object) -> CommandHistory:
    found = Histories()
    found.add_all(records)  # type: ignore[arg-type]
    return next(iter(found.commands.values()))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (59.9, "59s"), (61, "1m01s"), (1620, "27m"), (3661, "1h01m"), (90_000, "1d01h")],
)
def test_time_spans(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


def test_a_table_fits_the_screen_and_is_whole_in_a_pipe() -> None:
    rows = [
        (
            "weekly-2026-48-segment-number-2",
            "PutConfiguredAudienceModelPolicy",
            "failed ResourceNotFoundException",
            "3s",
        ),
        ("ü" * 40, "GetAudienceModel", "waiting #2 ConcurrencyLimit", "1h01m"),
    ]
    narrow = output.table(output.COLUMNS, rows, 80)
    assert max(cell_len(line.plain) for line in narrow) <= 80
    assert narrow[1].plain.startswith("weekly-2026")
    assert "number-2 " in narrow[1].plain
    assert narrow[1].plain.endswith("  3s")
    wide = output.table(output.COLUMNS, rows, None)
    assert all(cell in wide[1].plain for cell in rows[0])


def test_only_the_state_is_coloured() -> None:
    (_, line) = output.table(output.COLUMNS, [("failed", "X", "failed NotFound", "3s")], None)
    assert [(line.plain[span.start : span.end].strip(), span.style) for span in line.spans] == [
        ("failed NotFound", "red")
    ]


def test_a_screen_that_is_too_narrow_is_left_at_the_least() -> None:
    (_, line) = output.table(("A", "B"), [("x" * 50, "y" * 50)], 5)
    assert cell_len(line.plain) == 18


@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [("abcdefgh", 8, "abcdefgh"), ("abcdefghi", 8, "abc…fghi"), ("日本語日本語", 7, "日…語")],
)
def test_the_middle_is_left_out(text: str, width: int, shown: str) -> None:
    assert output.shortened(text, width) == shown


@pytest.mark.parametrize(
    ("records", "state"),
    [
        (trained(sent())[:1], "accepted"),
        (trained(sent())[:2], "waiting #2 ConcurrencyLimit"),
        (
            [reply(sent(), ReplyKind.WAITING, NOW, {"reason": "Predecessor", "predecessors": ["a", "b"]})],
            "waiting Predecessor a",
        ),
        (trained(sent())[:4], "started CREATE_IN_PROGRESS"),
        (trained(sent()), "succeeded ACTIVE"),
        ([reply(sent(), ReplyKind.FAILED, NOW, error("Cancelled", "by you"))], "failed Cancelled"),
        ([event(sent(), "ACTIVE")], "unknown ACTIVE"),
    ],
)
def test_states_in_the_words_of_the_replies(records: list[object], state: str) -> None:
    assert output.state(known(*records)) == state


def test_a_row() -> None:
    assert output.row(known(*trained(sent())[:2]), NOW + 65) == (
        "weekly-1",
        "CreateAudienceModel",
        "waiting #2 ConcurrencyLimit",
        "1m05s",
    )


@pytest.mark.parametrize(
    ("kind", "data", "line"),
    [
        (ReplyKind.ACCEPTED, {}, ""),
        (ReplyKind.WAITING, {"reason": "NotBefore", "position": 0}, "NotBefore"),
        (ReplyKind.WAITING, {"reason": "Predecessor", "predecessors": ["a", "b"]}, "Predecessor a, b"),
        (ReplyKind.WAITING, {"reason": "RateBudget", "position": 3}, "RateBudget, position 3 in the queue"),
        (ReplyKind.STARTED, {"status": "CREATE_PENDING", "resourceArn": MODEL}, f"CREATE_PENDING {MODEL}"),
        (ReplyKind.SUCCEEDED, {"result": {"audienceModelArn": MODEL, "status": "ACTIVE"}}, f"ACTIVE {MODEL}"),
        (
            ReplyKind.SUCCEEDED,
            {"result": {"models": [1], "nextToken": "t"}},
            "models: 1 (--json prints them)",
        ),
        (ReplyKind.SUCCEEDED, {"result": {"policyHash": "h"}}, "policyHash"),
        (ReplyKind.SUCCEEDED, {"result": None}, ""),
        (ReplyKind.FAILED, error("X", "why"), "X: why"),
    ],
)
def test_news_in_a_line(kind: ReplyKind, data: dict[str, object], line: str) -> None:
    assert output.news(notice(reply(sent(), kind, NOW, data))) == line


def test_lines_for_a_pipe() -> None:
    started, changed = notice(trained(sent(EVIL))[2]), notice(trained(sent())[3])
    assert output.notice_line(started).plain == (
        f"2026-09-21 14:14:20  a\\x1b[2J[red]\\n  started  CREATE_PENDING {MODEL}"
    )
    assert output.notice_line(changed).plain.endswith(f"  event  audience-model CREATE_IN_PROGRESS {MODEL}")


def test_lines_for_programs() -> None:
    found = json.loads(output.notice_json(notice(trained(sent())[3])))
    assert (found["kind"], found["type"], found["sequence"]) == ("event", "audience-model", 1)
    assert found["data"]["status"] == "CREATE_IN_PROGRESS"
    command = json.loads(output.command_json(known(*trained(sent())), more=1))
    assert (command["state"], command["resources"], command["error"], command["more"]) == (
        "succeeded",
        [MODEL],
        None,
        1,
    )
    assert json.loads(output.command_json(known(event(sent(), "ACTIVE"))))["accepted"] is None


def test_long_facts_go_on_below_where_they_began() -> None:
    pairs = [("state", "one two three"), ("none", ""), ("resource", "x" * 25)]
    lines = [line.plain for line in output.facts(pairs, 20)]
    assert lines == [
        "state     one two",
        "          three",
        "resource  " + 10 * "x",
        " " * 10 + 10 * "x",
        " " * 10 + 5 * "x",
    ]
    assert [line.plain for line in output.facts(pairs, None)][1] == "resource  " + 25 * "x"


def test_a_pipe_has_no_width() -> None:
    assert output.width_of(terminal.console(80)) is None
    assert output.width_of(terminal.console(80, terminal=True)) == 80
    shown = terminal.console(10)
    output.print_lines(shown, output.table(("A",), [("x" * 30,)], None))
    assert terminal.text(shown) == f"A\n{30 * 'x'}\n"
