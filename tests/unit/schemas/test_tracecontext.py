"""W3C trace context: what is carried, and what is dropped; a new trace is better than a lost command."""

import pytest

from schemas import tracecontext
from schemas.tracecontext import TraceContext

TRACE, SPAN = "a" * 32, "b" * 16
PARENT = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("given", "carried"),
    [
        (PARENT, PARENT),
        (f" {PARENT}\t", PARENT),
        (f"00-{TRACE}-{SPAN}-ff", f"00-{TRACE}-{SPAN}-ff"),
        (f"01-{TRACE}-{SPAN}-03", f"00-{TRACE}-{SPAN}-01"),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-holds", f"00-{TRACE}-{SPAN}-01"),
        (f"fe-{TRACE}-{SPAN}-02-", f"00-{TRACE}-{SPAN}-00"),
    ],
)
def test_a_parent_is_carried_as_version_00(given: str, carried: str) -> None:
    assert tracecontext.read(given, "a=b") == TraceContext(carried, "a=b")


@pytest.mark.parametrize(
    "given",
    [
        "",
        "?",
        PARENT.upper(),
        f"{PARENT}-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"01-{TRACE}-{SPAN}-01more",
        f"0-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}-01\n",
        f"00_{TRACE}_{SPAN}_01",
    ],
)
def test_a_malformed_parent_ends_the_trace_and_its_state(given: str) -> None:
    dropped = ("traceparent", "tracestate") if given else ("tracestate",)
    assert tracecontext.read(given, "a=b") == TraceContext(dropped=dropped)


@pytest.mark.parametrize(
    ("given", "carried"),
    [
        ("", ""),
        ("foo=1", "foo=1"),
        ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"),
        ("foo=1,,,bar=2,", "foo=1,bar=2"),
        ("fw529a3039@dt=FfSNxOWR,0tenant@v=1", "fw529a3039@dt=FfSNxOWR,0tenant@v=1"),
        ("a= b c", "a= b c"),
        (",".join(f"k{n}=v" for n in range(32)), ",".join(f"k{n}=v" for n in range(32))),
        (f"a={'b' * 250},c={'d' * 250},e=f", f"a={'b' * 250},c={'d' * 250},e=f"),
        (f"a={'b' * 250},c={'d' * 250},e=f,g=hhhhh", "e=f,g=hhhhh"),
        (",".join(f"k{n}={'v' * 100}" for n in range(6)), ",".join(f"k{n}={'v' * 100}" for n in range(4))),
    ],
)
def test_a_state_is_carried_within_its_limit(given: str, carried: str) -> None:
    assert tracecontext.read(PARENT, given) == TraceContext(PARENT, carried)


@pytest.mark.parametrize(
    "given", ["x", "A=b", "a=b=c", "=", "a=", "a=b\u00e9", ",".join(f"k{n}=v" for n in range(33)), "a=" + "b" * 300]
)
def test_a_malformed_state_is_dropped_alone(given: str) -> None:
    assert tracecontext.read(PARENT, given) == TraceContext(PARENT, dropped=("tracestate",))
