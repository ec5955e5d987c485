"""The repairs are commands of the service's command line."""

import pytest
from cyclopts import App

from service.cli.repairs import register


def test_every_repair_is_registered_under_its_name() -> None:
    app = App(name="x")
    register(app)
    names = {name for name in app if not name.startswith("-")}
    assert names == {"parked", "reconcile", "backfill", "skip-corrupt", "offsets"}


@pytest.mark.parametrize("words", ["parked list", "offsets show", "reconcile", "backfill", "parked resolve x --fail"])
def test_their_words_are_parsed(words: str) -> None:
    app = App(name="x")
    register(app)
    command, bound, _ = app.parse_args(words.split())
    assert callable(command)
    assert bound.arguments.get("apply", False) is False
