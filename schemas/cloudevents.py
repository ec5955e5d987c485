"""CloudEvents 1.0 in the Kafka protocol binding: records to envelopes and back.

Read are the binary mode (attributes in ``ce_`` headers, data in the value) and the structured mode with the JSON
format; batches are refused, as the binding has none. Written is the binary mode.

Where the specification leaves a choice:

- Kafka's header names are case-sensitive and attribute names lower-case. ``CE_id`` is therefore not an attribute, but
  ignoring it could drop a ``deadline`` in silence, so it is refused by name.
- An attribute given twice is refused: readers would disagree about which one counts. Other headers may repeat.
- In structured mode the value is the truth and ``ce_`` headers, which a sender may add for filters, are not read.
- A missing content type means JSON. The record's key is routing, never an attribute.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Final

import orjson

from schemas import strictjson

Headers = tuple[tuple[str, bytes | None], ...]
"""Headers of a Kafka record, in their order."""

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "content-type"
JSON_TYPE: Final = "application/json"
PREFIX: Final = "ce_"

MAX_HEADERS: Final = 100
MAX_ID: Final = 255
MAX_ATTRIBUTE: Final = 4_096
_MAX_TOLD: Final = 10

_CLOUDEVENTS_TYPE: Final = "application/cloudevents"
_REQUIRED: Final = ("id", "source", "type", "specversion")
_CORE: Final = frozenset({*_REQUIRED, "time", "subject", "datacontenttype", "dataschema"})

_NAME: Final = re.compile(r"[a-z0-9]+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef]")
_JSON_MEDIA: Final = re.compile(r'application/(?:[-a-z0-9.]+\+)?json\s*(?:;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)
_STRUCTURED_MEDIA: Final = re.compile(r'application/cloudevents\+json\s*(?:;\s*charset="?utf-8"?\s*)?', re.IGNORECASE)
_RFC3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt](?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[-+][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A CloudEvent.

    Attributes:
        id: Identifies the event together with ``source``; 1 to 255 characters.
        source: Where it came from, a URI reference.
        type: What it is.
        time: RFC 3339, or empty when the sender gave none.
        subject: What it is about, or empty.
        extensions: All other attributes by name.
        data: The payload, JSON text; empty when there is none.
    """

    id: str
    source: str
    type: str
    time: str = ""
    subject: str = ""
    extensions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that is not a valid CloudEvent.

    Attributes:
        code: What kind of fault, for machines.
        message: What was found and what is expected, without content.
        id: The event's id, if it could be read beyond doubt; else empty.
        source: Likewise.
        type: Likewise.
        extensions: Those that could be read.
    """

    code: str
    message: str
    id: str = ""
    source: str = ""
    type: str = ""
    extensions: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class _FaultError(Exception):
    """A fault of the envelope: the first argument is its code, the second its message."""


def decode(key: bytes | None, value: bytes | None, headers: Headers) -> Envelope | Undecodable:
    """Reads a record as a CloudEvent; never raises.

    Args:
        key: The record's key; it is routing and not part of the event.
        value: The record's value.
        headers: The record's headers.
    """
    if len(headers) > MAX_HEADERS:
        return Undecodable("TooManyHeaders", f"has {len(headers)} headers; at most {MAX_HEADERS} are read")
    attributes: dict[str, str] = {}
    faults: list[tuple[str, str]] = []
    media = ""
    try:
        media = _media(headers)
    except _FaultError as fault:
        faults.append(_pair(fault))
    if media.lower().startswith(_CLOUDEVENTS_TYPE):
        return _structured(media, value)
    _collect_headers(headers, attributes, faults)
    if media:
        attributes["datacontenttype"] = media
    return _envelope(attributes, value or b"", faults)


def encode(envelope: Envelope) -> tuple[bytes, tuple[tuple[str, bytes | None], ...]]:
    """Writes an event in binary mode.

    Returns:
        The record's value and headers.
    """
    attributes = {"specversion": SPEC_VERSION, "id": envelope.id, "source": envelope.source, "type": envelope.type}
    if envelope.subject:
        attributes["subject"] = envelope.subject
    if envelope.time:
        attributes["time"] = envelope.time
    attributes.update(envelope.extensions)
    headers: list[tuple[str, bytes | None]] = [(PREFIX + name, text.encode()) for name, text in attributes.items()]
    headers.append((CONTENT_TYPE, JSON_TYPE.encode()))
    return envelope.data, tuple(headers)


def timestamp(text: str) -> float | None:
    """Epoch seconds of an RFC 3339 timestamp; ``None`` when it is none. Leap seconds are not representable."""
    if len(text) > 40 or not _RFC3339.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):  # there is no such date, or UTC has none for it: 9999-12-31T23:00:00-12:00
        return None


def format_time(epoch: float) -> str:
    """The RFC 3339 timestamp of an instant, UTC, in milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pair(fault: _FaultError) -> tuple[str, str]:
    code, message = fault.args
    return code, message


def _media(headers: Headers) -> str:
    found = [value for name, value in headers if name == CONTENT_TYPE]
    if len(found) > 1:
        raise _FaultError("DuplicateHeader", f"has the header {CONTENT_TYPE} {len(found)} times")
    return _text(CONTENT_TYPE, found[0]) if found else ""


def _text(name: str, value: bytes | None) -> str:
    if value is None:
        raise _FaultError("InvalidHeader", f"{name} is null; leave it out, or give it a value")
    if len(value) > MAX_ATTRIBUTE:
        raise _FaultError("InvalidHeader", f"{name} has {len(value)} bytes; at most {MAX_ATTRIBUTE} are read")
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise _FaultError("InvalidHeader", f"{name} is not UTF-8") from None
    _check_text(name, text)
    return text


def _check_text(name: str, text: str) -> None:
    if len(text) > MAX_ATTRIBUTE:
        raise _FaultError("InvalidAttribute", f"{name} has {len(text)} characters; at most {MAX_ATTRIBUTE} are read")
    if _UNPRINTABLE.search(text):
        raise _FaultError("InvalidAttribute", f"{name} has a control character, which CloudEvents forbids")


def _shown(name: str) -> str:
    return ascii(name[:64])


def _collect_headers(headers: Headers, attributes: dict[str, str], faults: list[tuple[str, str]]) -> None:
    """Reads the attributes, noting faults; an attribute given twice is taken out, since neither one counts."""
    seen: set[str] = set()
    for header, value in headers:
        lowered = header.lower()
        if lowered != header and (lowered.startswith(PREFIX) or lowered == CONTENT_TYPE):
            faults.append(
                ("InvalidHeader", f"has the header {_shown(header)}; names are case-sensitive, use lower case")
            )
        if not header.startswith(PREFIX):
            continue
        name = header.removeprefix(PREFIX)
        if name in seen:
            attributes.pop(name, None)
            faults.append(("DuplicateHeader", f"has the header {_shown(header)} more than once"))
            continue
        seen.add(name)
        try:
            attributes[name] = _attribute(name, _text(_shown(header), value))
        except _FaultError as fault:
            faults.append(_pair(fault))


def _attribute(name: str, text: str) -> str:
    if not _NAME.fullmatch(name) or name == "data":
        raise _FaultError("InvalidAttribute", f"{_shown(name)} is not an attribute name: lower-case letters and digits")
    if not text:
        raise _FaultError("InvalidAttribute", f"{name} is empty; leave it out, or give it a value")
    if name in {"id", "source"} and len(text) > MAX_ID:
        raise _FaultError("InvalidAttribute", f"{name} has {len(text)} characters; 1 to {MAX_ID} are allowed")
    if name == "time" and timestamp(text) is None:
        raise _FaultError("InvalidAttribute", "time is not an RFC 3339 timestamp such as 2025-01-31T12:00:00Z")
    return text


def _structured(media: str, value: bytes | None) -> Envelope | Undecodable:
    if media.lower().startswith(_CLOUDEVENTS_TYPE + "-batch"):
        return Undecodable("BatchUnsupported", "is a batch; the Kafka binding has none, send one event per record")
    if not _STRUCTURED_MEDIA.fullmatch(media):
        return Undecodable("UnsupportedFormat", f"has an event format that is not read; use {_CLOUDEVENTS_TYPE}+json")
    try:
        document = strictjson.loads(value or b"")
    except strictjson.JsonError as error:
        return Undecodable(error.code, error.message)
    if not isinstance(document, dict):
        return Undecodable("InvalidEnvelope", "is not a JSON object with the event's attributes")
    faults: list[tuple[str, str]] = []
    data = _structured_data(document, faults)
    attributes: dict[str, str] = {}
    for name, item in document.items():
        if item is None:
            continue  # the JSON format: an attribute that is null is not set
        try:
            attributes[name] = _attribute(name, _attribute_text(name, item))
        except _FaultError as fault:
            faults.append(_pair(fault))
    return _envelope(attributes, data, faults)


def _structured_data(document: dict[str, Any], faults: list[tuple[str, str]]) -> bytes:
    encoded = document.pop("data_base64", None)
    if "data" in document:
        data = document.pop("data")
        if encoded is not None:
            faults.append(("InvalidEnvelope", "has both data and data_base64; exactly one is allowed"))
        return orjson.dumps(data)
    if encoded is None:
        return b""
    try:
        return base64.b64decode(encoded, validate=True)
    except (TypeError, ValueError, binascii.Error):
        faults.append(("InvalidEnvelope", "has data_base64 that is not base64"))
        return b""


def _attribute_text(name: str, item: Any) -> str:
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, int):
        return str(item)
    if not isinstance(item, str):
        raise _FaultError("InvalidAttribute", f"{_shown(name)} is neither a string, a boolean nor an integer")
    _check_text(_shown(name), item)
    return item


def _envelope(attributes: dict[str, str], data: bytes, faults: list[tuple[str, str]]) -> Envelope | Undecodable:
    faults.extend(_envelope_faults(attributes))
    extensions = MappingProxyType({name: text for name, text in attributes.items() if name not in _CORE})
    ids = (attributes.get("id", ""), attributes.get("source", ""), attributes.get("type", ""))
    if faults:
        code = faults[0][0]
        told = "; ".join(message for _, message in faults[:_MAX_TOLD])
        return Undecodable(code, told, *ids, extensions=extensions)
    return Envelope(*ids, attributes.get("time", ""), attributes.get("subject", ""), extensions, data)


def _envelope_faults(attributes: dict[str, str]) -> list[tuple[str, str]]:
    faults = []
    missing = [name for name in _REQUIRED if name not in attributes]
    if len(missing) == len(_REQUIRED):
        return [("NotCloudEvent", f"is no CloudEvent: it has none of {', '.join(_REQUIRED)} (headers with {PREFIX!r})")]
    if missing:
        faults.append(("MissingAttribute", f"lacks or garbles {', '.join(missing)}, which CloudEvents requires"))
    version = attributes.get("specversion", SPEC_VERSION)
    if version != SPEC_VERSION:
        faults.append(("UnsupportedSpecVersion", f"has specversion {_shown(version)}; {SPEC_VERSION} is read"))
    media = attributes.get("datacontenttype", JSON_TYPE)
    if not _JSON_MEDIA.fullmatch(media):
        faults.append(("UnsupportedContentType", f"has content type {_shown(media)}; data is read as {JSON_TYPE}"))
    return faults
