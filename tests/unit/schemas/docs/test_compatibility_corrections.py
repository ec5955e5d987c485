"""The recorded corrections of the published contract: each one says what the service did before it was recorded.

The service and the contract of that time are taken from the repository's history.
"""

import copy
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas import commands
from schemas.commands import NotACommand, Rejected, TopicRules
from schemas.docs import compatibility, json_schemas, render
from schemas.docs.compatibility import Correction
from schemas.operations import SERVICE_COMMANDS
from schemas.permissions import open_grant
from tests.support import samples
from tests.support.schema_vocabulary import is_valid

ROWS = compatibility.corrections()
CONTRACT = json.loads(json.dumps(json_schemas.contract()))
SERVICE = json.loads((compatibility.PUBLISHED / "v1" / "corrections.json").read_text())["service"]

_IDS = {"commandId": "c", "commandSource": "/s"}
_OWN: dict[str, dict[str, Any]] = {
    "TrackResource": {"resourceArn": samples.arn("audience-model"), "untilStatus": "ACTIVE"},
    "CancelCommand": _IDS,
    "ResolveCommand": {**_IDS, "resolution": "adopt", "resourceArn": samples.arn("audience-model")},
}


def _paths(schema: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from _paths(member, f"{path}.{name}")
    for keyword, shown in (("items", "[]"), ("additionalProperties", ".*"), ("propertyNames", ".<name>")):
        if isinstance(schema.get(keyword), dict):
            yield from _paths(schema[keyword], f"{path}{shown}")


PLACES = {
    found: schema
    for name, section in CONTRACT["commands"].items()
    for part in ("attributes", "data")
    for found, schema in _paths(section[part], f"commands.{name}.{part}")
}


def _matches(row: Correction) -> list[str]:
    return [place for place in PLACES if row.is_at(place)]


def _example(row: Correction, place: str) -> dict[str, Any]:
    """A command whose one fault is the row's value at this place: its name, its attributes and its data."""
    _, name, part, *rest = re.sub(r"\[\]", ".[]", place).split(".")
    attributes = {"specversion": "1.0", "id": "c", "source": "/s", "type": f"cleanroomsml.command.{name}"}
    bases = [_OWN[name]] if name in SERVICE_COMMANDS else [*samples.variants(samples.payload(name, full=True))]
    if part == "attributes":
        changed: dict[str, str] = {"mine" if rest == ["*"] else rest[0]: row.refused} if rest else {row.refused: "x"}
        return {"name": name, "attributes": attributes | changed, "data": bases[0]}
    (data,) = [put for base in bases if (put := _put(base, rest, row.refused)) is not None][:1]
    return {"name": name, "attributes": attributes, "data": data}


def _put(base: Any, steps: list[str], value: Any) -> Any:
    """The data with a value elsewhere; None when it has no such place."""
    if not steps:
        return copy.deepcopy(value)
    step, *rest = steps
    if step == "<name>":
        return {value: "v"}
    if step == "*":
        return {"k": value}
    if step == "[]":
        found = _put(base[0], rest, value)
        return None if found is None else [found, *base[1:]]
    found = _put(base[step], rest, value) if step in base else None
    return None if found is None else {**base, step: found}


EXAMPLES = [(row, place, _example(row, place)) for row in ROWS for place in _matches(row)]


def test_each_row_is_in_force_refuses_its_value_and_is_refused_by_the_service() -> None:
    for row, place, example in EXAMPLES:
        schema = PLACES[place]
        schema = schema | schema.get("anyOf", [{}])[0]  # an ARN, which it was about; a reference came later
        said = any(row.holds(compatibility.plain(part)) for part in schema.get("allOf", ()))
        assert said if row.keyword == "allOf" else schema[row.keyword] == row.value, place
        keyword = {row.keyword: [row.value] if row.keyword == "allOf" else row.value}
        assert not is_valid(keyword, {row.refused: ""} if row.keyword == "propertyNames" else row.refused), place
        headers = tuple((f"ce_{name}", text.encode()) for name, text in example["attributes"].items())
        found = commands.read(b"k", orjson.dumps(example["data"]), headers, TopicRules(open_grant({"p"}, set()), "p"))
        assert isinstance(found, Rejected | NotACommand), place


def test_no_row_is_idle() -> None:
    assert all(_matches(row) for row in ROWS)
    assert len(EXAMPLES) > len(ROWS)


def test_only_the_recorded_value_at_the_recorded_place_is_let_pass() -> None:
    (row,) = [each for each in ROWS if each.value == 221]
    found = compatibility.Break("commands.CreateAudienceModel.data.description", "maxLength", "", 221)
    assert compatibility.uncorrected([found], ROWS) == []
    others = [
        compatibility.Break("commands.CreateAudienceModel.data.description", "maxLength", "", 220),
        compatibility.Break("commands.CreateAudienceModel.data.description", "minLength", "", 221),
        compatibility.Break("commands.CreateAudienceModel.data.name", "maxLength", "", 221),
        compatibility.Break("commands.CreateAudienceModel.data.x.description", "maxLength", "", 221),
    ]
    assert compatibility.uncorrected(others, [row]) == others


# --- the service of that time -----------------------------------------------------------------------------------------

_PROGRAM = """
import json, sys
from schemas import commands
from schemas.permissions import open_grant
limits = commands.Limits(open_grant({"p"}, set()), "p")
for line in sys.stdin:
    case = json.loads(line)
    headers = tuple((f"ce_{name}", text.encode()) for name, text in case["attributes"].items())
    print(type(commands.read(b"k", json.dumps(case["data"]).encode(), headers, limits)).__name__)
"""


def _git(*words: str) -> bytes:
    return subprocess.run(["git", "-C", str(render.ROOT), *words], capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def then(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package `schemas` as it was."""
    try:
        archive = _git("archive", SERVICE, "schemas")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip(f"this copy of the repository has no commit {SERVICE}")
    folder = tmp_path_factory.mktemp("then")
    with tarfile.open(fileobj=io.BytesIO(archive)) as content:
        content.extractall(folder, filter="data")
    return folder


def _answers(folder: Path, cases: list[dict[str, Any]]) -> list[str]:
    lines = "".join(f"{json.dumps(case)}\n" for case in cases)
    words = [sys.executable, "-c", _PROGRAM]
    result = subprocess.run(
        words, input=lines, cwd=folder, env={"PYTHONPATH": str(folder)}, capture_output=True, text=True, check=True
    )
    return result.stdout.split()


def test_the_service_of_that_time_refused_each_value(then: Path) -> None:
    good = [{**example, **_good(example)} for _, _, example in EXAMPLES]
    assert set(_answers(then, good)) == {"Command"}, "nothing else is wrong with the examples"
    refused = _answers(then, [example for _, _, example in EXAMPLES])
    accepted = [place for (_, place, _), answer in zip(EXAMPLES, refused, strict=True) if answer == "Command"]
    assert accepted == []


def _good(example: dict[str, Any]) -> dict[str, Any]:
    name = example["name"]
    attributes = {"specversion": "1.0", "id": "c", "source": "/s", "type": f"cleanroomsml.command.{name}"}
    data = _OWN[name] if name in SERVICE_COMMANDS else samples.payload(name, full=True)
    return {"attributes": attributes, "data": data}


def test_the_contract_of_that_time_grew_into_todays_by_these_corrections_alone(then: Path) -> None:
    before = compatibility.published(folder=then / "schemas" / "generated" / "published")
    assert before is not None
    found = list(compatibility.breaks(before, CONTRACT))
    assert [str(one) for one in compatibility.uncorrected(found, ROWS)] == []
    assert all(any(row.covers(one) for one in found) for row in ROWS)
