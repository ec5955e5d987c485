"""The last screen: what a subscriber saw, how good the audience is, what it cost in calls, where the files are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from sandbox.datasets import movielens
from sandbox.datasets.movielens import Person, Taste, Verdict
from sandbox.demo.calls import Calls
from sandbox.demo.records import EVENTS, REPLIES
from sandbox.demo.story import EXPORTED
from sandbox.demo.timeline import Row, Timeline

FIRST_ROWS: Final = 5
RANDOM_RECALL: Final = 0.2
"""Recall of a random ranking: held-out seeds are searched in the top 20 %."""
_BAR: Final = 30
_STYLES: Final = {"command": "bold", "reply": "cyan", "event": "magenta"}


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What a run brought.

    Attributes:
        timeline: commands, replies and events.
        metrics: the generation job's, as the API gives them.
        audience: user ids, best first.
        lines: the audience file's lines.
        location: where in S3 that file is.
        taste: seed and hidden likers.
        calls: requests to Clean Rooms ML.
        seconds: how long it all took.
    """

    timeline: Timeline
    metrics: Mapping[str, Any]
    audience: Sequence[str]
    lines: Sequence[str]
    location: str
    taste: Taste
    calls: Calls
    seconds: float


def show(console: Console, outcome: DemoResult, folder: Path) -> None:
    """Print all of it; `folder` is where the files are, as the person named it."""
    verdict = movielens.judge(outcome.audience, outcome.taste)
    timeline = outcome.timeline
    heads = f"{timeline.count(REPLIES)} replies and {timeline.count(EVENTS)} events"
    sections: list[tuple[str, RenderableType]] = [
        (f"What a subscriber on Kafka saw: {heads}", timeline_table(timeline.rows())),
        ("How the model rates its audiences", metrics_table(console, outcome.metrics)),
        (f"The audience: the best {EXPORTED} %, written to S3", audience_table(outcome, movielens.people())),
        ("Was it right?", comparison(console, verdict, outcome.taste)),
        ("What Clean Rooms ML was asked", Text(asked(outcome.calls))),
        ("Files", files_table(folder)),
    ]
    for title, content in sections:
        console.print()
        console.print(Rule(title, align="left", style="dim"))
        console.print(Padding(content, (0, 0, 0, 1), expand=False))
    console.print()


def timeline_table(rows: Iterable[Row]) -> Table:
    """Everything that was sent and read; a blank line after the commands, which were sent at once."""
    table = _plain(("time", "right"), ("record", "left"), ("about", "left"), ("says", "left"), ("no.", "right"))
    before = "command"
    for row in rows:
        if row.record != before == "command":
            table.add_row()
        before = row.record
        style = _STYLES.get(row.record, "red")
        table.add_row(f"{row.seconds:.2f}", Text(row.record, style), row.about, row.what, row.sequence)
    return table


def metrics_table(console: Console, metrics: Mapping[str, Any]) -> RenderableType:
    """Relevance at each size, and recall, with what random would give."""
    table = _plain(("size", "right"), ("relevance", "right"), ("", "left"))
    block = "#" if console.options.ascii_only else "█"
    for size, score in relevance(metrics):
        table.add_row(size, f"{score:.2f}", Text(block * round(score * _BAR), "green"))
    recall = metrics.get("recallMetric")
    if recall is None:
        return Group(table, Text("\nClean Rooms ML gave no recall."))
    words = f"Recall {recall:.2f}: the share of held-out seed people who are among the top 20 %."
    return Group(table, Text(f"\n{words}\nA random order would give {RANDOM_RECALL:.2f}."))


def relevance(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Pairs of a size as people write it, and its score."""
    for each in metrics.get("relevanceMetrics") or ():
        size = each["audienceSize"]
        unit = " %" if size["type"] == "PERCENTAGE" else ""
        yield f"{size['value']}{unit}", float(each["score"])


def audience_table(outcome: DemoResult, people: Mapping[int, Person]) -> RenderableType:
    """The first rows of the file, beside what MovieLens knows of these people."""
    table = _plain(("row", "right"), ("in the file", "left"), ("age", "right"), ("", "left"), ("occupation", "left"))
    table.add_column(f"liked {outcome.taste.title}?")
    hidden = set(outcome.taste.hidden)
    for number, (line, user) in enumerate(zip(outcome.lines, outcome.audience, strict=True), start=1):
        if number > FIRST_ROWS:
            break
        person = people[int(user)]
        liked = Text("yes", "green") if user in hidden else Text("not known", "dim")
        table.add_row(str(number), line, str(person.age), person.sex, person.occupation, liked)
    more = len(outcome.lines) - FIRST_ROWS
    rest = f"and {more} more rows in " if more > 0 else ""
    return Group(table, Text(f"\n{rest}{outcome.location}"))


def comparison(console: Console, verdict: Verdict, taste: Taste) -> RenderableType:
    """The audience against two others of equal size: chosen at random, and simply those who rate most."""
    seed, hidden = len(taste.seed), len(taste.hidden)
    table = _plain((f"{verdict.size} people", "left"), ("hidden likers", "right"), ("", "left"))
    block = "#" if console.options.ascii_only else "█"
    active = movielens.judge(most_active(taste, verdict.size), taste)
    most = max(verdict.hits, active.hits, verdict.by_chance, 1)
    for name, number, value, style in (
        ("this audience", f"{verdict.hits}  ", float(verdict.hits), "green"),
        ("those who rate most", f"{active.hits}  ", float(active.hits), "dim"),
        ("at random, on average", f"{verdict.by_chance:.1f}", verdict.by_chance, "dim"),
    ):
        table.add_row(name, number, Text(block * round(value / most * _BAR), style))
    before = (
        f"{seed + hidden} people liked {taste.title}: {seed} were the seed, {hidden} were hidden.\n"
        "The model saw no rating of this film.\n"
    )
    after = (
        f"\n{verdict.lift:.1f} times as many as by chance. "
        "Of the others MovieLens has no rating;\nsome have perhaps not seen the film."
    )
    return Group(Text(before), table, Text(after))


def most_active(taste: Taste, size: int) -> list[str]:
    """The people outside the seed who rated most; the taste's own film does not count."""
    ratings = movielens.interactions().without([taste.item])
    counted = Counter(str(user) for user in ratings.users.tolist())
    seed = set(taste.seed)
    ranked = sorted((user for user in counted if user not in seed), key=lambda user: (-counted[user], int(user)))
    return ranked[:size]


def asked(calls: Calls) -> str:
    """Calls in words."""
    created, read = calls.creating.total(), calls.reading.total()
    if calls.once:
        first = f"{created} calls that create or start something: exactly one for each command."
    else:
        each = ", ".join(f"{name} {number}" for name, number in calls.creating.items())
        first = f"{created} calls that create or start something, which is NOT one for each command: {each}."
    kinds = ", ".join(f"{name} {number}" for name, number in sorted(calls.reading.items()))
    return f"{first}\n{read} calls that only read: {kinds}."


def files_table(folder: Path) -> Table:
    """What is in the folder, one line for each file."""
    table = _plain(("", "left"), ("", "left"))
    table.show_header = False
    for name, meaning in FILES.items():
        if (folder / name).exists():
            table.add_row(str(folder / name), Text(meaning, "dim"))
    return table


FILES: Final[Mapping[str, str]] = {
    "audience.jsonl": "the audience, best first",
    "commands.jsonl": "the commands, as published",
    "replies.jsonl": "the replies, as read",
    "events.jsonl": "the events, as read",
    "requests.jsonl": "each request to Clean Rooms ML",
    "service.log": "the service's own log",
}
"""Name and meaning of each file which a run leaves."""


def _plain(*columns: tuple[str, Any]) -> Table:
    """A table without lines, whose columns do not wrap."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for name, justify in columns:
        table.add_column(name, justify=justify, no_wrap=True)
    return table
