"""Changelogs folded, and commands checked before they are sent."""

from dataclasses import replace

import pytest

from schemas.operations import OPERATIONS, Kind
from schemas.permissions import Grant
from service.adapters.kafka.topic_reader import TopicRecord
from service.operator.repair.command_sender import build_command, operator_source, reply_of, validation_error
from service.runtime.ports import TopicPartition
from tests.support.repair_records import LIMITS, NOW, sent, told

CREATE = OPERATIONS["CreateAudienceModel"]
CHANGELOG = TopicPartition("jobs", 1)


def test_a_command_of_ours_is_taken_by_the_service_and_names_who_sent_it() -> None:
    data = {"commandId": "c", "commandSource": "/shop", "resolution": "retry"}
    outgoing = build_command(Kind.RESOLVE, "commands", 1, data, target="default", key="c")
    assert validation_error(outgoing, LIMITS) == ""
    assert outgoing.source == operator_source()
    assert outgoing.source.startswith("/operator/")
    assert (outgoing.partition, outgoing.key) == (1, b"c")
    assert build_command(Kind.RESOLVE, "commands", 1, data, target="", key="c").command_id != outgoing.command_id


def test_what_the_service_would_reject_is_told_before_it_is_sent() -> None:
    data = {"commandId": "c", "commandSource": "/shop", "resolution": "retry"}
    outgoing = build_command(Kind.RESOLVE, "commands", 1, data, target="default", key="c")
    tenant = replace(LIMITS, grant=Grant(tenant="shop", targets=frozenset({"default"}), operations=("Get*",)))
    assert "tenants.shop.operations" in validation_error(outgoing, tenant)
    assert validation_error(build_command(Kind.RESOLVE, "commands", 1, {}, target="", key="c"), LIMITS).startswith(
        "ValidationFailed"
    )


@pytest.mark.parametrize("operator_name", ["", "ops"])
def test_an_operator_without_a_name_is_unknown(operator_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def user() -> str:
        if not operator_name:
            raise KeyError("getpwuid(): uid not found: 10001")
        return operator_name

    monkeypatch.setattr("getpass.getuser", user)
    assert operator_source() == f"/operator/{operator_name or 'unknown'}"


def test_replies_are_told_from_everything_else() -> None:
    command = sent(1, CREATE.name, "c")
    found = reply_of(told(command, 1, "accepted"))
    assert found is not None
    assert (found[0].value, found[1]["commandId"]) == ("accepted", "c")
    assert reply_of(command) is None
    assert reply_of(TopicRecord(TopicPartition("replies", 0), 0, NOW, b"k", b"\xff", ())) is None
