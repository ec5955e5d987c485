"""Payloads of the service's own commands: each violation by its path and rule, and never the value that was sent."""

from typing import Any

import pytest

from schemas import service_commands
from schemas.operations import AUDIENCE_MODEL, EXPORT_JOB, RESOURCES, SERVICE_COMMANDS
from schemas.service_commands import MODELS, TRACKABLE, statuses
from tests.support import samples

ARN = samples.arn("audience-model")
IDS = {"commandId": "c", "commandSource": "/s"}


def found(command: str, data: Any) -> list[tuple[str, str, str]]:
    return [(each.path, each.rule, each.message) for each in service_commands.violations(command, data)]


@pytest.mark.parametrize(
    ("command", "data"),
    [
        ("TrackResource", {"resourceArn": ARN}),
        ("TrackResource", {"resourceArn": ARN, "untilStatus": "deleted"}),
        ("CancelCommand", IDS),
        ("CancelCommand", IDS | {"deleteResource": True}),
        ("ResolveCommand", IDS | {"resolution": "retry"}),
        ("ResolveCommand", IDS | {"resolution": "adopt", "resourceArn": ARN}),
    ],
)
def test_what_is_right_has_no_violations(command: str, data: dict[str, Any]) -> None:
    assert found(command, data) == []


@pytest.mark.parametrize(
    ("command", "data", "path", "rule", "message"),
    [
        ("CancelCommand", {"commandId": "c"}, "data.commandSource", "missing", "is required"),
        ("CancelCommand", IDS | {"canary": 1}, "data.canary", "extra_forbidden", "is not a member of this command"),
        ("CancelCommand", IDS | {"commandId": 7}, "data.commandId", "string_type", "must be a string"),
        ("CancelCommand", IDS | {"commandId": ""}, "data.commandId", "string_too_short", "is too short"),
        ("CancelCommand", IDS | {"commandId": "x" * 256}, "data.commandId", "string_too_long", "is too long"),
        ("CancelCommand", IDS | {"deleteResource": 1}, "data.deleteResource", "bool_type", "must be true or false"),
        ("CancelCommand", [], "data", "model_type", "must be a JSON object"),
        ("ResolveCommand", IDS | {"resolution": "x"}, "data.resolution", "enum", "must be one of: adopt, retry, fail"),
        (
            "ResolveCommand",
            IDS | {"resolution": "fail", "resourceArn": ARN},
            "data.resourceArn",
            "excluded",
            "is for the resolution adopt only",
        ),
        (
            "TrackResource",
            {"resourceArn": ARN, "untilStatus": "a status"},
            "data.untilStatus",
            "string_pattern_mismatch",
            "must be a status, such as ACTIVE, or deleted",
        ),
        (
            "TrackResource",
            {"resourceArn": "arn:aws:s3:::a-bucket-of-somebody"},
            "data.resourceArn",
            "string_pattern_mismatch",
            "must be command:<id>, or an ARN of one of: " + ", ".join(TRACKABLE),
        ),
        (
            "TrackResource",
            {"resourceArn": ARN, "untilStatus": "BANANA"},
            "data.untilStatus",
            "enum",
            "must be one of: " + ", ".join(statuses(AUDIENCE_MODEL)),
        ),
    ],
)
def test_a_violation_is_named_by_path_rule_and_words(
    command: str, data: Any, path: str, rule: str, message: str
) -> None:
    assert found(command, data) == [(path, rule, message)]


def test_all_violations_are_found_at_once() -> None:
    assert {path for path, *_ in found("ResolveCommand", {"more": 1})} == {
        "data.commandId",
        "data.commandSource",
        "data.resolution",
        "data.more",
    }


def test_what_was_sent_is_never_repeated() -> None:
    for command in MODELS:
        for data in ({"canary-name": "canary"}, dict.fromkeys(MODELS[command].model_fields, "canary"), "canary"):
            assert "canary" not in "".join(message for _, _, message in found(command, data))


def test_each_of_the_services_commands_has_a_model() -> None:
    assert set(MODELS) == set(SERVICE_COMMANDS)


def test_a_resource_is_tracked_until_any_status_that_it_may_have() -> None:
    assert statuses(AUDIENCE_MODEL)[0] == "CREATE_PENDING"
    for row in RESOURCES.values():
        assert statuses(row)[-1] == "deleted"
        assert len(set(statuses(row))) == len(statuses(row))


def test_what_has_no_arn_cannot_be_tracked() -> None:
    assert EXPORT_JOB.arn_type not in TRACKABLE
    assert found("TrackResource", {"resourceArn": samples.arn("audience-export-job")}) != []
