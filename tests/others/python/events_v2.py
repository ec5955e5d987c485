"""The CloudEvents SDK for Python, version 2: see `main.go`, which does the same."""

import base64
import json
import sys
from datetime import datetime
from typing import Any

from cloudevents.core.bindings import kafka
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent

FORMAT = JSONFormat()


def write(event: dict[str, Any], convert: Any) -> dict[str, Any]:
    attributes = dict(event)
    try:
        data = attributes.pop("data", None)
        if "time" in attributes:
            attributes["time"] = datetime.fromisoformat(attributes["time"])
        message = convert(CloudEvent(attributes, data), FORMAT)
        headers = {name: value.decode() for name, value in message.headers.items()}
        return {"message": {"headers": headers, "value": base64.b64encode(message.value or b"").decode()}}
    except Exception as error:  # an SDK's refusal is a result
        return {"error": f"{type(error).__name__}: {error}"}


def read(message: dict[str, Any]) -> dict[str, Any]:
    headers = {name: value.encode() for name, value in message["headers"].items()}
    try:
        event = kafka.from_kafka(kafka.KafkaMessage(headers, None, base64.b64decode(message["value"])), FORMAT)
    except Exception as error:  # an SDK's refusal is a result
        return {"error": f"{type(error).__name__}: {error}"}
    attributes = {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in event.get_attributes().items()
    }
    return {"event": {**attributes, "data": event.get_data()}}


asked = json.load(sys.stdin)
written = [write(event, convert) for event in asked["write"] for convert in (kafka.to_binary, kafka.to_structured)]
json.dump({"written": written, "read": list(map(read, asked["read"]))}, sys.stdout)
