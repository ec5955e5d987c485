"""CloudEvents SDKs as programs: each writes events as Kafka's messages, and reads messages as events."""

import base64
import json
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from schemas import cloudevents
from schemas.cloudevents import Envelope, Headers, Undecodable
from schemas.docs import examples
from tests.others import tools

Event = dict[str, Any]
"""An event in CloudEvents' JSON format."""

SDKS: Final = ("Python v1", "Python v2", "JavaScript", "Go")
_PROGRAMS: Final = tools.HERE / "python"
_NOT_EXTENSIONS: Final = frozenset(
    {"specversion", "id", "source", "type", "time", "subject", "data", "data_base64", "datacontenttype", "dataschema"}
)


def played(sdk: str, write: Iterable[Event], read: Iterable[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """What an SDK has made of events and of messages."""
    asked = json.dumps({"write": list(write), "read": list(read)})
    said: dict[str, list[dict[str, Any]]] = json.loads(tools.run(*_command(sdk), text=asked).stdout)
    return {name: each or [] for name, each in said.items()}


def _command(sdk: str) -> tuple[object, ...]:
    match sdk:
        case "Python v1":
            return tools.python("python"), _PROGRAMS / "events_v1.py"
        case "Python v2":
            return sys.executable, _PROGRAMS / "events_v2.py"
        case "JavaScript":
            tools.need("node")
            return "node", tools.node() / "events.js"
        case _:
            return (tools.go() / "events",)


@cache
def mocks() -> list[Event]:
    """The events that the Go SDK tests itself and its bindings with; two have version 0.3."""
    return played("Go", [], [])["mocks"]


def ours() -> dict[str, Event]:
    """The example of each command, reply and event of this service, as an event."""
    shown = examples.all_messages().items()
    return {name: as_event(cloudevents.decode(each.key, each.value, each.headers)) for name, each in shown}


def as_event(found: Envelope | Undecodable) -> Event:
    """An envelope in the JSON format."""
    assert isinstance(found, Envelope), found
    named = {"id": found.id, "source": found.source, "type": found.type, "time": found.time, "subject": found.subject}
    kept = {name: text for name, text in named.items() if text}
    data = {"data": _data(found.data)} if found.data else {}
    return {"specversion": "1.0", "datacontenttype": "application/json", **kept, **found.extensions, **data}


def _data(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")


def written_by_us(event: Event) -> dict[str, Any]:
    """An event as this service writes it, the way the programs take it."""
    attributes = {name: text(value) for name, value in event.items() if name not in _NOT_EXTENSIONS}
    core = {name: str(event.get(name, "")) for name in ("id", "source", "type", "time", "subject")}
    data = json.dumps(event["data"]).encode() if "data" in event else b""
    value, headers = cloudevents.encode(Envelope(**core, extensions=attributes, data=data))
    named = {name: (content or b"").decode() for name, content in headers}
    return {"headers": named, "value": base64.b64encode(value).decode()}


def read_by_us(message: Mapping[str, Any]) -> Envelope | Undecodable:
    """A message of a program, read by this service."""
    headers: Headers = tuple((name, text.encode()) for name, text in message["headers"].items())
    return cloudevents.decode(None, base64.b64decode(message["value"] or ""), headers)


def text(value: Any) -> str:
    """An attribute's canonical string."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def difference(wanted: Event, found: Event) -> str:
    """In which attributes two events differ; their times are compared as instants, absent data with empty."""
    names = sorted((wanted.keys() | found.keys()) - {"datacontenttype", "dataschema"})
    differing = [name for name in names if _comparable(name, wanted.get(name)) != _comparable(name, found.get(name))]
    return "; ".join(f"{name}: {found.get(name)!r} instead of {wanted.get(name)!r}" for name in differing)


def _comparable(name: str, value: Any) -> Any:
    if name == "data" and value in (None, "", "b''"):
        return None
    if name == "data" or value is None:
        return value
    return cloudevents.timestamp(text(value)) or text(value)
