"""W3C's test suite of trace context, against what a command's trace becomes in the replies and events.

The suite is written for a service that calls back over HTTP. Here its requests become a command's headers, and its
callbacks what a subscriber's tracer sends on: a span of its own, in the trace that this service has carried to it, or
in a new one when nothing was carried.
"""

import importlib.util
import secrets
import unittest
from types import ModuleType
from typing import Any, Final

import pytest

from schemas import cloudevents
from schemas.cloudevents import Headers
from schemas.commands import trace_of
from tests.others import tools
from tests.others.verdict import settle

pytestmark = pytest.mark.others

COMMIT: Final = "acab820be9db"
DIGEST: Final = "eb78a535a94d730f52477a3ea6a6868957208bb96de6c94da435fe35da00fdf8"
_EVENT: Final = (("ce_specversion", b"1.0"), ("ce_id", b"1"), ("ce_source", b"/s"), ("ce_type", b"t"))
_CASE: Final = (
    "CloudEvents' names are lower-case and Kafka's headers case-sensitive: `ce_TraceParent` is no attribute, and is "
    "refused by its name"
)
EXPLAINED: Final = {
    ".*header_name_valid_casing": _CASE,
}


def suite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tools.laid("w3c-trace-context", DIGEST, "test/**/*.py") / "test"
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("STRICT_LEVEL", "2")
    monkeypatch.setenv("SPEC_LEVEL", "2")
    found = importlib.util.spec_from_file_location("w3c_trace_context", folder / "test.py")
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def sent_on(given: list[list[str]]) -> list[tuple[str, str]]:
    """The headers of a subscriber that has read a reply to a command with these headers."""
    headers: Headers = (*_EVENT, *((f"ce_{name}", text.encode()) for name, text in given))
    trace = trace_of(cloudevents.decode(None, b"{}", headers))
    parent = trace.parent or f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
    version, trace_id, _, flags = parent.split("-")
    state = [("tracestate", trace.state)] if trace.state else []
    return [("traceparent", f"{version}-{trace_id}-{secrets.token_hex(8)}-{flags}"), *state]


def outcome(case: unittest.TestCase) -> str | None:
    """What is wrong; empty when nothing is, ``None`` when the case was skipped."""
    result = unittest.TestResult()
    case.run(result)
    wrong = [*result.failures, *result.errors]
    return None if result.skipped else wrong[0][1].strip() if wrong else ""


def test_trace_context(monkeypatch: pytest.MonkeyPatch) -> None:
    module = suite(monkeypatch)

    def make_request(_self: Any, headers: list[list[str]], count: int = 1) -> list[dict[str, Any]]:
        return [{"headers": sent_on(headers)} for _ in range(count)]

    monkeypatch.setattr(module.TestBase, "make_request", make_request)
    loader = unittest.TestLoader()
    kinds = (module.TraceContextTest, module.AdvancedTest, module.TraceContext2Test)
    cases = [kind(name) for kind in kinds for name in loader.getTestCaseNames(kind)]
    results = {case.id().split(".", 1)[1]: problem for case in cases if (problem := outcome(case)) is not None}
    settle("W3C trace context", COMMIT, "what is carried of a command's trace", results, EXPLAINED)
