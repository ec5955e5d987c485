"""The CloudEvents SDK for Python, version 1, in an environment of its own: see `main.go`, which does the same."""

import base64
import json
import sys
from typing import Any

from cloudevents.http import CloudEvent
from cloudevents.kafka import KafkaMessage, from_binary, from_structured, to_binary, to_structured


def shown(message: Any) -> dict[str, Any]:
    headers = {name: value.decode() for name, value in message.headers.items()}
    return {"message": {"headers": headers, "value": base64.b64encode(message.value or b"").decode()}}


def text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def write(event: dict[str, Any], convert: Any) -> dict[str, Any]:
    try:
        attributes = {name: text(value) for name, value in event.items() if name != "data"}
        return shown(convert(CloudEvent.create(attributes, event.get("data"))))
    except Exception as error:  # an SDK's refusal is a result
        return {"error": f"{type(error).__name__}: {error}"}


def read(message: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value.encode() for name, value in message["headers"].items()}
    structured = headers.get("content-type", b"").startswith(b"application/cloudevents")
    try:
        convert = from_structured if structured else from_binary
        event = convert(KafkaMessage(headers, None, base64.b64decode(message["value"])))
        return {"event": {**event.get_attributes(), "data": event.get_data()}}
    except Exception as error:  # an SDK's refusal is a result
        return {"error": f"{type(error).__name__}: {error}"}


asked = json.load(sys.stdin)
written = [write(event, convert) for event in asked["write"] for convert in (to_binary, to_structured)]
json.dump({"written": written, "read": list(map(read, asked["read"]))}, sys.stdout)
