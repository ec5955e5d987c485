"""CloudEvents: the conformance suite, and the SDKs in both directions.

Each SDK writes, in both modes, its own test events and the examples of this service, which reads them; and it reads
what this service writes of them.
"""

import json
import re
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any, Final

import pytest
import yaml

from schemas import cloudevents
from schemas.cloudevents import Envelope, Undecodable
from tests.others import events, tools
from tests.others.events import Event
from tests.others.verdict import settle

pytestmark = pytest.mark.others

MODES: Final = ("binary", "structured")
CONFORMANCE: Final = "7a8ee0ac0e78"
DIGEST: Final = "ca0de76c8ea3ad248b1742f2b5b3f5b5189d14b6e8db347b67d6518227adb1ea"
_DATA: Final = "the data is no JSON; commands are JSON, and anything else is refused by its content type"
_ADDS_TIME: Final = "the SDK adds the present time to an event without one"
READING: Final = {
    "Python v1": {
        ".*-structured": "the SDK labels a structured event with the content type of its data; it is refused, and the "
        "answer names the content type that it must have",
        "min-event-2-binary": "the SDK itself can't write an event without datacontenttype",
    },
    "Python v2": {
        "full-event-0-binary": "the SDK writes a Boolean as `True`; the specification has `true`, and nothing here "
        "reads a Boolean extension",
        "min-event-2-.*": _ADDS_TIME,
    },
    "JavaScript": {"min-event-2-.*": _ADDS_TIME},
    "Go": {},
}
WRITING: Final = {
    "Python v1": {"min-event-2": "the SDK can't read an event without data; what this service writes always has some"},
    "Python v2": {"min-event-2": _ADDS_TIME},
    "JavaScript": {"min-event-2": "the SDK can't read an event without data; what this service writes always has some"},
    "Go": {},
}


def versions() -> dict[str, str]:
    """The SDKs' versions, as they are locked."""
    lock = (tools.ROOT / "requirements" / "others.lock").read_text("utf-8")
    node = json.loads((tools.HERE / "node" / "package.json").read_text("utf-8"))
    go = (tools.HERE / "go" / "go.mod").read_text("utf-8")
    return {
        "Python v1": lock.split("\ncloudevents==")[1].split()[0],
        "Python v2": version("cloudevents"),
        "JavaScript": node["dependencies"]["cloudevents"],
        "Go": go.split("sdk-go/v2 ")[1].split()[0],
    }


def vectors() -> dict[str, Event]:
    return {each["id"]: each for each in events.mocks()} | events.ours()


@pytest.mark.parametrize("sdk", events.SDKS)
def test_what_an_sdk_writes_is_read(sdk: str) -> None:
    given = {name: event for name, event in vectors().items() if event["specversion"] == "1.0"}
    written = events.played(sdk, given.values(), [])["written"]
    cases = [(f"{name}-{mode}", event) for name, event in given.items() for mode in MODES]
    results = {case: reading(event, said) for (case, event), said in zip(cases, written, strict=True)}
    settle(f"CloudEvents SDK {sdk}", versions()[sdk], "what it writes, read by the decoder", results, READING[sdk])


def reading(event: Event, said: dict[str, Any]) -> str:
    if "error" in said:
        return f"the SDK refuses: {said['error']}"
    found = events.read_by_us(said["message"])
    if not isinstance(found, Envelope):
        return f"refused: {found.code}: {found.message}"
    wanted = {name: value if name == "data" else events.text(value) for name, value in event.items()}
    return events.difference(wanted, events.as_event(found))


@pytest.mark.parametrize("sdk", events.SDKS)
def test_what_is_written_is_read_by_an_sdk(sdk: str) -> None:
    given = {name: event for name, event in vectors().items() if event["specversion"] == "1.0"}
    read = events.played(sdk, [], map(events.written_by_us, given.values()))["read"]
    results = {}
    for (name, event), said in zip(given.items(), read, strict=True):
        results[name] = said.get("error") or events.difference(event, said["event"])
    settle(f"CloudEvents SDK {sdk}", versions()[sdk], "what the encoder writes, read by it", results, WRITING[sdk])


@pytest.mark.parametrize("mode", MODES)
def test_older_events_are_refused_by_name(mode: str) -> None:
    old = [event for event in events.mocks() if event["specversion"] != "1.0"]
    written = events.played("Go", old, [])["written"][MODES.index(mode) :: 2]
    for found in (events.read_by_us(each["message"]) for each in written):
        assert isinstance(found, Undecodable)
        assert found.code == "UnsupportedSpecVersion"


def test_the_conformance_suite() -> None:
    folder = tools.laid("cloudevents-conformance", DIGEST, "**/*.*")
    feature = (folder / "features" / "kafka-protocol-binding.feature").read_text("utf-8")
    results = {name: following(scenario) for name, scenario in scenarios(feature)}
    for file in ("v1.yaml", "v1.0/v1_minimum.yaml"):
        for number, case in enumerate(yaml.safe_load_all((folder / "yaml" / file).read_text("utf-8"))):
            results[f"{file} {number} {case['ContextAttributes'].get('datacontenttype', '')}"] = binary(case)
    http = (folder / "features" / "http-protocol-binding.feature").read_text("utf-8")
    left_out = {"scenarios of HTTP, which the service has no binding for": len(list(scenarios(http)))}
    settle("CloudEvents conformance", CONFORMANCE, "the decoder", results, {".*(text/plain|xml).*": _DATA}, left_out)


def scenarios(feature: str) -> Iterator[tuple[str, str]]:
    """Name and text of each scenario; an outline is one for each of its examples."""
    for scenario in re.split(r"\n\s*Scenario(?: Outline)?: ", feature)[1:]:
        name, _, steps = scenario.partition("\n")
        steps, _, examples = steps.partition("Examples:")
        for values in table(examples) or [[""]]:
            yield name.replace("<contentType>", values[0]), steps.replace("<contentType>", values[0])


def table(text: str) -> list[list[str]]:
    """Rows of a table without its head."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line][1:]


def following(scenario: str) -> str:
    """What is wrong with what the decoder makes of a scenario's message."""
    payload, wanted = re.findall(r'"""\n(.*?)"""', scenario, re.DOTALL)
    _, given, attributes = re.split("Kafka headers:|the attributes are:", scenario)
    headers = tuple((name, text.encode()) for name, text in table(given))
    found = cloudevents.decode(None, payload.encode(), headers)
    if not isinstance(found, Envelope):
        return f"refused: {found.message}"
    return events.difference({**dict(table(attributes)), "data": json.loads(wanted)}, events.as_event(found))


def binary(case: dict[str, Any]) -> str:
    """What is wrong with what the decoder makes of an event in binary mode."""
    attributes = {name: value for name, value in case["ContextAttributes"].items() if name != "Extensions"}
    attributes |= {name: text.strip() for name, text in case["ContextAttributes"].get("Extensions", {}).items()}
    attributes["time"] = cloudevents.format_time(attributes["time"].timestamp()) if "time" in attributes else None
    media = attributes.pop("datacontenttype", "application/json")
    named = {name: str(value) for name, value in attributes.items() if value is not None}
    headers = (*((f"ce_{name}", text.encode()) for name, text in named.items()), ("content-type", media.encode()))
    found = cloudevents.decode(None, case["Data"].encode(), headers)
    if not isinstance(found, Envelope):
        return f"refused: {found.message}"
    return events.difference({**named, "data": json.loads(case["Data"])}, events.as_event(found))
