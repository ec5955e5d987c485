"""From records to commands: what is accepted, every way to be refused, and that nothing escapes."""

import dataclasses
import json
import time
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import commands, shapes
from schemas.cloudevents import Headers
from schemas.commands import NotACommand, Rejected, TopicRules
from schemas.operations import COMMANDS, OPERATIONS
from schemas.permissions import open_grant
from schemas.records import Command
from tests.support import samples

LIMITS = TopicRules(open_grant({"prod", "dev"}, {"replies.a", "replies.b"}), "prod")
MODEL = {"audienceModelArn": samples.arn("audience-model")}
TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

shapes.preload()


def _headers(operation: str = "GetAudienceModel", **extensions: str | bytes | None) -> Headers:
    named: dict[str, Any] = {
        "specversion": "1.0",
        "id": "c-1",
        "source": "/s",
        "type": f"cleanroomsml.command.{operation}",
        **extensions,
    }
    headers = [(f"ce_{name}", text.encode() if isinstance(text, str) else text) for name, text in named.items()]
    return (*headers, ("content-type", b"application/json"))


def _read(
    data: Any = MODEL, headers: Headers | None = None, limits: TopicRules = LIMITS
) -> Command | Rejected | NotACommand:
    value = data if isinstance(data, bytes) or data is None else orjson.dumps(data)
    return commands.read(b"key", value, _headers() if headers is None else headers, limits)


def _command(found: Command | Rejected | NotACommand) -> Command:
    assert isinstance(found, Command)
    return found


def _rejected(found: Command | Rejected | NotACommand, code: str, *paths: str) -> Rejected:
    assert isinstance(found, Rejected)
    assert found.code == code
    assert [violation.path for violation in found.violations] == list(paths)
    assert found.command.params == {}
    assert (found.command.id, found.command.source) == ("c-1", "/s")
    assert len(found.command.digest) == 64
    return found


# --- accepted ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_read_in_both_modes(operation: str, full: bool) -> None:
    params = samples.payload(operation, full=full)
    binary = _command(_read(params, _headers(operation)))
    assert (binary.operation, binary.params, binary.target) == (operation, params, "prod")
    document = {"specversion": "1.0", "id": "c-1", "source": "/s", "type": OPERATIONS[operation].command_type}
    structured = _read({**document, "data": params}, (("content-type", b"application/cloudevents+json"),))
    assert _command(structured) == binary


def test_all_extensions() -> None:
    extensions = {
        "target": "dev",
        "correlationid": "c",
        "replyto": "replies.a",
        "notbefore": "2025-01-01T00:00:00Z",
        "deadline": "2025-01-01T00:00:01.5Z",
        "until": "2025-01-01T00:00:02Z",
        "priority": "9",
        "after": '["c-0", "b", "c-0"]',
        "traceparent": TRACE,
        "tracestate": "a=b,c@d=e f",
        "somebodyelses": "x",
    }
    found = _command(_read(headers=_headers(**extensions)))
    assert found == Command(
        id="c-1",
        source="/s",
        operation="GetAudienceModel",
        target="dev",
        params=MODEL,
        digest=found.digest,
        correlation_id="c",
        reply_to="replies.a",
        not_before=1_735_689_600.0,
        deadline=1_735_689_601.5,
        until=1_735_689_602.0,
        priority=9,
        predecessors=("c-0", "b"),
        traceparent=TRACE,
        tracestate="a=b,c@d=e f",
    )


def test_the_digest_is_of_the_content_alone() -> None:
    plain = _command(_read(b'{"maxResults":1,"nextToken":"x"}', _headers("ListAudienceModels"))).digest
    spaced = _read(b'{ "nextToken" : "\\u0078", "maxResults":1}', _headers("ListAudienceModels", correlationid="c"))
    assert _command(spaced).digest == plain
    others = [
        _read({"maxResults": 2, "nextToken": "x"}, _headers("ListAudienceModels")),
        _read({"maxResults": 1, "nextToken": "x"}, _headers("ListTrainingDatasets")),
        _read({"maxResults": 1, "nextToken": "x"}, _headers("ListAudienceModels", target="dev")),
    ]
    assert len({plain, *(_command(other).digest for other in others)}) == 4


def test_a_command_names_others_in_its_members_and_after_which_it_comes() -> None:
    found = _command(_read({"audienceModelArn": "command:m"}, _headers(after='["x", "m"]')))
    assert found.predecessors == ("m", "x")
    assert found.params == {"audienceModelArn": "command:m"}
    assert _command(_read({"audienceModelArn": "command:m"})).digest == found.digest
    assert _command(_read({"audienceModelArn": "command:n"})).digest != found.digest


@pytest.mark.parametrize("text", ["", "x", "{}", '"c-0"', "[1]", "[null]", '[["c"]]', '[""]', "[", f'["{"x" * 256}"]'])
def test_a_malformed_list_of_commands(text: str) -> None:
    _rejected(_read(headers=_headers(after=text)), "InvalidExtension", "after")


def test_a_command_never_names_itself() -> None:
    _rejected(_read({"audienceModelArn": "command:c-1"}), "ValidationFailed", "data.audienceModelArn")
    _rejected(_read(headers=_headers(after='["c-1"]')), "ValidationFailed", "after")


def test_a_command_names_a_hundred_others_at_most() -> None:
    ids = [str(number) for number in range(99)]
    data = {"audienceModelArn": "command:m"}
    assert len(_command(_read(data, _headers(after=json.dumps(ids)))).predecessors) == 100
    _rejected(_read(data, _headers(after=json.dumps([*ids, "more"]))), "InvalidExtension", "after")


@pytest.mark.parametrize("text", ["command:", "command:" + "x" * 256, "commands:a", "Command:a"])
def test_a_malformed_reference_is_no_arn(text: str) -> None:
    _rejected(_read({"audienceModelArn": text}), "ValidationFailed", "data.audienceModelArn")


def test_the_digest_outlives_a_new_default_target() -> None:
    moved = TopicRules(LIMITS.grant, "dev")
    assert _command(_read(limits=moved)).digest == _command(_read()).digest
    assert _command(_read(limits=moved)).target == "dev"


# --- refused ----------------------------------------------------------------------------------------------------------


def test_all_violations_at_once() -> None:
    data = {"name": "", "trainingDatasetArn": 1, "tags": {"aws:x": "v"}, "extra": 1}
    headers = _headers("CreateAudienceModel", target="?", replyto="?", priority="x", deadline="x", traceparent="x")
    found = _read(data, headers)
    paths = ["data.name", "data.trainingDatasetArn", "data.extra", "data.name", "data.tags"]
    _rejected(found, "ValidationFailed", "target", "replyto", "priority", "deadline", *paths)


def test_allowed_values_are_told() -> None:
    targets = _rejected(_read(headers=_headers(target="other")), "UnknownTarget", "target")
    assert "dev, prod" in targets.violations[0].message
    assert targets.command.target == ""
    topics = _rejected(_read(headers=_headers(replyto="other")), "ReplyTopicNotAllowed", "replyto")
    assert "replies.a, replies.b" in topics.violations[0].message
    assert topics.command.reply_to == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "CreateAudienceModl",
            "found cleanroomsml.command.CreateAudienceModl; expected cleanroomsml.command.<operation>, with the "
            "operation perhaps CreateAudienceModel",
        ),
        (
            "Frob",
            "found cleanroomsml.command.Frob; expected cleanroomsml.command.<operation>, with the operation one of the "
            f"{len(COMMANDS)} of docs/reference, such as {next(iter(OPERATIONS))}",
        ),
    ],
)
def test_an_unknown_operation_is_named_with_those_like_it(name: str, said: str) -> None:
    operations = _rejected(_read(headers=_headers(name)), "UnknownOperation", "type")
    assert operations.violations[0].message.startswith(said)
    assert operations.command.operation == ""


@pytest.mark.parametrize("command_type", ["getAudienceModel", "GetAudienceModel ", "GetAudienceModel.v2"])
def test_unknown_operations(command_type: str) -> None:
    _rejected(_read(headers=_headers(command_type)), "UnknownOperation", "type")


@pytest.mark.parametrize("whole", ["GetAudienceModel", "x", "cleanroomsml.event.GetAudienceModel"])
def test_a_type_without_the_prefix_is_unknown(whole: str) -> None:
    headers = tuple((name, whole.encode() if name == "ce_type" else value) for name, value in _headers())
    _rejected(_read(headers=headers), "UnknownOperation", "type")


@pytest.mark.parametrize("value", [None, b"", b" ", b"{", b"\xff", b'\xef\xbb\xbf{"a":1}', b"NaN", b'{"a":1,"a":1}'])
def test_unreadable_data_of_a_named_command(value: bytes | None) -> None:
    found = _rejected(_read(value), "InvalidJson", "data")
    assert found.command.operation == "GetAudienceModel"
    _rejected(_read(value, _headers(priority="x")), "InvalidJson", "data", "priority")


def test_missing_data_says_what_to_send() -> None:
    assert "{}" in _rejected(_read(None), "InvalidJson", "data").violations[0].message


@pytest.mark.parametrize("data", [[], "x", 1, True, [MODEL], b"null"])
def test_data_is_an_object(data: Any) -> None:
    _rejected(_read(data), "ValidationFailed", "data")


def test_deep_data() -> None:
    _rejected(_read(b"[" * 1000), "TooLarge", "data")


def test_size_is_refused_before_anything_is_parsed() -> None:
    limits = TopicRules(LIMITS.grant, "prod", max_bytes=10)
    _rejected(_read(b'{"a":12345}', limits=limits), "TooLarge", "data")
    assert isinstance(_read(b'{"a":1234}', limits=limits), Rejected)
    found = _read(b'{"a":12345}', (("content-type", b"application/cloudevents+json"),), limits)
    assert found == NotACommand("TooLarge", "has 11 bytes; at most 10 are read")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("priority", "10"),
        ("priority", "-1"),
        ("priority", "٣"),
        ("priority", "1.0"),
        ("deadline", "tomorrow"),
        ("until", "tomorrow"),
        ("until", "1970-01-01T00:00:00Z"),
        ("deadline", "1735689600"),
        ("deadline", "1970-01-01T00:00:00Z"),
        ("notbefore", "2025-01-01"),
        ("correlationid", "c" * 256),
        ("priority", ""),
        ("deadline", ""),
        ("deadline", "2016-12-31T23:59:60Z"),
        ("deadline", "9999-12-31T23:59:59-12:00"),
        ("notbefore", ""),
    ],
)
def test_malformed_extensions(name: str, text: str) -> None:
    found = _rejected(_read(headers=_headers(**{name: text})), "InvalidExtension", name)
    assert getattr(found.command, {"correlationid": "correlation_id", "notbefore": "not_before"}.get(name, name)) in (
        "",
        0,
    )


def test_a_trace_context_never_rejects_a_command() -> None:
    dropped: list[str] = []
    headers = _headers(traceparent=TRACE.upper(), tracestate="a=b", correlationid="")
    found = commands.read(b"key", orjson.dumps(MODEL), headers, LIMITS, dropped)
    assert (_command(found).traceparent, _command(found).tracestate) == ("", "")
    assert _command(found).correlation_id == ""
    assert dropped == ["traceparent", "tracestate"]
    dropped.clear()
    good = commands.read(b"key", orjson.dumps(MODEL), _headers(traceparent=TRACE, tracestate=""), LIMITS, dropped)
    assert (_command(good).traceparent, dropped) == (TRACE, [])
    assert _rejected(_read(headers=_headers(target="")), "UnknownTarget", "target")


def test_a_deadline_before_the_start_can_never_be_met() -> None:
    headers = _headers(notbefore="2025-01-02T00:00:00Z", deadline="2025-01-01T00:00:00Z")
    _rejected(_read(headers=headers), "InvalidExtension", "deadline")


def test_without_a_default_a_target_is_required() -> None:
    limits = TopicRules(open_grant({"dev"}, ()), "")
    found = _rejected(_read(limits=limits), "UnknownTarget", "target")
    assert "dev" in found.violations[0].message
    assert _command(_read(headers=_headers(target="dev"), limits=limits)).target == "dev"
    nothing = TopicRules(open_grant((), ()), "")
    assert "none is configured" in _rejected(_read(limits=nothing), "UnknownTarget", "target").message


def test_faults_of_the_envelope_of_a_named_command() -> None:
    found = _rejected(_read(headers=_headers(subject=b"\xff")), "InvalidHeader", "envelope")
    assert _rejected(_read(headers=_headers(subject="x" * 5000)), "TooLarge", "envelope")
    assert found.command.operation == "GetAudienceModel"
    _rejected(_read(headers=(*_headers(), ("CE_deadline", b"x"))), "InvalidHeader", "envelope")
    doubled = (*_headers(deadline="2025-01-01T00:00:00Z"), ("ce_deadline", b"2026-01-01T00:00:00Z"))
    assert _rejected(_read(headers=doubled), "DuplicateHeader", "envelope").command.deadline == 0.0


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("content-type", b"application/cloudevents-batch+json"),),
        (("content-type", b"application/cloudevents+json"),),
        _headers(id=None),
        _headers(id=""),
        _headers(id="x" * 256),
        _headers(source=b"\xff"),
        (*_headers(), ("ce_id", b"c-1")),
        (("h", b""),) * 101,
    ],
)
def test_records_that_name_no_command(headers: Headers) -> None:
    found = _read(headers=headers)
    assert isinstance(found, NotACommand)
    assert found.code
    assert found.message


def test_violations_of_a_payload_end_at_a_hundred() -> None:
    data = {f"x{number}": 1 for number in range(150)} | MODEL
    found = _read(data, _headers(priority="x"))
    assert isinstance(found, Rejected)
    assert len(found.violations) == commands.MAX_VIOLATIONS + 1
    assert found.violations[0].path == "priority"
    assert "101 violations" in found.message


def test_long_violations_are_cut_and_as_many_as_have_room_are_told() -> None:
    found = _read({f"{n}{'é' * 1_000}\n": 1 for n in range(100)}, _headers("TrackResource"))
    assert isinstance(found, Rejected)
    assert "100 violations" in found.message
    assert 20 < len(found.violations) < 100
    assert sum(len(orjson.dumps([one.path, one.rule, one.message])) for one in found.violations) < 24 * 1024
    assert all(len(one.path) <= 200 and one.path.isprintable() for one in found.violations)


def test_values_are_not_told() -> None:
    secret = "hunter2-hunter2"
    params = samples.payload("StartAudienceGenerationJob", full=True)
    params["seedAudience"]["sqlParameters"] = {secret: secret, "parameters": {secret: 1, f"{secret}!": secret}}
    params |= {"name": f"{secret}\n", "collaborationId": secret, "configuredAudienceModelArn": secret, "tags": secret}
    extensions = dict.fromkeys(("target", "replyto", "priority", "deadline", "traceparent", "tracestate"), secret)
    found = _read(params, _headers("StartAudienceGenerationJob", **extensions))
    assert isinstance(found, Rejected)
    assert len(found.violations) > 10
    assert secret not in repr(found)


@pytest.mark.parametrize("breach", list(samples.breaches())[::7], ids=str)
def test_a_breach_is_rejected_with_its_path(breach: samples.Breach) -> None:
    found = _read(orjson.dumps(breach.params), _headers(breach.operation))
    assert isinstance(found, Rejected)
    assert found.code == "ValidationFailed"
    path, _ = shapes.render(shapes.input_shape(breach.operation), breach.location)
    assert (path, breach.rule) in [(violation.path, violation.rule) for violation in found.violations]


# --- anything at all --------------------------------------------------------------------------------------------------


@given(
    st.none() | st.binary(max_size=300),
    st.lists(st.tuples(st.text(max_size=20), st.none() | st.binary(max_size=50)), max_size=10),
    st.booleans(),
)
def test_any_record_has_an_outcome(value: bytes | None, headers: list[tuple[str, bytes | None]], named: bool) -> None:
    found = _read(value, (*(_headers() if named else ()), *headers))
    assert isinstance(found, Command | Rejected | NotACommand)


_PIECES = [
    b'"',
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"\x00",
    b"\xff",
    b"\\ud800",
    b"1e999",
    b"NaN",
    b"null",
    b"-1",
]


@given(st.data())
def test_mutated_commands_have_an_outcome(data: st.DataObject) -> None:
    operation = data.draw(st.sampled_from(sorted(OPERATIONS)))
    value = orjson.dumps(samples.payload(operation, full=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        begin = data.draw(st.integers(0, len(value)))
        end = data.draw(st.integers(begin, min(len(value), begin + 20)))
        value = value[:begin] + data.draw(st.sampled_from(_PIECES) | st.binary(max_size=4)) + value[end:]
    found = _read(value, _headers(operation))
    assert isinstance(found, Command | Rejected)
    if isinstance(found, Command):
        assert found.params == json.loads(value)


@given(st.sampled_from([name for name, _ in _headers()]), st.none() | st.binary(max_size=300), st.text(max_size=50))
def test_mutated_headers_have_an_outcome(name: str, value: bytes | None, priority: str) -> None:
    headers = tuple((header, value if header == name else text) for header, text in _headers(priority=priority))
    assert isinstance(_read(headers=headers), Command | Rejected | NotACommand)


MIB = 1 << 20


def _many(pattern: str, count: int = 1990) -> bytes:
    return b",".join((pattern % number).encode() for number in range(count))


HOSTILE = {
    "long-name": ("CreateAudienceModel", b'{"name":"' + "\u202e".encode() * (MIB // 4) + b'"}'),
    "long-description": ("CreateAudienceModel", b'{"description":"' + b"[crml" * (MIB // 6) + b'"}'),
    "unknown-members": ("CreateAudienceModel", b"{" + _many('"x%d":"' + "x" * 500 + '"') + b"}"),
    "tags": ("TagResource", b'{"tags":{' + _many('"aws:%d":1') + b"}}"),
    "parameters": (
        "StartAudienceGenerationJob",
        b'{"seedAudience":{"sqlParameters":{"parameters":{' + _many('"a-%d":1') + b"}}}}",
    ),
    "query": (
        "StartAudienceGenerationJob",
        b'{"seedAudience":{"sqlParameters":{"queryString":"' + b"\\u0041," * 140_000 + b'"}}}',
    ),
    "policy": ("PutConfiguredAudienceModelPolicy", b'{"configuredAudienceModelPolicy":"' + b"[" * 20_000 + b'"}'),
    "elements": ("CreateTrainingDataset", b'{"trainingData":[' + _many('{"x%d":1}', 990) + b"]}"),
}


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(("operation", "value"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_commands_are_cheap(operation: str, value: bytes, structured: bool) -> None:
    headers = _headers(operation)
    if structured:
        start = f'{{"specversion":"1.0","id":"c-1","source":"/s","type":"cleanroomsml.command.{operation}","data":'
        value, headers = start.encode() + value + b"}", (("content-type", b"application/cloudevents+json"),)
    taken = []
    for _ in range(3):
        begun = time.process_time()
        found = _read(value, headers)
        taken.append(time.process_time() - begun)
        assert isinstance(found, Rejected)
        assert len(repr(found)) < 64_000
    assert min(taken) < 0.05


BOUND: dict[str, Any] = {"tags": {"team": "films", "stage": "prod"}, "kmsKeyArn": samples.STRINGS["KmsKeyArn"][0]}


def _bound(operation: str, data: Any, params: Any, target: str = "") -> Any:
    more = {"target": target} if target else {}
    limits = dataclasses.replace(LIMITS, params={"prod": params})
    return commands.read(b"k", json.dumps(data).encode(), _headers(operation, **more), limits)


def test_what_is_bound_fills_what_a_creating_command_leaves_out() -> None:
    data = samples.payload("CreateAudienceModel", full=False) | {"tags": {"stage": "test", "own": ""}}
    found = _bound("CreateAudienceModel", data, BOUND)
    assert isinstance(found, Command)
    assert found.params == data | {
        "tags": {"team": "films", "stage": "test", "own": ""},
        "kmsKeyArn": BOUND["kmsKeyArn"],
    }
    assert found.digest == _bound("CreateAudienceModel", data, {}).digest


@pytest.mark.parametrize("operation", [name for name, row in OPERATIONS.items() if not row.creates])
def test_nothing_is_bound_to_what_makes_nothing(operation: str) -> None:
    data = samples.payload(operation, full=False)
    assert _bound(operation, data, BOUND | {"roleArn": samples.STRINGS["IamRoleArn"][0]}).params == data


def test_what_is_given_is_never_replaced_and_null_is_given() -> None:
    key = samples.STRINGS["KmsKeyArn"][1]
    data = samples.payload("CreateAudienceModel", full=False)
    assert _bound("CreateAudienceModel", data | {"kmsKeyArn": key}, BOUND).params["kmsKeyArn"] == key
    assert isinstance(_bound("CreateAudienceModel", data | {"tags": None}, BOUND), Rejected)


def test_what_is_bound_is_judged_like_what_is_given() -> None:
    found = _bound("CreateAudienceModel", samples.payload("CreateAudienceModel", full=False), {"tags": {"aws:x": "y"}})
    assert isinstance(found, Rejected)
    assert [(each.path, each.rule) for each in found.violations] == [("data.tags", "tags")]


def test_what_is_bound_is_that_of_the_target() -> None:
    data = samples.payload("CreateAudienceModel", full=False)
    assert _bound("CreateAudienceModel", data, BOUND, "dev").params == data
