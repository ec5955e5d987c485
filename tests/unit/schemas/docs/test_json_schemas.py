"""The published schemas of commands against the service: what they accept is not rejected for its shape, and back.

The judge of the schemas is `vocabulary`, and Ajv where node is installed; the service is asked by its own functions.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from schemas import (
    chains,
    cloudevents,
    commands,
    documented_rules,
    references,
    service_commands,
    shape_schemas,
    shapes,
    tracecontext,
)
from schemas.commands import TopicRules
from schemas.docs import json_schemas, render
from schemas.documented_rules import RULES, Rule
from schemas.operations import COMMANDS, OPERATIONS, RESOURCES, SERVICE_COMMANDS
from schemas.permissions import open_grant
from schemas.records import Command
from tests.support import samples, schema_instances
from tests.support.node_packages import ASYNCAPI_PARSER, installed
from tests.support.schema_vocabulary import is_valid

LIMITS = TopicRules(open_grant({"prod"}, set()), "prod")
SAID = tuple(rule for rule in RULES if not rule.unsaid)
UNSAID = tuple(rule for rule in RULES if rule.unsaid)
SCHEMAS = {name: json_schemas.command_data(name) for name in COMMANDS}
LAX = {name: json_schemas.command_data(name, assumed=False) for name in OPERATIONS}


def _breaks(rows: tuple[Rule, ...], operation: str, params: Any) -> bool:
    return any(
        any(row.check(value))
        for _, shape, value in shapes.walk(shapes.input_shape(operation), params)
        for row in rows
        if row.applies(shape, value)
    )


def _refused(name: str, params: Any, *, assumed: bool = True) -> bool:
    """Whether the service refuses data for something that JSON Schema can say."""
    if name in SERVICE_COMMANDS:
        return any(service_commands.violations(name, params))
    rows = tuple(row for row in SAID if assumed or not row.assumed)
    stamp = isinstance(params, dict) and any(documented_rules.marker_violations(name, params))
    return stamp or any(shapes.violations(name, params)) or _breaks(rows, name, params)


def _is_whole_fraction(breach: samples.Breach) -> bool:
    return breach.what == "float1.0"


# --- every rule and constraint, one by one --------------------------------------------------------------------------

BREACHES = [*samples.breaches(), *samples.rule_breaches()]


def _of(operation: str) -> list[samples.Breach]:
    return [breach for breach in BREACHES if breach.operation == operation]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_breaks_a_rule_is_invalid(operation: str) -> None:
    for breach in _of(operation):
        refused = _refused(operation, breach.params)
        assert is_valid(SCHEMAS[operation], breach.params) != refused or _is_whole_fraction(breach), str(breach)
        lax = _refused(operation, breach.params, assumed=False)
        assert is_valid(LAX[operation], breach.params) != lax or _is_whole_fraction(breach), str(breach)


@pytest.mark.parametrize("row", SAID, ids=lambda row: row.check.__name__)
def test_a_rule_taken_out_of_the_schema_is_missed(row: Rule) -> None:
    others = tuple(other for other in RULES if other is not row)
    for operation in OPERATIONS:
        mine = [breach for breach in _of(operation) if breach.what.rstrip("0123456789") == row.check.__name__]
        schema = shape_schemas.request(operation, rows=others)
        assert not mine or any(is_valid(schema, breach.params) for breach in mine), operation


@pytest.mark.parametrize("row", UNSAID, ids=lambda row: row.check.__name__)
def test_what_no_schema_says_is_left_to_the_service(row: Rule) -> None:
    mine = [breach for breach in BREACHES if breach.what.rstrip("0123456789") == row.check.__name__]
    assert mine
    for breach in mine:
        assert is_valid(SCHEMAS[breach.operation], breach.params), str(breach)
        assert any(documented_rules.violations(breach.operation, breach.params)), str(breach)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("full", [False, True])
def test_valid_requests_are_valid(operation: str, full: bool) -> None:
    assert is_valid(SCHEMAS[operation], samples.payload(operation, full=full))


ARN = samples.arn("audience-model")
DATASET = samples.arn("training-dataset")
IDS = {"commandId": "c", "commandSource": "/s"}
OWN: list[tuple[str, Any, bool]] = [
    ("TrackResource", {"resourceArn": ARN}, True),
    ("TrackResource", {"resourceArn": ARN, "untilStatus": "DELETE_FAILED"}, True),
    ("TrackResource", {"resourceArn": DATASET, "untilStatus": "ACTIVE"}, True),
    ("TrackResource", {"resourceArn": DATASET, "untilStatus": "DELETE_FAILED"}, False),
    ("TrackResource", {"resourceArn": ARN, "untilStatus": "BANANA"}, False),
    ("TrackResource", {"resourceArn": ARN, "untilStatus": "ACTIVE\n"}, False),
    ("TrackResource", {"resourceArn": ARN + "\n"}, False),
    ("TrackResource", {"resourceArn": samples.arn("audience-export-job")}, False),
    ("TrackResource", {"resourceArn": "command:d"}, True),
    ("TrackResource", {"resourceArn": "command:d", "untilStatus": "DELETE_FAILED"}, True),
    ("TrackResource", {"resourceArn": "command::audience-model/x", "untilStatus": "CREATE_PENDING"}, True),
    ("TrackResource", {"resourceArn": "command:d", "untilStatus": "BANANA"}, False),
    ("TrackResource", {"resourceArn": "command:"}, False),
    ("TrackResource", {"resourceArn": "command:" + "x" * 256}, False),
    ("TrackResource", {"resourceArn": "command:a\n"}, False),
    ("TrackResource", {}, False),
    ("CancelCommand", IDS, True),
    ("CancelCommand", IDS | {"deleteResource": True}, True),
    ("CancelCommand", IDS | {"deleteResource": 1}, False),
    ("CancelCommand", IDS | {"commandId": "😀" * 255}, True),
    ("CancelCommand", IDS | {"commandId": "x" * 256}, False),
    ("CancelCommand", IDS | {"more": 1}, False),
    ("ResolveCommand", IDS | {"resolution": "adopt", "resourceArn": ARN}, True),
    ("ResolveCommand", IDS | {"resolution": "adopt", "resourceArn": "command:d"}, True),
    ("ResolveCommand", IDS | {"resolution": "retry"}, True),
    ("ResolveCommand", IDS | {"resolution": "retry", "resourceArn": ARN}, False),
    ("ResolveCommand", IDS | {"resolution": "adopt", "resourceArn": ARN + "\n"}, False),
    ("ResolveCommand", IDS | {"resolution": "ADOPT"}, False),
    ("ResolveCommand", IDS, False),
]


@pytest.mark.parametrize(("name", "data", "good"), OWN)
def test_commands_of_the_service_itself(name: str, data: Any, good: bool) -> None:
    assert is_valid(SCHEMAS[name], data) == good
    assert _refused(name, data) != good


def test_statuses_to_track_until_are_those_of_the_type() -> None:
    every = {status for row in RESOURCES.values() for status in service_commands.statuses(row)}
    for row in RESOURCES.values():
        for status in every if row.arn_type else ():
            data = {"resourceArn": samples.arn(row.arn_type), "untilStatus": status}
            assert is_valid(SCHEMAS["TrackResource"], data) != _refused("TrackResource", data), data


REFERENCES = (
    *("command:d", "command:a b", "command:command:x", "command:arn:aws:cleanrooms-ml:x:1:audience-model/.."),
    *("command:é😀", "command:" + "x" * 255, "command:" + "😀" * 255, "command:?#%\\"),
    *("command:", "command:" + "x" * 256, "command:a\n", "command:\x00", "Command:d", " command:d", "command"),
)


@pytest.mark.parametrize("text", REFERENCES, ids=lambda text: ascii(text[:24]))
def test_a_reference_is_one_to_both_wherever_an_arn_of_the_tables_kinds_is_expected(text: str) -> None:
    tried = 0
    for operation in OPERATIONS:
        base = samples.payload(operation, full=True)
        for location, shape, _ in shapes.walk(shapes.input_shape(operation), base):
            if references.kinds(shape):
                params = samples.replaced(base, location, text)
                good = bool(references.referred(text))
                assert is_valid(SCHEMAS[operation], params) == good
                assert _refused(operation, params) != good
                tried += 1
    assert tried > 20


# --- texts and times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("char", ["x", "é", "😀", "e\u0301"], ids=ascii)
@pytest.mark.parametrize(("unit", "length"), [("key", 128), ("value", 256)])
def test_both_count_code_points(char: str, unit: str, length: int) -> None:
    for text, good in (((char * length)[:length], True), ((char * length)[:length] + "x", False)):
        tags = {text: "v"} if unit == "key" else {"k": text}
        data = {"resourceArn": samples.arn("audience-model"), "tags": tags}
        assert is_valid(SCHEMAS["TagResource"], data) == good
        assert _refused("TagResource", data) != good


TIMES = (
    "2024-02-29T00:00:00Z",
    "2000-02-29t23:59:59.9z",
    "2025-12-31T12:00:00.123456789012+23:59",
    "2025-04-30T00:00:00-00:00",
    "2023-02-29T00:00:00Z",
    "1900-02-29T00:00:00Z",
    "2025-04-31T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-00-10T00:00:00Z",
    "2025-01-32T00:00:00Z",
    "2025-01-01T24:00:00Z",
    "2025-01-01T00:60:00Z",
    "2025-01-01T00:00:60Z",
    "2025-01-01T00:00:00+24:00",
    "2025-01-01T00:00:00+12:75",
    "2025-01-01T00:00:00",
    "2025-01-01 00:00:00Z",
    "2025-01-01T00:00:00Z\n",
    "\n2025-01-01T00:00:00Z",
    "2025-01-01T00:00:00.Z",
    "2025-01-01",
    "",
    "\u0662025-01-01T00:00:00Z",
    "2025-01-01T00:00:00." + "1" * 4_075 + "Z",
    "2025-01-01T00:00:00." + "1" * 4_076 + "Z",
)


@pytest.mark.parametrize("text", TIMES, ids=lambda text: ascii(text[:36]))
def test_a_time_is_one_to_both(text: str) -> None:
    data = {"name": "n", "trainingDatasetArn": samples.arn("training-dataset"), "trainingDataStartTime": text}
    assert is_valid(SCHEMAS["CreateAudienceModel"], data) != _refused("CreateAudienceModel", data)


def test_every_day_of_a_leap_and_a_common_century_year_is_one_to_both() -> None:
    for year in ("1900", "2000", "2023", "2024"):
        for number in range(13 * 33):
            text = f"{year}-{number // 33:02}-{number % 33:02}T00:00:00Z"
            assert is_valid(shape_schemas.TIMESTAMP, text) == (cloudevents.timestamp(text) is not None), text


ATTRIBUTES: list[tuple[str, str, bool]] = [
    *(
        (name, text, good)
        for name in ("notbefore", "deadline")
        for text, good in (("2030-01-01T00:00:00Z", True), ("x", False))
    ),
    ("deadline", "2030-01-01T00:00:60Z", False),
    ("time", "2016-12-31T23:59:60Z", True),
    ("time", "2016-12-31T23:60:00Z", False),
    *(("after", text, True) for text in ("[]", '["a"]', '["a", "\\u00e9 b", "😀"]')),
    ("priority", "0", True),
    ("priority", "10", False),
    ("priority", "1\n", False),
    ("correlationid", "😀" * 255, True),
    ("correlationid", "x" * 256, False),
    ("correlationid", "a\x00", False),
    ("id", "x" * 255, True),
    ("id", "x" * 256, False),
    ("id", "", False),
    ("source", "a\x85", False),
    *(
        (name, text, good)
        for name in ("subject", "dataschema", "target", "replyto", "mine")
        for text, good in (("a\tb", False), ("x" * 4_097, False), ("\u00e9" * 4_097, False))
    ),
    *(
        (name, text, good)
        for name in ("subject", "dataschema")
        for text, good in (("", False), ("x", True), ("\U0001f600" * 4_096, True))
    ),
    *(
        ("datacontenttype", text, good)
        for text, good in (
            *(("application/json", True), ('a/b+json; v="\\""; charset=utf-8', True), ("Text/JSON ;", True)),
            *(("", False), ("text/xml", False), ("application/json; charset=latin1", False), ("json", False)),
            *(("application/json\n", False), ("application/json;x=" + "y" * 4_096, False)),
        )
    ),
    *(
        (name, text, True)
        for name in tracecontext.ATTRIBUTES
        for text in ("", "\x00", "x" * 600, "x" * 20_000, "\ufdd0", "00-" + "1" * 32 + "-" + "2" * 16 + "-01")
    ),
    ("specversion", "0.3", False),
    ("type", "cleanroomsml.command.TagResource\n", False),
    ("mine", "x", True),
    ("mine", "", True),
    ("mine", "\x7f", False),
    ("Mine", "x", False),
    ("mi-ne", "x", False),
    ("mine\n", "x", False),
    ("data", "x", False),
]


@pytest.mark.parametrize(("name", "text", "good"), ATTRIBUTES, ids=lambda item: ascii(item)[:40])
def test_attributes(name: str, text: str, good: bool) -> None:
    attributes = {"specversion": "1.0", "id": "c", "source": "/s", "type": "cleanroomsml.command.GetAudienceModel"}
    attributes[name] = text
    headers = tuple((f"ce_{key}", item.encode()) for key, item in attributes.items())
    found = commands.read(b"k", orjson.dumps({"audienceModelArn": ARN}), headers, LIMITS)
    assert isinstance(found, Command) == good
    assert is_valid(json_schemas.command_attributes("GetAudienceModel"), attributes) == good


OWN_ATTRIBUTES = json_schemas.command_attributes("TagResource")["properties"]
GOOD = {
    "specversion": "1.0",
    "id": "c",
    "source": "/s",
    "type": "cleanroomsml.command.TagResource",
    "time": "2025-01-31T12:00:00Z",
    "subject": "s",
    "dataschema": "urn:s",
    "datacontenttype": "application/json",
    "target": "prod",
    "correlationid": "c",
    "replyto": "replies",
    "notbefore": "2030-01-01T00:00:00Z",
    "deadline": "2031-01-01T00:00:00Z",
    "priority": "1",
    "after": '["a", "b"]',
    "until": "2031-06-01T00:00:00Z",
    "traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01",
    "tracestate": "a=1",
    "mine": "x",
}
"""Each attribute of the schema, and one that it does not name."""
ODD = (
    *(
        "",
        " ",
        "x",
        "\t",
        "\x00",
        "\x85",
        "a\n",
        "0",
        "9",
        "10",
        "1.0",
        "\ufdd0",
        "\ufffe",
        "\U0001ffff",
        "Text/JSON",
    ),
    *("x" * length for length in (255, 256, 512, 513, 4_096, 4_097)),
    *("\u00e9" * length for length in (255, 256, 4_096, 4_097)),
    *('application/json; a="\\""', "a/b+json;charset=utf-8", "text/xml", "application/json;charset=x", "a/b+jsonx"),
    *TIMES,
)
ODD_NAMES = ("Mine", "data", "my-own", "mine\n", "\u00e9", "b" * 300)
NAMES = st.sampled_from([*GOOD, *ODD_NAMES]) | st.text("aZ0-_.", max_size=3)
REPLIES = TopicRules(open_grant({"prod"}, {"replies"}), "prod")


def test_each_attribute_of_the_schema_is_tried() -> None:
    assert OWN_ATTRIBUTES.keys() == GOOD.keys() - {"mine"}


def _agree(named: dict[str, str]) -> None:
    """What the schema says of these attributes is what the service does, but for what no schema says."""
    valid = is_valid(json_schemas.command_attributes("TagResource"), named)
    for found in _both_modes(named):
        if isinstance(found, Command):
            assert valid, named
        elif valid:
            assert _unsaid(named), (found, named)


@pytest.mark.parametrize("name", [*GOOD, *ODD_NAMES], ids=ascii)
def test_one_odd_attribute_is_accepted_by_both_or_by_none(name: str) -> None:
    for text in ODD:
        _agree(GOOD | {name: text})
    if name in GOOD:
        _agree({other: text for other, text in GOOD.items() if other != name})


@settings(max_examples=100)
@given(
    changed=st.dictionaries(NAMES, st.sampled_from(ODD) | st.text(max_size=5), max_size=3),
    some=st.sets(st.sampled_from(list(GOOD))),
)
def test_attributes_that_the_schema_accepts_are_not_rejected_and_back(changed: dict[str, str], some: set[str]) -> None:
    _agree({name: text for name, text in GOOD.items() if name in some or name in OWN_REQUIRED} | changed)


OWN_REQUIRED = json_schemas.command_attributes("TagResource")["required"]


def _both_modes(named: dict[str, str]) -> Iterator[Any]:
    data = {"resourceArn": ARN, "tags": {"k": "v"}}
    headers = tuple((json_schemas.header(name), text.encode()) for name, text in named.items())
    if named.get("datacontenttype") != "":  # an empty header says nothing
        yield commands.read(b"k", orjson.dumps(data), headers, REPLIES)
    if "data" not in named:  # the JSON format has the data there
        structured = (("content-type", b"application/cloudevents+json"),)
        yield commands.read(b"k", orjson.dumps({**named, "data": data}), structured, REPLIES)


def _unsaid(named: dict[str, str]) -> bool:
    """Whether one of the rules about attributes that no schema says refuses these."""
    start, end = (cloudevents.timestamp(named.get(name, "2030-01-01T00:00:00Z")) or 0.0 for name in TIMED)
    return (
        any(_noncharacter(text) for name, text in named.items() if name not in tracecontext.ATTRIBUTES)
        or (("notbefore" in named or "deadline" in named) and min(start, end) <= 0)
        or (set(named) >= set(TIMED) and start >= end)
        or not cloudevents.is_timestamp(named.get("time", GOOD["time"]))
        or chains.after(named.get("after", "[]")) is None
        or ("until" in named and _until(named) <= max(0.0, cloudevents.timestamp(named.get("notbefore", "")) or 0.0))
        or named.get("target", "prod") != "prod"
        or named.get("replyto", "replies") != "replies"
    )


def _until(named: dict[str, str]) -> float:
    return cloudevents.timestamp(named["until"]) or 0.0


TIMED = ("notbefore", "deadline")


def _noncharacter(text: str) -> bool:
    return any(ord(char) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(char) <= 0xFDEF for char in text)


# --- anything ---------------------------------------------------------------------------------------------------------


def _bases(name: str) -> list[dict[str, Any]]:
    if name in SERVICE_COMMANDS:
        return [data for command, data, good in OWN if command == name and good]
    return [samples.payload(name, full=full) for full in (False, True)]


@settings(max_examples=30)
@given(data=st.data())
@pytest.mark.parametrize("name", COMMANDS)
def test_what_the_schema_accepts_is_not_rejected_and_back(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(_bases(name)))
    params = data.draw(schema_instances.near(SCHEMAS[name], good))
    assume(not _beyond_the_years(params))
    valid = is_valid(SCHEMAS[name], params)
    assert valid != _refused(name, params)
    if valid:
        _taken(name, params)


def _beyond_the_years(params: dict[str, Any]) -> bool:
    """Whether a time is one to the schema, and outside of the years 1000 to 9999 in UTC; see UNSAID."""
    times = [text for name, text in params.items() if name.endswith("Time") and isinstance(text, str)]
    return any(is_valid(shape_schemas.TIMESTAMP, text) and any(_time_fault(text)) for text in times)


def _time_fault(text: str) -> Iterator[shapes.Violation]:
    data = {"name": "n", "trainingDatasetArn": DATASET, "trainingDataStartTime": text}
    return shapes.violations("CreateAudienceModel", data)


def _taken(name: str, params: Any) -> None:
    """Read as a record, it is a command, but for what no schema says."""
    attributes = {"specversion": "1.0", "id": "c", "source": "/s", "type": f"cleanroomsml.command.{name}"}
    headers = tuple((f"ce_{key}", item.encode()) for key, item in attributes.items())
    found = commands.read(b"k", orjson.dumps(params), headers, LIMITS)
    named = "c" in chains.predecessors(name, params, ())  # itself
    assert isinstance(found, Command) or named or (name in OPERATIONS and _breaks(UNSAID, name, params)), found


# --- what no schema says ----------------------------------------------------------------------------------------------


def _record(
    data: Any = None, text: str = "", limits: TopicRules = LIMITS, more: cloudevents.Headers = (), **attributes: str
) -> Any:
    """What the service makes of a record that its schemas accept."""
    named = {"specversion": "1.0", "id": "c", "source": "/s", "type": "cleanroomsml.command.TagResource", **attributes}
    name = named["type"].rsplit(".", 1)[-1]
    assert is_valid(json_schemas.command_attributes(name), named)
    assert is_valid(SCHEMAS[name], json.loads(text) if text else data)
    headers = tuple((f"ce_{key}", item.encode()) for key, item in named.items())
    return commands.read(b"k", text.encode() or orjson.dumps(data), (*headers, *more), limits)


def _seed(**sql: Any) -> dict[str, Any]:
    return {"roleArn": samples.STRINGS["IamRoleArn"][0], "sqlParameters": {"queryString": "SELECT 1", **sql}}


MODEL = {"name": "n", "trainingDatasetArn": DATASET}
JOB = samples.payload("StartAudienceGenerationJob", full=True)
TAGGED = {"resourceArn": ARN, "tags": {"k": "v"}}
SIZE = f'{{"name":"n","audienceGenerationJobArn":"{samples.arn("audience-generation-job")}","audienceSize":%s}}'
EXPORT = "cleanroomsml.command.StartAudienceExportJob"
MANY = {f"p{number}": "" for number in range(2_000)}

BEYOND: dict[str, list[Any]] = {
    "An integer": [
        _record(text=SIZE % '{"type":"ABSOLUTE","value":1.0}', type=EXPORT),
        _record(text=SIZE % '{"type":"ABSOLUTE","value":1e0}', type=EXPORT),
    ],
    "A timestamp": [
        _record({**MODEL, "trainingDataStartTime": text}, type="cleanroomsml.command.CreateAudienceModel")
        for text in ("0999-12-31T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59-00:01")
    ],
    "An object": [
        _record(text=f'{{"resourceArn":"{ARN}","tags":{tags}}}') for tags in ('{"a":"v","a":"v"}', '{"a":"\\ud800"}')
    ],
    "A command": [
        _record({**JOB, "seedAudience": seed}, type="cleanroomsml.command.StartAudienceGenerationJob")
        for seed in (
            _seed(parameters=MANY),
            _seed(queryString="x" * 500_000, parameters={f"p{n}": "\0" * 1_000 for n in range(150)}),
        )
    ],
    "`deadline`": [
        _record(TAGGED, notbefore="2030-01-01T00:00:00Z", deadline="2029-01-01T00:00:00Z"),
        _record(TAGGED, deadline="1969-01-01T00:00:00Z"),
        _record(TAGGED, notbefore="2030-01-01T00:00:00Z", until="2029-01-01T00:00:00Z"),
    ],
    "`until`": [_record(TAGGED, until=text) for text in ("", "soon", "2030-01-01", "2030-01-01T00:00:60Z")],
    "`after`": [
        *(_record(TAGGED, after=text) for text in ("", "a", '"a"', "[1]", '[""]', f'["{"x" * 256}"]', '["\\u0007"]')),
        _record(TAGGED, after=json.dumps([f"{number}" for number in range(101)])),
        _record(TAGGED, after='["c"]'),
        _record(TAGGED | {"resourceArn": "command:c"}),
    ],
    "An attribute": [_record(TAGGED, mine=text) for text in ("\ufdd0", "\ufffe", "\U0001ffff")],
    "A record": [
        _record(TAGGED, more=more)
        for more in (
            tuple((f"x{number}", b"") for number in range(97)),
            *((("ce_id", b"c"),), (("CE_mine", b"x"),), (("Content-Type", b"application/json"),), (("ce_x", b"\xff"),)),
        )
    ],
    "In binary mode": [_record(TAGGED, more=(("content-type", b"application/cloudevents+json"),))],
    "Targets": [_record(TAGGED, target="other"), _record(TAGGED, replyto="other")],
    "Members": [
        _record(
            {**MODEL, "tags": {f"k{n}": "v" for n in range(50)}},
            limits=TopicRules(open_grant({"prod"}, set()), "prod", params={"prod": {"tags": {"more": "v"}}}),
            type="cleanroomsml.command.CreateAudienceModel",
        )
    ],
}


@pytest.mark.parametrize("rule", shape_schemas.UNSAID)
def test_each_rule_that_no_schema_says_is_one_of_the_service(rule: str) -> None:
    (answers,) = [found for opening, found in BEYOND.items() if rule.startswith(opening)]
    assert not any(isinstance(answer, Command) for answer in answers), answers


POLICIES = (
    '{"a":' * 32 + "1" + "}" * 32,
    f'{{"a":[{"1," * 1_998}1]}}',
    f'{{"a":0.{"1" * 4_000}}}',
    '{"a":' + "9" * 70 + "}",
    '{"a":"\\ud83d\\ude00"}',
)
"""At the limits that the reference states."""


@pytest.mark.parametrize("text", POLICIES, ids=lambda text: text[:12])
def test_a_policy_within_the_limits_is_taken(text: str) -> None:
    data = {
        "configuredAudienceModelArn": samples.arn("configured-audience-model"),
        "configuredAudienceModelPolicy": text,
    }
    assert not [
        found
        for found in documented_rules.violations("PutConfiguredAudienceModelPolicy", data)
        if found.rule == "policy"
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "it is not JSON: expecting value"),
        ("[]", "it is JSON of another type"),
        ('{"a":' * 33, "it nests deeper than 32 objects and arrays"),
        (f'{{"a":[{"1," * 2_000}1]}}', "it has more than 2000 values"),
        ('{"a":1,"a":2}', "it has the member 'a' twice in one object"),
        ("\ufeff{}", "it starts with a byte order mark"),
    ],
    ids=lambda item: item[:12],
)
def test_what_is_wrong_with_a_policy_is_said_in_a_sentence(text: str, told: str) -> None:
    data = {
        "configuredAudienceModelArn": samples.arn("configured-audience-model"),
        "configuredAudienceModelPolicy": text,
    }
    (found,) = [
        one for one in documented_rules.violations("PutConfiguredAudienceModelPolicy", data) if one.rule == "policy"
    ]
    assert found.message.startswith(f"must be the text of a JSON object; {told}")


# --- other judges -----------------------------------------------------------------------------------------------------

VALIDATE = render.ROOT / ".ci" / "jsonschema" / "validate.mjs"


def _corpus() -> dict[str, list[Any]]:
    corpus: dict[str, list[Any]] = {name: _bases(name) for name in COMMANDS}
    for breach in BREACHES:
        corpus[breach.operation].append(breach.params)
    for command, data, _ in OWN:
        corpus[command].append(data)
    return corpus


def test_ajv_judges_alike_and_readers_of_older_drafts_accept_no_less(tmp_path: Path) -> None:
    folder = installed(ASYNCAPI_PARSER)
    corpus = _corpus()
    schemas = SCHEMAS | {"attributes": json_schemas.command_attributes("GetAudienceModel")}
    base = GOOD | {"type": "cleanroomsml.command.GetAudienceModel"}
    corpus["attributes"] = [base, *({**base, name: text} for name, text, _ in ATTRIBUTES)]
    cases = [
        {"schema": {"$schema": shape_schemas.DIALECT, **schemas[name]}, "values": values}
        for name, values in corpus.items()
    ]
    (tmp_path / "cases.json").write_text(json.dumps(cases))
    words = ["node", str(VALIDATE), str(folder), str(tmp_path / "cases.json")]
    result = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert result.returncode == 0, result.stderr[-2_000:]
    for (name, values), verdicts in zip(corpus.items(), json.loads(result.stdout), strict=True):
        for value, (now, before) in zip(values, verdicts, strict=True):
            assert now == is_valid(schemas[name], value), (name, value)
            assert before >= now, (name, value)
