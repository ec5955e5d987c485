"""CloudEvents 1.0 in the Kafka protocol binding: records to envelopes and back.

Read are the binary mode (attributes in ``ce_`` headers, data in the value) and the structured mode with the JSON
format; batches are refused, as the binding has none. Written is the binary mode.

Where the specification leaves a choice:

- Kafka's header names are case-sensitive and attribute names lower-case. ``CE_id`` is therefore not an attribute, but
  ignoring it could drop a ``deadline`` in silence, so it is refused by name.
- An attribute given twice is refused: readers would disagree about which one counts. Other headers may repeat, and
  ``tracestate``, which is a list: W3C trace context has its parts joined.
- In structured mode the value is the truth and ``ce_`` headers, which a sender may add for filters, are not read.
- A missing content type means JSON. The record's key is routing, never an attribute.
- An attribute that is null is not set, in both modes. An extension may be empty, a core attribute must not.
- A trace context that can't be read is no fault: it stands as ``MALFORMED``, for its reader to drop.
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

from . import strictjson, tracecontext

Headers = tuple[tuple[str, bytes | None], ...]
"""Headers of a Kafka record, in their order."""

SPEC_VERSION: Final = "1.0"
CONTENT_TYPE: Final = "content-type"
JSON_TYPE: Final = "application/json"
PREFIX: Final = "ce_"

MAX_HEADERS: Final = 100
MAX_ID: Final = 255
MAX_ATTRIBUTE: Final = 4_096
"""Characters of the longest attribute that is read."""
MALFORMED: Final = "?"
"""Stands for a trace context that was given and can't be read."""

_MAX_FAULTS: Final = 10
_MAX_BYTES: Final = 4
"""Bytes of a character in UTF-8, at most."""

_CLOUDEVENTS_TYPE: Final = "application/cloudevents"
_STRUCTURED_JSON: Final = f"{_CLOUDEVENTS_TYPE}+json"
_REQUIRED: Final = ("id", "source", "type", "specversion")
CORE: Final = frozenset({*_REQUIRED, "time", "subject", "datacontenttype", "dataschema"})
"""Attributes that are no extensions."""

_NAME: Final = re.compile(r"[a-z0-9]+")
CONTROL: Final = r"[\x00-\x1f\x7f-\x9f]"
"""Pattern of the control characters, which an attribute must not have."""
_CONTROL: Final = re.compile(CONTROL)
_CONTROL_BUT_TAB: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")
"""In a trace context, a tab is white space; its reader allows it around members only."""
_NONCHARACTER: Final = re.compile(
    "[\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)


def _in_any_case(word: str, before: str = "") -> str:
    """Pattern of a word; the pattern ``before`` may stand in front of each character."""
    return "".join(f"{before}[{char}{char.upper()}]" if char.isalpha() else f"{before}{char}" for char in word)


_CHARACTERS: Final = "[-!#$%&'*+.^_`|~0-9A-Za-z]"
_TOKEN: Final = f"{_CHARACTERS}+"
_QUOTED: Final = r'"(?:[^"\\]|\\[^\r\n])*"'
_ESCAPE: Final = r"\\?"
_CHARSETS: Final = ("utf-8", "utf8", "us-ascii")
_CHARSET: Final = "|".join(
    [*map(_in_any_case, _CHARSETS), *(f'"{_in_any_case(name, before=_ESCAPE)}"' for name in _CHARSETS)]
)
_PARAMETER: Final = (
    f"(?:(?!{_in_any_case('charset')}=){_TOKEN}=(?:{_TOKEN}|{_QUOTED})|{_in_any_case('charset')}=(?:{_CHARSET}))"
)
_SUFFIX: Final = _in_any_case("json")
JSON_MEDIA: Final = (
    f"(?:(?:{_in_any_case('application')}|{_in_any_case('text')})/{_SUFFIX}|{_TOKEN}/{_CHARACTERS}*[+]{_SUFFIX})"
    f"(?: *;(?: *{_PARAMETER})?)* *"
)
"""Pattern of ``application/json``, ``text/json`` and any ``+json``, whatever the parameters, in UTF-8.

Parameters are those of RFC 9110: a token, or a quoted string with quoted pairs.
"""
_JSON_MEDIA: Final = re.compile(JSON_MEDIA)
_DATE: Final = (
    r"(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
    r"|(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)-02-29)"
)
_MINUTE: Final = rf"{_DATE}[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:"
_OFFSET: Final = r"(?:[Zz]|[-+](?:[01][0-9]|2[0-3]):[0-5][0-9])"
TIMESTAMP: Final = rf"{_MINUTE}[0-5][0-9](?:\.[0-9]+)?{_OFFSET}"
"""Pattern of an RFC 3339 timestamp that can be computed with: the calendar is in it, leap seconds are not."""
TIME: Final = rf"{_MINUTE}(?:[0-5][0-9]|60)(?:\.[0-9]+)?{_OFFSET}"
"""Pattern of an RFC 3339 timestamp that nothing is computed with."""

_RFC3339: Final = re.compile(rf"({_MINUTE})([0-5][0-9]|60)(\.[0-9]+)?({_OFFSET})")
_MICROSECONDS: Final = len(".123456")


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
        return _structured(media, value, headers)
    _collect_headers(headers, attributes, faults)
    if document := _structured_event(value):
        return _misnamed(document, attributes, _found_type(media, headers))
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
    """Epoch seconds of an RFC 3339 timestamp; ``None`` when it is none, or an instant that can't be computed with.

    Digits behind a microsecond are cut. Leap seconds, and what UTC has no year for, are not representable.
    """
    found = _RFC3339.fullmatch(text) if len(text) <= MAX_ATTRIBUTE else None
    if found is None:
        return None
    minute, second, fraction, offset = found.groups()
    text = f"{minute}{second}{(fraction or '')[:_MICROSECONDS]}{offset}"
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):  # there is no such date, or UTC has none for it: 9999-12-31T23:00:00-12:00
        return None


def is_timestamp(text: str) -> bool:
    """True for any RFC 3339 timestamp, leap seconds included: for instants that nothing is computed with."""
    found = _RFC3339.fullmatch(text) if len(text) <= MAX_ATTRIBUTE else None
    if found is None:
        return False
    minute, second, _, offset = found.groups()
    if minute.startswith("0000"):
        minute = f"0400{minute[4:]}"  # a leap year too; Python's calendar begins with year 1, RFC 3339's with year 0
    try:
        return bool(datetime.fromisoformat(f"{minute}{'59' if second == '60' else second}{offset}".upper()))
    except ValueError:
        return False


def format_time(epoch: float) -> str:
    """The RFC 3339 timestamp of an instant, UTC, in milliseconds."""
    return datetime.fromtimestamp(epoch, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _pair(fault: _FaultError) -> tuple[str, str]:
    code, message = fault.args
    return code, message


def _media(headers: Headers) -> str:
    found = [value for name, value in headers if name == CONTENT_TYPE and value is not None]
    if len(found) > 1:
        raise _FaultError("DuplicateHeader", f"has the header {CONTENT_TYPE} {len(found)} times")
    # White space around parameters is blanks and tabs (RFC 9110); elsewhere a media type has none.
    return _text(CONTENT_TYPE, found[0], _CONTROL_BUT_TAB).replace("\t", " ") if found else ""


def _is_json(media: str) -> bool:
    return _JSON_MEDIA.fullmatch(media) is not None


def _structured_event(value: bytes | None) -> dict[str, Any]:
    """The value if it is a JSON object with the attributes of an event; else empty."""
    if not value or b'"specversion"' not in value:
        return {}
    try:
        document = strictjson.loads(value, spared=tracecontext.ATTRIBUTES)
    except strictjson.JsonError:
        return {}
    return document if isinstance(document, dict) and document.keys() >= set(_REQUIRED) else {}


def _misnamed(document: dict[str, Any], attributes: dict[str, str], found_type: str) -> Undecodable:
    """A structured event whose content type is another one; headers name it where they say the same."""
    message = f"is a structured CloudEvent {found_type}; send it with the header {CONTENT_TYPE}: {_STRUCTURED_JSON}"
    agreed = {name: text for name, text in attributes.items() if document.get(name) == text}
    ids = (agreed.get("id", ""), agreed.get("source", ""), agreed.get("type", ""))
    extensions = {name: text for name, text in agreed.items() if name not in CORE}
    return Undecodable("NotCloudEvent", message, *ids, extensions=MappingProxyType(extensions))


def _found_type(media: str, headers: Headers) -> str:
    """What a record has as its content type."""
    if media:
        return f"under content type {_shown(media)}"
    given = [name for name, value in headers if name.lower() == CONTENT_TYPE and value is not None]
    if not given:
        return "without a content type"
    if CONTENT_TYPE in given:
        return "under a content type that is not UTF-8 or is given twice"
    return f"with the header {_shown(given[0])}, which is not read: names are case-sensitive"


def _text(name: str, value: bytes, control: re.Pattern[str] = _CONTROL) -> str:
    if len(value) > _MAX_BYTES * MAX_ATTRIBUTE:
        message = f"{name} has {len(value)} bytes; at most {MAX_ATTRIBUTE} characters are read"
        raise _FaultError("TooLarge", message)
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise _FaultError("InvalidHeader", f"{name} is not UTF-8") from None
    _check_text(name, text, control)
    return text


def _control(name: str) -> re.Pattern[str]:
    return _CONTROL_BUT_TAB if name in tracecontext.ATTRIBUTES else _CONTROL


def _check_text(name: str, text: str, control: re.Pattern[str]) -> None:
    if len(text) > MAX_ATTRIBUTE:
        raise _FaultError("TooLarge", f"{name} has {len(text)} characters; at most {MAX_ATTRIBUTE} are read")
    if control.search(text):
        raise _FaultError("InvalidAttribute", f"{name} has a control character, which CloudEvents forbids")
    if found := _NONCHARACTER.search(text):
        message = f"{name} has U+{ord(found[0]):04X}, a noncharacter of Unicode, which CloudEvents forbids"
        raise _FaultError("InvalidAttribute", message)


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
        if name in seen and name != "tracestate":
            attributes.pop(name, None)
            duplicate = _FaultError("DuplicateHeader", f"has the header {_shown(header)} more than once")
            _note(name, duplicate, attributes, faults)
            continue
        seen.add(name)
        if value is None:
            continue
        try:
            text = _attribute(name, _text(_shown(header), value, _control(name)))
        except _FaultError as fault:
            _note(name, fault, attributes, faults)
        else:
            attributes[name] = f"{attributes[name]},{text}" if name in attributes else text


def _note(name: str, fault: _FaultError, attributes: dict[str, str], faults: list[tuple[str, str]]) -> None:
    if name in tracecontext.ATTRIBUTES:
        attributes[name] = MALFORMED
    else:
        faults.append(_pair(fault))


def _attribute(name: str, text: str) -> str:
    if not _NAME.fullmatch(name) or name == "data":
        raise _FaultError("InvalidAttribute", f"{_shown(name)} is not an attribute name: lower-case letters and digits")
    if not text and name in CORE:
        raise _FaultError("InvalidAttribute", f"{name} is empty; leave it out, or give it a value")
    if name in {"id", "source"} and len(text) > MAX_ID:
        raise _FaultError("InvalidAttribute", f"{name} has {len(text)} characters; 1 to {MAX_ID} are allowed")
    if name == "time" and not is_timestamp(text):
        raise _FaultError("InvalidAttribute", "time is not an RFC 3339 timestamp such as 2025-01-31T12:00:00Z")
    return text


def _structured(media: str, value: bytes | None, headers: Headers) -> Envelope | Undecodable:
    if media.lower().startswith(_CLOUDEVENTS_TYPE + "-batch"):
        message = f"has the content type of a batch; the Kafka binding has none, send each event as {_STRUCTURED_JSON}"
        return Undecodable("BatchUnsupported", message)
    if not _is_json(media):
        return Undecodable("UnsupportedFormat", f"has an event format that is not read; use {_STRUCTURED_JSON}")
    try:
        document = strictjson.loads(value or b"", spared=tracecontext.ATTRIBUTES)
    except strictjson.JsonError as error:
        return Undecodable(error.code, error.message)
    named = isinstance(document, dict) and bool(document.keys() & set(_REQUIRED))
    if not named and any(name.startswith(PREFIX) for name, _ in headers):
        return _binary_as_structured(headers)
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
            _note(name, fault, attributes, faults)
    return _envelope(attributes, data, faults)


def _binary_as_structured(headers: Headers) -> Envelope | Undecodable:
    """An event in binary mode under the content type of the structured mode; its headers name it."""
    message = f"has its attributes in headers, as in binary mode, but the content type {_STRUCTURED_JSON}; "
    faults = [("NotCloudEvent", f"{message}send it with the header {CONTENT_TYPE}: {JSON_TYPE}")]
    attributes: dict[str, str] = {}
    _collect_headers(headers, attributes, faults)
    return _envelope(attributes, b"", faults)


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
        raise _FaultError(
            "InvalidAttribute", f"{_shown(name)} is neither a string, a boolean nor an integer of 64 bits"
        )
    _check_text(_shown(name), item, _control(name))
    return item


def _envelope(attributes: dict[str, str], data: bytes, faults: list[tuple[str, str]]) -> Envelope | Undecodable:
    faults.extend(_envelope_faults(attributes))
    extensions = MappingProxyType({name: text for name, text in attributes.items() if name not in CORE})
    ids = (attributes.get("id", ""), attributes.get("source", ""), attributes.get("type", ""))
    if faults:
        code = faults[0][0]
        message = "; ".join(message for _, message in faults[:_MAX_FAULTS])
        return Undecodable(code, message, *ids, extensions=extensions)
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
    if not _is_json(media):
        faults.append(("UnsupportedContentType", f"has content type {_shown(media)}; data is read as {JSON_TYPE}"))
    return faults
