"""What the demo shows while it runs: live, and line by line."""

from sandbox.demo.screen import Screen
from tests.support.terminal import console, text


def test_lines_where_there_is_no_terminal() -> None:
    shown = console()
    screen = Screen(shown)
    stage, other = screen.add("CreateAudienceModel", "learn"), screen.add("Later", "")
    with screen.shown():
        screen.note("nothing is under way")
        screen.move(stage, "sent")
        screen.move(stage, "sent")
        screen.note("fetching")
        screen.end(stage, "succeeded")
    words = [line.split(None, 3)[2:] for line in text(shown).splitlines()]
    assert words == [["CreateAudienceModel", each] for each in ("sent", "fetching", "succeeded")]
    assert other.seconds is None


def test_a_table_on_a_terminal() -> None:
    shown = console(100, terminal=True)
    screen = Screen(shown)
    first, second = screen.add("CreateTrainingDataset", "name the table"), screen.add("CreateAudienceModel", "learn")
    screen.add("Later", "afterwards")
    with screen.shown():
        screen.end(first, "succeeded")
        screen.move(second, "CREATE_PENDING")
        screen.fail()
    plain = console(100)
    plain.print(screen.table())
    rows = [line.split() for line in text(plain).splitlines()]
    assert rows[0] == ["✓", "CreateTrainingDataset", "name", "the", "table", "succeeded", "0.0", "s"]
    assert rows[1][:2] == ["✗", "CreateAudienceModel"]
    assert rows[2] == ["Later", "afterwards"]


def test_narrow_terminals_do_without_the_purpose() -> None:
    screen = Screen(console(80))
    screen.add("CreateAudienceModel", "learn everyone's taste")
    narrow = console(80)
    narrow.print(screen.table())
    assert "learn" not in text(narrow)
