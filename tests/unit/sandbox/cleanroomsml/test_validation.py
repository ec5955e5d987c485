"""Every constraint of the API model: just inside is taken, just outside is refused by the name of the member."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.operations import OPERATIONS
from tests.support.sandbox_constraints import BASES, Case, cases, on_the_wire

CASES = cases()
_CREDENTIALS = Credentials("123456789012", "sandbox")


class Wire:
    """Sends signed requests which no SDK would send, on one connection."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=10)
        self._url = url

    def send(self, operation: str, params: Any) -> tuple[int, str, str]:
        method, path, body = on_the_wire(operation, params)
        request = AWSRequest(method, self._url + path, {"Content-Type": "application/json"}, body)
        SigV4Auth(_CREDENTIALS, "cleanrooms-ml", "eu-west-1").add_auth(request)
        self._connection.request(method, path, body or None, dict(request.headers))
        answer = self._connection.getresponse()
        document = json.loads(answer.read())
        return answer.status, answer.headers.get("x-amzn-ErrorType", ""), document.get("message", "")

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def wire(sandbox_url: str) -> Iterator[Wire]:
    wire = Wire(sandbox_url)
    yield wire
    wire.close()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_whole_request_is_valid(wire: Wire, operation: str) -> None:
    for base in BASES[operation]:
        assert wire.send(operation, base)[1] != "ValidationException"


@pytest.mark.parametrize("case", CASES, ids=[each.id for each in CASES])
def test_constraint(wire: Wire, case: Case) -> None:
    inside = wire.send(case.operation, case.inside)
    assert inside[1] != "ValidationException", inside
    status, code, message = wire.send(case.operation, case.outside)
    assert (status, code) == (400, "ValidationException")
    assert f"Value at '{case.member}' failed to satisfy constraint" in message


def constraints(shape: Any, at: str = "") -> Iterator[str]:
    """Every place and rule of a shape, found in another way than the cases are: without any value."""
    facts, members = shape.metadata, getattr(shape, "members", {})
    yield from (f"{at}-{rule}" for rule in ("max", "pattern", "enum") if rule in facts)
    if facts.get("min", 0) > 0:
        yield f"{at}-min"
    for name, member in members.items():
        place = f"{at}.{name}" if at else name
        if name in shape.required_members and member.serialization.get("location") != "uri":
            yield f"{place}-required"
        yield from constraints(member, place)
    if shape.type_name == "list":
        yield from constraints(shape.member, f"{at}.1.member")
    if shape.type_name == "map":
        yield from constraints(shape.key, f"{at}.key")
        yield from constraints(shape.value, f"{at}.value")


BY_OTHER_RULES = {"nextToken-min", "nextToken-max"}
"""A token is good only if a List has returned it, and none has such a length; `test_paging.py` tests tokens."""


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_constraint_of_the_model_is_left_out(operation: str) -> None:
    shape = api_model.service_model().operation_model(operation).input_shape
    covered = {f"{each.member}-{each.rule}" for each in CASES if each.operation == operation}
    assert set(constraints(shape)) - covered <= BY_OTHER_RULES


def test_there_are_cases_of_every_rule() -> None:
    rules = Counter(each.rule for each in CASES)
    assert set(rules) == {"min", "max", "pattern", "enum", "required", "unknown"}
    assert len(CASES) > 250, rules
