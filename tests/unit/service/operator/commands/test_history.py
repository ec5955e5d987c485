"""What replies and events say, put together: states in the words of the replies, repeats and strangers apart."""

from dataclasses import replace

import pytest

from schemas.events import ReplyKind
from schemas.testing import command as published_command
from service.operator.commands.history import Histories, read_notice
from tests.support.published_records import MODEL, NOW, error, event, notice, reply, sent, trained

COMMAND = sent()


def told(*records: object, keep: bool = False) -> Histories:
    found = Histories(keep=keep)
    found.add_all(records)  # type: ignore[arg-type]
    return found


def test_a_whole_life() -> None:
    (one,) = told(*trained(COMMAND), keep=True).called("weekly-1")
    assert (one.operation, one.target, one.correlation) == ("CreateAudienceModel", "default", "campaign-7")
    assert (one.state, one.open, one.status, one.resources) == (ReplyKind.SUCCEEDED, False, "ACTIVE", [MODEL])
    assert (one.accepted, one.since, one.updated, one.attempts) == (NOW, NOW + 100, NOW + 101, 1)
    assert [each.word for each in one.timeline] == [
        "accepted",
        "waiting",
        "started",
        "CREATE_IN_PROGRESS",
        "succeeded",
        "ACTIVE",
    ]
    assert [each.sequence for each in one.timeline] == [0, 0, 0, 1, 0, 2]


def test_waiting_counts_from_when_it_was_accepted() -> None:
    (one,) = told(*trained(COMMAND)[:2]).called("weekly-1")
    assert (one.state, one.reason, one.position, one.since) == (ReplyKind.WAITING, "ConcurrencyLimit", 2, NOW)
    assert one.timeline == []


def test_replies_may_be_gone_while_events_are_kept() -> None:
    (one,) = told(event(COMMAND, "ACTIVE")).called("weekly-1")
    assert (one.state, one.open, one.status, one.accepted) == (None, True, "ACTIVE", 0.0)


def test_a_decision_lets_a_parked_command_go_on() -> None:
    parked = reply(COMMAND, ReplyKind.PARKED, NOW + 50, {**error("AmbiguousOutcome", "two"), "searched": "2"}, 2)
    first = trained(COMMAND)
    (one,) = told(first[0], parked).called("weekly-1")
    assert (one.state, one.since, one.searched, one.error["code"]) == (
        ReplyKind.PARKED,
        NOW + 50,
        "2",
        "AmbiguousOutcome",
    )
    (one,) = told(first[0], parked, reply(COMMAND, ReplyKind.STARTED, NOW + 70, number=3)).called("weekly-1")
    assert (one.state, one.since, one.open, one.error) == (ReplyKind.STARTED, NOW, True, {})


def test_repeats_are_counted_and_change_nothing() -> None:
    life = trained(COMMAND)
    (one,) = told(*life, life[0], life[4]).called("weekly-1")
    assert (one.state, one.repeats, one.since) == (ReplyKind.SUCCEEDED, 2, NOW + 100)


@pytest.mark.parametrize("code", ["IdMisuse", "WrongPartition"])
def test_the_rejection_of_another_record_is_no_end(code: str) -> None:
    other = reply(COMMAND, ReplyKind.REJECTED, NOW + 5, error(code, "used"), 77)
    (one,) = told(*trained(COMMAND)[:2], other).called("weekly-1")
    assert one.state is ReplyKind.WAITING
    assert [each.error["code"] for each in one.strangers] == [code]


def test_two_resources_under_one_id_are_both_known() -> None:
    again = reply(COMMAND, ReplyKind.STARTED, NOW + 9, {"resourceArn": f"{MODEL}x"}, 9)
    (one,) = told(*trained(COMMAND), again).called("weekly-1")
    assert one.resources == [MODEL, f"{MODEL}x"]


def test_tenants_and_sources_are_apart() -> None:
    found = told(
        reply(COMMAND, ReplyKind.ACCEPTED),
        reply(sent(tenant="acme"), ReplyKind.ACCEPTED),
        reply(sent(source="/b"), ReplyKind.ACCEPTED),
    )
    assert len(found.called("weekly-1")) == 3
    assert [each.tenant for each in found.called("weekly-1", "/teams/op")] == ["", "acme"]


def test_what_is_neither_is_passed_over() -> None:
    good = reply(COMMAND, ReplyKind.ACCEPTED)
    typed = dict(good.headers)
    later = tuple({**typed, "ce_type": b"cleanroomsml.reply.paused"}.items())
    foreign = tuple({**typed, "ce_type": b"other.thing"}.items())
    odd = published_command("ListAudienceModels", {}, command_id="x", source="/s")
    for bad in (
        replace(good, headers=later),
        replace(good, headers=foreign),
        replace(good, headers=()),
        replace(good, value=b"{"),
        replace(good, value=b"[]"),
        replace(good, value=odd.value, headers=odd.headers),
    ):
        assert read_notice(bad) is None
    assert notice(good).key == ("", "/teams/op", "weekly-1")
