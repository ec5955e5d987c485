"""What the demo shows while it runs: live, and line by line."""

from sandbox.demo.screen import Screen
from sandbox.demo.service import environment, foreign, readable
from sandbox.demo.story import STEPS
from sandbox.demo.summary import FILES, DemoResult, most_active, show
from sandbox.demo.timeline import Timeline

TASTE = Taste(1, "Fargo", seed=("1", "2", "3"), hidden=("4", "5", "6"))
METRICS = {
    "relevanceMetrics": [
        {"audienceSize": {"type": "PERCENTAGE", "value": 5}, "score": 0.71},
        {"audienceSize": {"type": "ABSOLUTE", "value": 90}, "score": 0.5},
    ],
    "recallMetric": 0.66,
}


def console(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False)


def text(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in shown.file.getvalue().splitlines())


def outcome(*, once: bool = True) -> DemoResult:
    commands = [Command(f"c-{n}", step.operation, {}, 100.0 + n) for n, step in enumerate(STEPS)]
    read = [
        Record(REPLIES, 100.5, {"type": "cleanroomsml.reply.succeeded"}, {"operation": STEPS[0].operation}),
        Record(EVENTS, 100.5, {"type": "cleanroomsml.x.created", "sequence": "1"}, {"status": "created"}),
    ]
    creating = Counter({step.operation: 1 for step in STEPS})
    if not once:
        creating["CreateAudienceModel"] = 2
    users = ["4", "7", "8", "5", "9", "10", "11"]
    lines = [f'{{"user_id": "{user}"}}' for user in users]
    calls = Calls(creating, Counter({"GetAudienceModel": 4}))
    return DemoResult(Timeline(commands, read), METRICS, users, lines, "s3://b/audiences/x", TASTE, calls, 12.0)


def test_the_last_screen_tells_everything_within_80_columns(tmp_path: Path) -> None:
    for name in FILES:
        (tmp_path / name).touch()
    shown = console()
    show(shown, outcome(), Path("somewhere"))
    told = text(shown)
    assert max(map(len, told.splitlines())) <= 80
    assert "1 replies and 1 events" in told
    for step in STEPS:
        assert f"command  {step.operation}" in told
    assert re.search(r" 5 %\s+0\.71  █{21}\n", told)
    assert re.search(r" 90\s+0\.50  █{15}\n", told)
    assert "Recall 0.66" in told
    assert re.search(r'1  \{"user_id": "4"\}.*  yes\n', told)
    assert re.search(r'2  \{"user_id": "7"\}.*  not known\n', told)
    assert "and 2 more rows in s3://b/audiences/x" in told
    assert re.search(r"7 people +hidden likers", told)
    assert re.search(r"this audience +2 +█", told)
    assert re.search(r"those who rate most +\d", told)
    assert "exactly one for each command" in told
    assert "4 calls that only read: GetAudienceModel 4" in told


def test_the_most_active_are_no_seeds() -> None:
    taste = seed_for("Fargo")
    active = most_active(taste, 50)
    assert len(set(active)) == 50
    assert not set(active) & set(taste.seed)


def test_files_are_listed_when_they_are_there(tmp_path: Path) -> None:
    (tmp_path / "audience.jsonl").touch()
    shown = console(200)
    show(shown, outcome(), tmp_path)
    assert f"{tmp_path}/audience.jsonl  the audience, best first" in text(shown)
    assert "events.jsonl" not in text(shown)


def test_a_repeated_call_is_not_hidden(tmp_path: Path) -> None:
    shown = console()
    show(shown, outcome(once=False), tmp_path)
    assert "NOT one for each command" in text(shown)


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
