"""The page of all settings is the one that the types give."""

from pathlib import Path

from service.settings import reference

PAGE = Path(__file__).parents[4] / "docs" / "settings.md"


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "docs/settings.md is stale: make render"
