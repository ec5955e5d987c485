"""Every record of the classes that the decoder judges, with its outcome; transport and AWS have tests of their own."""

import json
from typing import Any, Final

from tests.badinput.classes import Case, Expected, invalid, letter, rejected, works
from tests.badinput.records import (
    CANARY,
    CONFIGURED,
    DATASET,
    EXPORT,
    GENERATION,
    LIST,
    MODEL,
    POLICY,
    Record,
    changed,
    command,
    headers,
    raw,
    structured,
)
from tests.support import samples

_SECRET = CANARY.encode()
_NO_JSON = rejected("InvalidJson", ("data", "json"))
_TOO_LARGE = rejected("TooLarge", ("data", "json"))
_LONG = "x" * 1_048_577


def _json(text: str) -> Record:
    return raw(text.encode("utf-8", "surrogatepass"))


def _event(**members: Any) -> dict[str, Any]:
    return {"specversion": "1.0", "id": "{id}", "source": "/bad", "type": f"cleanroomsml.command.{LIST}", **members}


_TRANSPORT: Final = [
    (1, "null value", raw(None), _NO_JSON),
    (1, "null value without headers", Record(None, ()), letter("NotCloudEvent")),
    (2, "empty value", raw(b""), _NO_JSON),
    (2, "empty value and key without headers", Record(b"", (), b""), letter("NotCloudEvent")),
    (
        3,
        "a byte too much",
        raw(_SECRET + b"x" * (1_048_577 - len(_SECRET))),
        rejected("TooLarge", ("data", "TooLarge")),
    ),
    (3, "a byte too much, nameless", Record(_LONG.encode(), ()), letter("TooLarge")),
    (
        3,
        "a byte too much, structured",
        Record(_LONG.encode(), (("content-type", b"application/cloudevents+json"),)),
        letter("TooLarge"),
    ),
    (
        6,
        "20,000 headers",
        Record(b"{}", headers(LIST, *((f"h{n}", b"v") for n in range(20_000)))),
        letter("TooManyHeaders"),
    ),
    (7, "id twice", Record(b"{}", headers(LIST, ("ce_id", b"other"))), letter("DuplicateHeader")),
    (
        7,
        "extension twice",
        Record(b"{}", headers(LIST, ("ce_priority", b"1"), ("ce_priority", b"2"))),
        rejected("DuplicateHeader", ("envelope", "DuplicateHeader")),
    ),
    (7, "null id", Record(b"{}", headers(LIST, ("ce_id", None), id=None)), letter("MissingAttribute")),
    (7, "null extension", Record(b"{}", headers(LIST, ("ce_priority", None))), works()),
    (7, "id not UTF-8", Record(b"{}", headers(LIST, ("ce_id", b"\xff\xfe"), id=None)), letter("InvalidHeader")),
    (
        7,
        "extension not UTF-8",
        Record(b"{}", headers(LIST, ("ce_target", b"\xff"))),
        rejected("InvalidHeader", ("envelope", "InvalidHeader")),
    ),
    (
        7,
        "upper-case attribute",
        Record(b"{}", headers(LIST, ("CE_deadline", b"x"))),
        rejected("InvalidHeader", ("envelope", "InvalidHeader")),
    ),
    (7, "others' headers", Record(b"{}", headers(LIST, ("x", None), ("x", b"\xff"), ("x", b""), ("", b""))), works()),
    (8, "key of 500 kB", Record(b"{}", headers(), b"k" * 500_000), works()),
    (8, "key of 500 kB and no command", Record(_SECRET, (), b"k" * 500_000), letter("NotCloudEvent")),
    (9, "key that is not UTF-8", Record(b"{}", headers(), b"\xff\x00\xfe"), works()),
    (9, "no key", Record(b"{}", headers(), None), works()),
]

_JSON: Final = [
    (13, "invalid UTF-8", raw(b'{"nextToken":"\xff' + _SECRET + b'"}'), _NO_JSON),
    (13, "overlong UTF-8", raw(b'{"nextToken":"\xc0\xaf"}'), _NO_JSON),
    (14, "byte order mark", raw(b"\xef\xbb\xbf{}"), _NO_JSON),
    (15, "UTF-16 with a mark", raw("{}".encode("utf-16")), _NO_JSON),
    (15, "UTF-16 little-endian", raw("{}".encode("utf-16-le")), _NO_JSON),
    (15, "UTF-32 big-endian", raw("{}".encode("utf-32-be")), _NO_JSON),
    (16, "truncated", _json(f'{{"nextToken":"{CANARY}'), _NO_JSON),
    (17, "second document", _json("{}{}"), _NO_JSON),
    (17, "trailing NUL", _json("{}\0"), _NO_JSON),
    *((18, f"{text} for data", _json(text), invalid(("data", "type"))) for text in ("[]", '"x"', "1", "null", "true")),
    (19, "depth 100,000 arrays", raw(b"[" * 100_000), _TOO_LARGE),
    (19, "depth 100,000 objects", raw(b'{"a":' * 100_000 + b"1" + b"}" * 100_000), _TOO_LARGE),
    (20, "integer of 5,000 digits", _json(f'{{"maxResults":{"9" * 5_000}}}'), _TOO_LARGE),
    (
        20,
        "integer of 65 bits",
        _json('{"maxResults":36893488147419103232}'),
        rejected("ValidationFailed", ("data.maxResults", "type")),
    ),
    *((21, text, _json(f'{{"maxResults":{text}}}'), _NO_JSON) for text in ("NaN", "Infinity", "-Infinity")),
    (22, "1e999", _json('{"maxResults":1e999}'), _NO_JSON),
    (23, "duplicate members", _json('{"maxResults":1,"maxResults":2}'), _NO_JSON),
    (23, "duplicate by escape", _json('{"maxResults":1,"\\u006daxResults":2}'), _NO_JSON),
    (24, "lone surrogate", _json('{"nextToken":"\\ud800"}'), _NO_JSON),
    (24, "lone surrogate as a name", _json('{"\\udfff":1}'), _NO_JSON),
    (24, "encoded surrogate", raw(b'{"nextToken":"\xed\xa0\x80"}'), _NO_JSON),
    (25, "60,000 members", _json(json.dumps(dict.fromkeys(map(str, range(60_000))))), _TOO_LARGE),
    (26, "500,000 elements", raw(b"[" + b"0," * 500_000 + b"0]"), _TOO_LARGE),
    (
        27,
        "unknown member",
        command(LIST, {CANARY[:6]: CANARY}),
        invalid(("data.canary", "unknown"), tells=("maxResults",)),
    ),
    (28, "string for a number", command(LIST, {"maxResults": "5"}), invalid(("data.maxResults", "type"))),
    (29, "boolean for an integer", command(LIST, {"maxResults": True}), invalid(("data.maxResults", "type"))),
    (29, "float for an integer", command(LIST, {"maxResults": 5.0}), invalid(("data.maxResults", "type"))),
]

_MISSING = "MissingAttribute"
_BAD_TYPE = rejected("UnknownOperation", ("type", "enum"), tells=("expected cleanroomsml.command.<operation>",))
_TRACE = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"

_ENVELOPE: Final = [
    (30, "no id", command(LIST, {}, id=None), letter(_MISSING)),
    (30, "no source", command(LIST, {}, source=None), letter(_MISSING)),
    (30, "no type", command(LIST, {}, type=None), rejected(_MISSING, ("envelope", _MISSING))),
    (30, "no attribute at all", Record(_SECRET, ()), letter("NotCloudEvent")),
    (30, "empty id", command(LIST, {}, id=""), letter("InvalidAttribute")),
    (30, "long id", command(LIST, {}, id="i" * 256), letter("InvalidAttribute")),
    (30, "id with a line break", command(LIST, {}, id="a\r\nb"), letter("InvalidAttribute")),
    (30, "structured without id", structured({**_event(), "id": None}), letter(_MISSING)),
    (30, "structured with a number for id", structured({**_event(), "id": 1.5}), letter("InvalidAttribute")),
    (
        31,
        "specversion 0.3",
        command(LIST, {}, specversion="0.3"),
        rejected("UnsupportedSpecVersion", ("envelope", "UnsupportedSpecVersion"), tells=("1.0",)),
    ),
    (31, "no specversion", command(LIST, {}, specversion=None), rejected(_MISSING, ("envelope", _MISSING))),
    (32, "unknown operation", command("DropAllTables", {}), _BAD_TYPE),
    (32, "version in the type", command(f"{LIST}.v2", {}), _BAD_TYPE),
    (32, "operation in lower case", command(LIST.lower(), {}), _BAD_TYPE),
    (32, "another service's type", command("", {}, type="com.example.order"), _BAD_TYPE),
    (
        32,
        "XML",
        Record(b"<a/>", (*headers()[:-2], ("content-type", b"text/xml"))),
        rejected("UnsupportedContentType", ("envelope", "UnsupportedContentType"), tells=("application/json",)),
    ),
    (33, "batch", structured([_event()], "application/cloudevents-batch+json"), letter("BatchUnsupported")),
    (33, "array for an event", structured([_event()]), letter("InvalidEnvelope")),
    (33, "Avro event", structured({}, "application/cloudevents+avro"), letter("UnsupportedFormat")),
    (
        37,
        "foreign topic",
        command(LIST, {}, replyto="victims.topic"),
        rejected("ReplyTopicNotAllowed", ("replyto", "enum"), tells=(".replies",)),
    ),
    (
        37,
        "our own changelog",
        command(LIST, {}, replyto="t.jobs"),
        rejected("ReplyTopicNotAllowed", ("replyto", "enum")),
    ),
    *(
        (
            38,
            f"traceparent {what}",
            command(LIST, {}, traceparent=text),
            works(),
        )
        for what, text in (
            ("in words", "garbage"),
            ("of zeros", "00-" + "0" * 32 + "-" + "b" * 16 + "-01"),
            ("in upper case", _TRACE.upper()),
            ("of version ff", "ff" + _TRACE[2:]),
        )
    ),
    (
        38,
        "tracestate",
        command(LIST, {}, traceparent=_TRACE, tracestate="=,=" * 200),
        works(),
    ),
    (
        58,
        "unknown target",
        command(LIST, {}, target="somebody-elses"),
        rejected("UnknownTarget", ("target", "enum"), tells=("default",)),
    ),
    (
        58,
        "role and credentials as extensions",
        command(LIST, {}, target="arn:aws:iam::999999999999:role/admin"),
        rejected("UnknownTarget", ("target", "enum")),
    ),
]


def _arn(text: str, *rules: str) -> tuple[Record, Expected]:
    return changed(MODEL, trainingDatasetArn=text), invalid(*(("data.trainingDatasetArn", rule) for rule in rules))


_PREFIX = f"arn:aws:cleanrooms-ml:eu-west-1:{samples.ACCOUNT}:training-dataset/"
_NAME = "data.name"
_URI = "data.outputConfig.destination.s3Destination.s3Uri"
_ROLE = "data.roleArn"
_DATA_SOURCE = "data.seedAudience"


def _s3(text: str, *rules: str) -> tuple[Record, Expected]:
    config = {"destination": {"s3Destination": {"s3Uri": text}}, "roleArn": f"arn:aws:iam::{samples.ACCOUNT}:role/r"}
    return changed(CONFIGURED, outputConfig=config), invalid(*((_URI, rule) for rule in rules))


def _policy(statement: Any) -> Record:
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    return changed(POLICY, configuredAudienceModelPolicy=policy)


def _open(**more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": "*", "Action": "cleanrooms-ml:*", "Resource": "*", **more}


_POLICY = "data.configuredAudienceModelPolicy"
_OPEN = rejected("NotAllowed", (_POLICY, "tenant.wildcard_principals"), tells=("wildcard_principals",))
_START = "data.trainingDataStartTime"
_SQL = {"queryString": "SELECT 1"}
_SEED = {"roleArn": f"arn:aws:iam::{samples.ACCOUNT}:role/r"}
_S3 = {"s3Uri": "s3://bucket/seed.jsonl"}

_ITSELF: Final = invalid(("data.trainingDatasetArn", "reference"), tells=("earlier",))
_S3_OUTPUT: Final = {"s3Destination": {"s3Uri": "s3://bucket/a"}}
_REFERRED_ROLE: Final = {"destination": _S3_OUTPUT, "roleArn": "command:a-role-of-ours"}
_NO_ROLE: Final = invalid(("data.outputConfig.roleArn", "pattern"))
_DOMAIN: Final = [
    (39, "blank name", changed(MODEL, name="  "), invalid((_NAME, "pattern"), (_NAME, "name"))),
    (39, "empty name", changed(MODEL, name=""), invalid((_NAME, "min"), (_NAME, "name"))),
    (40, "name of 64 characters", changed(MODEL, name="n" * 64), invalid((_NAME, "max"), tells=("63",))),
    (41, "NUL in a name", changed(MODEL, name="a\0b"), invalid((_NAME, "pattern"), (_NAME, "name"))),
    (41, "CRLF in a name", changed(MODEL, name="a\r\nb"), invalid((_NAME, "pattern"), (_NAME, "name"))),
    (41, "direction in a name", changed(MODEL, name="a\u202eb"), invalid((_NAME, "name"))),
    (42, "aws: tag", changed(MODEL, tags={"aws:x": CANARY}), invalid(("data.tags", "tags"))),
    (42, "AWS: tag", changed(MODEL, tags={"AwS:x": "v"}), invalid(("data.tags", "tags"))),
    (
        43,
        "51 tags",
        changed(MODEL, tags={f"k{n}": "v" for n in range(51)}),
        invalid(("data.tags", "tags"), tells=("50",)),
    ),
    (44, "ARN of another kind", *_arn(samples.arn("audience-model"), "pattern")),
    (44, "ARN of another service", *_arn(f"arn:aws:s3:eu-west-1:{samples.ACCOUNT}:training-dataset/x", "pattern")),
    (44, "ARN of no account", *_arn("arn:aws:cleanrooms-ml:eu-west-1::training-dataset/x", "pattern")),
    (
        44,
        "ARN of another partition",
        *_arn(_PREFIX.replace("arn:aws:", "arn:klingon:") + "x", "pattern", "target.partition"),
    ),
    (
        44,
        "ARN of another region",
        changed(MODEL, trainingDatasetArn=_PREFIX.replace("eu-west-1", "us-east-1") + "x"),
        rejected("NotAllowed", ("data.trainingDatasetArn", "target.region"), tells=("eu-west-1",)),
    ),
    (44, "ARN in words", *_arn("the one of yesterday", "pattern", "arn")),
    (45, "path upwards", *_arn(_PREFIX + "x/../../y", "arn")),
    (45, "query", *_arn(_PREFIX + "x?y", "pattern", "arn")),
    (45, "fragment", *_arn(_PREFIX + "x#y", "pattern", "arn")),
    (45, "percent", *_arn(_PREFIX + "%2e%2e", "pattern", "arn")),
    (45, "CRLF", *_arn(_PREFIX + "x\r\nHost: y", "pattern", "arn")),
    (46, "http", *_s3("http://bucket/x", "pattern", "tenant.s3_prefixes")),
    (46, "metadata service", *_s3("http://169.254.169.254/latest/meta-data", "pattern", "tenant.s3_prefixes")),
    (46, "path upwards", *_s3("s3://bucket/../other/x", "s3-uri")),
    (46, "bucket in upper case", *_s3("s3://Bucket_1/x", "s3-uri")),
    (46, "1,286 characters", *_s3("s3://bucket/" + "k" * 1_274, "max")),
    (
        47,
        "user for a role",
        changed(DATASET, roleArn=f"arn:aws:iam::{samples.ACCOUNT}:user/u"),
        invalid((_ROLE, "pattern")),
    ),
    (
        47,
        "assumed role",
        changed(DATASET, roleArn=f"arn:aws:sts::{samples.ACCOUNT}:assumed-role/r/s"),
        invalid((_ROLE, "pattern")),
    ),
    (
        48,
        "alias",
        changed(MODEL, kmsKeyArn=f"arn:aws:kms:eu-west-1:{samples.ACCOUNT}:alias/a"),
        invalid(("data.kmsKeyArn", "pattern")),
    ),
    (
        49,
        "window inverted",
        changed(MODEL, trainingDataStartTime="2025-02-01T00:00:00Z", trainingDataEndTime="2025-01-01T00:00:00Z"),
        invalid(("data", "window")),
    ),
    (
        49,
        "window of nothing",
        changed(MODEL, trainingDataStartTime="2025-02-01T00:00:00Z", trainingDataEndTime="2025-02-01T01:00:00+01:00"),
        invalid(("data", "window")),
    ),
    (49, "day for a time", changed(MODEL, trainingDataStartTime="2025-02-01"), invalid((_START, "timestamp"))),
    (
        50,
        "size 0",
        changed(EXPORT, audienceSize={"type": "PERCENTAGE", "value": 0}),
        invalid(("data.audienceSize.value", "min")),
    ),
    (
        50,
        "101 percent",
        changed(EXPORT, audienceSize={"type": "PERCENTAGE", "value": 101}),
        invalid(("data.audienceSize", "percentage")),
    ),
    (
        50,
        "20,000,001",
        changed(EXPORT, audienceSize={"type": "ABSOLUTE", "value": 20_000_001}),
        invalid(("data.audienceSize.value", "max")),
    ),
    (
        50,
        "unknown type",
        changed(EXPORT, audienceSize={"type": "DOZENS", "value": 1}),
        invalid(("data.audienceSize.type", "enum"), tells=("PERCENTAGE",)),
    ),
    (
        51,
        "seed in S3 and SQL",
        changed(GENERATION, seedAudience={**_SEED, "dataSource": _S3, "sqlParameters": _SQL}),
        invalid((_DATA_SOURCE, "one-of"), ("data", "required")),
    ),
    (51, "no seed", changed(GENERATION, seedAudience=_SEED), invalid((_DATA_SOURCE, "one-of"))),
    (
        52,
        "policy of 21 KiB",
        changed(POLICY, configuredAudienceModelPolicy="{" + " " * 20_480 + "}"),
        invalid((_POLICY, "max")),
    ),
    (
        52,
        "policy that is no JSON",
        changed(POLICY, configuredAudienceModelPolicy="Allow " + CANARY),
        invalid((_POLICY, "policy")),
    ),
    (52, "open to all", _policy([_open()]), _OPEN),
    (52, "open to all accounts", _policy(_open(Principal={"AWS": ["*"]})), _OPEN),
    (52, "open to all but", _policy(_open(Principal=None, NotPrincipal={"AWS": "1"})), _OPEN),
    *(
        (59, f"reference {what}", changed(MODEL, trainingDatasetArn=text), invalid(("data.trainingDatasetArn", rule)))
        for what, text, rule in (
            ("without an id", "command:", "min"),
            ("in capitals", "Command:a-command-of-ours", "pattern"),
            ("of 256 characters", f"command:{'x' * 256}", "pattern"),
        )
    ),
    (59, "reference for a name", changed(MODEL, trainingDatasetArn="command:{id}"), _ITSELF),
    (59, "a role by reference", changed(CONFIGURED, outputConfig=_REFERRED_ROLE), _NO_ROLE),
    *(
        (59, f"after {what}", command(LIST, {}, after=text), rejected("InvalidExtension", ("after", rule)))
        for what, text, rule in (
            ("no JSON", CANARY, "syntax"),
            ("an object", "{}", "syntax"),
            ("a number", "[1]", "syntax"),
            ("an empty id", '[""]', "syntax"),
            ("an id of 256 characters", json.dumps(["x" * 256]), "syntax"),
            ("101 commands", json.dumps([str(number) for number in range(101)]), "max"),
        )
    ),
    (59, "after itself", command(LIST, {}, after='["{id}"]'), invalid(("after", "reference"), tells=("earlier",))),
    (
        27,
        "all wrong at once",
        command(MODEL, {"name": "", "trainingDatasetArn": 7, "tags": {"aws:x": "v"}, "secret": CANARY}, priority="99"),
        invalid(
            ("priority", "syntax"),
            (_NAME, "min"),
            (_NAME, "name"),
            ("data.trainingDatasetArn", "type"),
            ("data.tags", "tags"),
            ("data.secret", "unknown"),
        ),
    ),
]

CASES: Final = tuple(Case(*row) for row in (*_TRANSPORT, *_JSON, *_ENVELOPE, *_DOMAIN))
