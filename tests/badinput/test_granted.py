"""Classes that a tenant's grant decides: default-deny, each refusal with what is allowed and where that is set."""

import pytest

from schemas import commands
from schemas.commands import Rejected, TopicRules
from schemas.permissions import Grant
from schemas.records import Command
from tests.badinput.records import (
    ACCOUNT,
    CANARY,
    CONFIGURED,
    DATASET,
    FACTS,
    LIST,
    MODEL,
    Record,
    Said,
    changed,
    command,
    identified,
)

ROLE = f"arn:aws:iam::{ACCOUNT}:role/clean-rooms-"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/ours"
GRANT = Grant(
    tenant="films",
    targets=frozenset({"default"}),
    operations=("Create*", "GetTrainingDataset"),
    role_arns=(f"{ROLE}*",),
    s3_prefixes=("s3://films-out/audiences",),
    kms_keys=(KEY,),
    reply_topics=frozenset({"films.replies"}),
)
LIMITS = TopicRules(GRANT, "default", {"default": FACTS}, "films")


def _output(uri: str, role: str = f"{ROLE}r") -> Record:
    return changed(CONFIGURED, outputConfig={"destination": {"s3Destination": {"s3Uri": uri}}, "roleArn": role})


_URI = "data.outputConfig.destination.s3Destination.s3Uri"
_OUTPUT_ROLE = "data.outputConfig.roleArn"
_PLACE, _ROLES, _KEYS = (f"tenant.{name}" for name in ("s3_prefixes", "role_arns", "kms_keys"))

DENIED: list[tuple[str, Record, set[Said]]] = [
    ("46 foreign bucket", _output("s3://somebody-elses/audiences/x"), {(_URI, _PLACE)}),
    ("46 our bucket, another folder", _output("s3://films-out/audiences-of-others/x"), {(_URI, _PLACE)}),
    ("46 bucket that begins like ours", _output("s3://films-out-2/audiences/x"), {(_URI, _PLACE)}),
    ("47 role not listed", changed(DATASET, roleArn=f"arn:aws:iam::{ACCOUNT}:role/admin"), {("data.roleArn", _ROLES)}),
    (
        "47 role of another account",
        changed(DATASET, roleArn="arn:aws:iam::999999999999:role/clean-rooms-r"),
        {("data.roleArn", _ROLES)},
    ),
    (
        "46 and 47 at once",
        _output("s3://somebody-elses/x", "arn:aws:iam::999999999999:role/r"),
        {(_URI, _PLACE), (_OUTPUT_ROLE, _ROLES)},
    ),
    (
        "48 foreign key",
        changed(MODEL, kmsKeyArn="arn:aws:kms:eu-west-1:999999999999:key/theirs"),
        {("data.kmsKeyArn", _KEYS)},
    ),
    ("56 operation not granted", command(LIST, {}), {("type", "tenant.operations")}),
    (
        "56 target not granted",
        Record(changed("GetTrainingDataset").value, command("GetTrainingDataset", {}, target="other").headers),
        {("target", "tenant.targets")},
    ),
    (
        "56 reply topic of another tenant",
        Record(
            changed("GetTrainingDataset").value,
            command("GetTrainingDataset", {}, replyto="others.replies").headers,
        ),
        {("replyto", "tenant.reply_topics")},
    ),
]


@pytest.mark.parametrize(("what", "record", "said"), DENIED, ids=[what.replace(" ", "-") for what, _, _ in DENIED])
def test_what_is_not_granted_is_denied(what: str, record: Record, said: set[Said]) -> None:
    record = identified(record, "c-1")
    found = commands.read(record.key, record.value, record.headers, LIMITS)
    assert isinstance(found, Rejected), found
    assert found.code == "NotAllowed"
    assert {(each.path, each.rule) for each in found.violations} == said
    assert all("tenants.films." in each.message for each in found.violations), "where it is configured"
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "record",
    [
        _output("s3://films-out/audiences/x"),
        changed(DATASET, roleArn=f"{ROLE}trainer"),
        changed(MODEL, kmsKeyArn=KEY),
        changed("GetTrainingDataset"),
    ],
    ids=["place", "role", "key", "operation"],
)
def test_what_is_granted_is_let_pass(record: Record) -> None:
    record = identified(record, "c-1")
    found = commands.read(record.key, record.value, record.headers, LIMITS)
    assert isinstance(found, Command), found
