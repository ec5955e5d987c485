"""Smithy's tests of restJson1 against the sandbox: requests read, responses written, bad ones refused."""

import json
import math
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qs, unquote

import pytest
from botocore.model import OperationModel

from sandbox.cleanroomsml import protocol, validation
from sandbox.cleanroomsml.assumptions import Unknown
from sandbox.cleanroomsml.errors import ApiError
from tests.others import smithy_model
from tests.others.smithy_model import Case, UnusedError
from tests.others.verdict import settle

pytestmark = pytest.mark.others

_LABEL: Final = re.compile(r"\{(\w+)\+?\}")
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\dT")
EXPLAINED: Final = {
    "RestJsonWith(out)?BodyExpects.*": "the sandbox ignores content type and accepted types",
    "RestJsonOmitsEmptyListQueryValues": "about clients, though it is not marked so",
}


def request(operation: OperationModel, sent: Mapping[str, Any], unknown: Unknown = "ignored") -> dict[str, Any]:
    """A request's parameters, as the sandbox reads them; its route is matched as the sandbox matches one."""
    pattern, _, fixed = operation.http["requestUri"].partition("?")
    path, _, query = sent["uri"].partition("?")
    found = re.fullmatch(_LABEL.sub(r"(?P<\1>[^/]+)", pattern), path)
    if found is None:
        raise UnusedError("paths that the API has no route like")
    pairs = "&".join([*sent.get("queryParams", ()), *filter(None, (query, fixed))])
    labels = {name: unquote(text) for name, text in found.groupdict().items()}
    asked = parse_qs(pairs, keep_blank_values=True)
    return protocol.parse(operation, labels, asked, sent.get("body", "").encode(), unknown=unknown)


def same(found: Any, wanted: Any) -> bool:
    """True when values are equal; Smithy's has timestamps as epoch seconds and names numbers that JSON lacks."""
    if isinstance(found, datetime):
        return bool(found.timestamp() == wanted)
    if isinstance(found, float) and isinstance(wanted, str):
        return math.isnan(found) if wanted == "NaN" else found == float(wanted)
    if isinstance(found, dict) and isinstance(wanted, dict):
        kept = {name: value for name, value in wanted.items() if value is not None}
        return found.keys() == kept.keys() and all(same(found[name], value) for name, value in kept.items())
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if isinstance(found, str) and isinstance(wanted, str) and _DATE.match(found) and _DATE.match(wanted):
        return datetime.fromisoformat(found) == datetime.fromisoformat(wanted)
    return bool(found == wanted)


def read(case: Case) -> str:
    found = request(smithy_model.operation(case.operation), case.content)
    wanted = case.content.get("params", {})
    return "" if same(found, wanted) else f"{found} instead of {wanted}"


def refused(case: Case) -> str:
    sent = case.content["request"]
    operation = smithy_model.operation(case.operation)
    try:
        found = request(operation, sent, "refused")
    except ApiError:
        return ""
    if validation.check(operation.input_shape, found):
        return ""
    return f"{sent.get('uri')} {sent.get('body', '')} is read as {found}"


def written(case: Case) -> str:
    operation = smithy_model.operation(case.operation)
    params = dated(operation.output_shape, case.content.get("params", {}))
    found = json.loads(protocol.serialise(operation, params))
    wanted = json.loads(case.content.get("body") or "{}")
    return "" if same(found, wanted) else f"{found} instead of {wanted}"


def dated(shape: Any, value: Any) -> Any:
    """Parameters with timestamps as Python's."""
    if shape is None or value is None:
        return value
    if shape.type_name == "structure":
        return {name: dated(shape.members[name], each) for name, each in value.items() if name in shape.members}
    if shape.type_name == "list":
        return [dated(shape.member, each) for each in value]
    if shape.type_name == "map":
        return {key: dated(shape.value, each) for key, each in value.items()}
    return datetime.fromtimestamp(value).astimezone() if shape.type_name == "timestamp" else value


TRIED: Final = {"httpRequestTests": read, "httpResponseTests": written, "httpMalformedRequestTests": refused}


def test_rest_json() -> None:
    results: dict[str, str] = {}
    unused: Counter[str] = Counter()
    for case in smithy_model.cases():
        if case.content.get("appliesTo") == "client":
            unused["about clients"] += 1
            continue
        try:
            results[case.content["id"]] = TRIED[case.kind](case)
        except UnusedError as what:
            unused[f"about {what}"] += 1
        except ApiError as error:
            results[case.content["id"]] = f"refused: {error}"
    settle("restJson1", smithy_model.VERSION, "the sandbox's protocol", results, EXPLAINED, unused)
