"""Inputs that nobody thought of: valid commands with something changed, noise, depth and size."""

import json
from typing import Any

from hypothesis import strategies as st

from schemas.operations import OPERATIONS
from tests.badinput.records import Record, headers
from tests.support import samples

_NASTY: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 1e308),
    *("", " ", "\0", "\r\n", "\u202e", "\ud83d\ude00", "aws:", "../..", "s3://x", "arn:aws:", "[crml:", "x" * 300),
    *([], {}, [[]], [None], {"": ""}, {"a": {"a": {"a": []}}}),
)
_PAYLOADS = {(name, full): samples.payload(name, full=full) for name in OPERATIONS for full in (False, True)}
_TEXTS = {key: json.dumps(payload).encode() for key, payload in _PAYLOADS.items()}
_UNITS = (
    b"[",
    b'{"a":',
    b"0,",
    b'"a":0,',
    b'"',
    b"\\",
    b'\\"',
    b"\\ud800",
    b"9",
    b"-",
    b"1e9",
    b" ",
    b"\n",
    b"\xff",
    b"\0",
    b"{}",
    b"[],",
    b"e",
)
_ATTRIBUTES = "id source type specversion time target replyto deadline notbefore priority traceparent tracestate data"
_NAMES = (*(f"ce_{name}" for name in _ATTRIBUTES.split()), "ce_correlationid", "ce_", "CE_ID", "content-type", "x", "")

_sample_keys = st.sampled_from(sorted(_PAYLOADS))
_small = st.binary(max_size=60)


def _places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something could be changed."""
    steps: Any = value.items() if isinstance(value, dict) else enumerate(value[:3]) if isinstance(value, list) else ()
    return [at, *(place for step, item in steps for place in _places(item, (*at, step)))]


def _with(value: Any, place: tuple[Any, ...], change: Any) -> Any:
    if not place:
        return change
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[place[0]] = _with(value[place[0]], place[1:], change)
    return copy


@st.composite
def _changed(draw: st.DrawFn) -> Record:
    """A valid payload with one to three values replaced."""
    key = draw(_sample_keys)
    data: Any = _PAYLOADS[key]
    for _ in range(draw(st.integers(0, 3))):
        data = _with(data, draw(st.sampled_from(_places(data))), draw(st.sampled_from(_NASTY)))
    return Record(json.dumps(data).encode(), headers(key[0]))


@st.composite
def _cut(draw: st.DrawFn) -> Record:
    """A valid payload's bytes with a part replaced."""
    key = draw(_sample_keys)
    text = _TEXTS[key]
    start = draw(st.integers(0, len(text)))
    return Record(text[:start] + draw(_small) + text[start + draw(st.integers(0, 20)) :], headers(key[0]))


@st.composite
def _headed(draw: st.DrawFn) -> Record:
    """A valid command with other headers behind, before or instead of its own."""
    key = draw(_sample_keys)
    more = draw(st.lists(st.tuples(st.sampled_from(_NAMES), st.none() | _small), max_size=4))
    own = headers(key[0])
    kept = own[draw(st.integers(0, 2)) :]
    return Record(_TEXTS[key], (*more, *kept) if draw(st.booleans()) else (*kept, *more))


@st.composite
def _repeated(draw: st.DrawFn) -> Record:
    """Deep or long: a unit many times over."""
    unit, more = draw(st.sampled_from(_UNITS)), draw(st.sampled_from(_UNITS))
    count = draw(st.sampled_from((1, 31, 33, 1_999, 2_001, 20_000)))
    return Record(draw(st.sampled_from((b"", b"[", b'{"a":', b'"'))) + unit * count + more, headers())


@st.composite
def _structured(draw: st.DrawFn) -> Record:
    """An event with all in its value, in which something is changed."""
    name, full = draw(_sample_keys)
    own = {"specversion": "1.0", "id": "{id}", "source": "/bad", "type": OPERATIONS[name].command_type}
    event: dict[str, Any] = {**own, "data": _PAYLOADS[name, full]}
    if draw(st.booleans()):
        member = draw(st.sampled_from([*event, "time", "datacontenttype", "data_base64", "target", "id2"]))
        event[member] = draw(st.sampled_from(_NASTY))
    media = draw(st.sampled_from((b"application/cloudevents+json", b"application/cloudevents-batch+json")))
    return Record(json.dumps(event).encode(), (("content-type", media),))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
_noise = st.builds(
    Record,
    st.none() | st.binary(max_size=100),
    st.lists(st.tuples(st.sampled_from(_NAMES) | st.text(max_size=5), st.none() | _small), max_size=5).map(tuple),
    st.none() | _small,
)

any_record: st.SearchStrategy[Record] = st.one_of(
    _changed(),
    _cut(),
    _headed(),
    _repeated(),
    _structured(),
    _noise,
    st.builds(lambda data: Record(json.dumps(data).encode(), headers()), _json),
    st.builds(lambda value: Record(value, headers()), st.binary(max_size=200)),
)
