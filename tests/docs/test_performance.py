"""docs/performance.md says what benchmarks/results.json holds, and docs/sizing.md quotes no other figures."""

from benchmarks import page
from benchmarks.results import Results
from benchmarks.rows import ROWS, Found

RESULTS = Results.load()


def test_the_page_is_that_of_the_results() -> None:
    assert page.render(RESULTS) == (page.DOCS / "performance.md").read_text(encoding="utf-8")


def test_sizing_quotes_the_results() -> None:
    text = (page.DOCS / "sizing.md").read_text(encoding="utf-8")
    assert page.sized(text, RESULTS) == text


def test_each_row_has_a_result_and_its_goals_are_judged_by_it() -> None:
    found = {each.row: Found(each.figures) for each in RESULTS.rows}
    assert set(found) == {row.name for row in ROWS}
    assert all(goal.value(found[row.name]) >= 0 for row in ROWS for goal in row.goals)
