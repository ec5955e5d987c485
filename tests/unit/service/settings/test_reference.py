"""The page of all settings is the one that the types give, and its defaults are those that apply."""

import re
from pathlib import Path
from typing import Any

import pytest

from service.settings import load, reference

PAGE = Path(__file__).parents[4] / "docs" / "settings.md"
BASE = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "k:9092", "CRML_TARGETS__A__REGION": "eu-west-1"}
ROW = re.compile(r"^\| `CRML_(\S+)` \| [^|]* \| `([^`]*)` \|", re.MULTILINE)


def test_the_page_is_fresh() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "docs/settings.md is stale: make render"


def shown(prefix: str) -> dict[str, str]:
    rows = dict(ROW.findall(reference()))
    return {name.removeprefix(prefix): default for name, default in rows.items() if name.startswith(prefix)}


def applied(values: dict[str, Any]) -> dict[str, str]:
    return {name.upper().replace("-", "_"): f"{value:g}" for name, value in values.items()}


def test_each_kind_has_its_own_default() -> None:
    """A mapping's value has a default of its own by name, not that of its type."""
    settings = load(environ=BASE)
    assert shown("TIMING__RUNNING_LIMIT__") == applied(settings.timing.running_limit)
    assert shown("TARGETS__<name>__QUOTAS__") == applied(settings.targets["a"].quotas)
    paces = {f"{kind}__{name}": value for kind, pace in settings.polling.kinds.items() for name, value in pace}
    kinds = shown("POLLING__KINDS__")
    others = {name: kinds.pop(name) for name in list(kinds) if name.startswith("<name>")}
    assert kinds == applied(paces)
    assert kinds["AUDIENCE_MODEL__FIRST"] == "60"
    other = load(environ=BASE | {"CRML_POLLING__KINDS__TRAINING_DATASET__FIRST": "7"}).polling.kinds["training-dataset"]
    assert others == {"<name>__FIRST": "10", "<name>__LATER": f"{other.later:g}", "<name>__AFTER": f"{other.after:g}"}


@pytest.mark.parametrize("group", ["TIMING__", "POLLING__", "RUNTIME__", "TARGETS__<name>__"])
def test_each_variable_can_be_set_to_its_default(group: str) -> None:
    found = {f"CRML_{group}{name}".replace("<name>", "A"): default for name, default in shown(group).items()}
    found = {name: default for name, default in found.items() if "KINDS__A__" not in name}
    assert len(found) > 5
    assert load(environ=BASE | found).model_dump() == load(environ=BASE).model_dump()
