"""The decisions in docs/adr: numbered without gaps, each with a title, a status and a row in the list."""

import re
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "docs" / "adr"
PAGES = sorted(FOLDER.glob("[0-9]*.md"))


def test_numbers_have_no_gaps() -> None:
    assert [int(page.name[:4]) for page in PAGES] == list(range(1, len(PAGES) + 1))


def test_each_has_a_title_and_a_status() -> None:
    for page in PAGES:
        title, empty, status = page.read_text(encoding="utf-8").split("\n")[:3]
        assert title.startswith(f"# {page.name[:4]}: "), page.name
        assert (empty, bool(re.match(r"Status: (proposed|accepted|superseded|rejected)", status))) == ("", True), (
            page.name
        )


def test_each_is_listed_with_its_title() -> None:
    rows = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+?) \| (\w+) \|$", (FOLDER / "README.md").read_text(), re.MULTILINE
    )
    listed = {file: f"# {number}: {title}" for number, file, title, _ in rows}
    assert listed == {page.name: page.read_text(encoding="utf-8").split("\n")[0] for page in PAGES}
