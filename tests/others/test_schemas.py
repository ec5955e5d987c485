"""The published JSON Schemas by Ajv in strict mode: they compile without a word, and judge as the service does."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from schemas import cloudevents, commands, shapes
from schemas.cloudevents import Envelope
from schemas.docs import examples, json_schemas, render
from schemas.operations import COMMAND_PREFIX, OPERATIONS
from schemas.records import Command
from tests.others import tools
from tests.others.verdict import settle
from tests.support import samples
from tests.unit.schemas.test_commands import LIMITS

pytestmark = pytest.mark.others

AJV: Final = "ajv {ajv}, ajv-formats {ajv-formats}"
ODD: Final = ("\t", "é", "😀", "\u00a0", "\u0301", " ", "\0", "\n", "\r", "\u2028", "\x85", "\ufffe", "\ufeff", "١")
"""What JavaScript and Python might read differently in a pattern."""

EXPLAINED: Final = {
    ".*-type-float1\\.0 .*": "JSON Schema counts 1.0 as an integer, and no schema can say otherwise",
}


def asked(schemas: dict[str, Any], values: list[tuple[str, Any]]) -> dict[str, Any]:
    text = json.dumps({"schemas": schemas, "values": values})
    said: dict[str, Any] = json.loads(tools.run("node", "ajv.js", cwd=tools.node(), text=text).stdout)
    return said


def version() -> str:
    package = json.loads((tools.HERE / "node" / "package.json").read_text("utf-8"))
    return AJV.format_map(package["dependencies"])


def test_every_schema_compiles_without_a_word() -> None:
    found = {path: json.loads(text) for path, text in render.files().items() if "/jsonschema/" in path}
    settle("Ajv, strict", version(), "the JSON Schemas", asked(found, [])["schemas"])


def test_values_are_judged_as_the_service_judges_them() -> None:
    schemas = {operation: json_schemas.command_data(operation) for operation in OPERATIONS}
    cases = dict(values())
    said = asked(schemas, list(cases.values()))["values"]
    results = {}
    for (case, (operation, value)), refusal in zip(cases.items(), said, strict=True):
        here = problem(operation, value)
        results[case] = "" if bool(refusal) == bool(here) else f"Ajv: {refusal or 'valid'}; here: {here or 'valid'}"
    settle("Ajv, strict", version(), "what is valid, as the service judges it", results, EXPLAINED)


def problem(operation: str, value: Any) -> str:
    """Why the service rejects a command with this data; empty when it takes it."""
    envelope = Envelope("1", "/s", f"{COMMAND_PREFIX}{operation}", data=json.dumps(value).encode())
    content, headers = cloudevents.encode(envelope)
    found = commands.read(b"key", content, headers, LIMITS)
    return "" if isinstance(found, Command) else getattr(found, "message", str(found))


def values() -> Iterator[tuple[str, tuple[str, Any]]]:
    """Case -> operation and request: good ones, each constraint broken alone, odd characters."""
    for operation in OPERATIONS:
        yield f"{operation} minimal", (operation, samples.payload(operation, full=False))
        yield f"{operation} maximal", (operation, samples.payload(operation, full=True))
        yield f"{operation} example", (operation, examples.COMMANDS[operation].data)
        yield from odd(operation)
    for number, each in enumerate(samples.breaches()):
        yield f"{each} {number}", (each.operation, each.params)


def odd(operation: str) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Requests with an odd character as a string's whole, at its end and within it."""
    params = samples.payload(operation, full=False)
    for location, shape, text in shapes.walk(shapes.input_shape(operation), params):
        if "pattern" not in shape.metadata:
            continue
        member = ".".join(map(str, location))
        for mark in ODD:
            for where, changed in (("alone", mark), ("last", text + mark), ("within", text[:-1] + mark + text[-1:])):
                case = f"{operation} {member} {ascii(mark)[1:-1]} {where}"
                yield case, (operation, samples.replaced(params, location, changed))
