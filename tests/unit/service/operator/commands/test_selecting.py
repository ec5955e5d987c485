"""Which commands are listed, and in which order."""

from typing import Any

import pytest

from schemas.events import ReplyKind
from service.operator.commands.history import Histories
from service.operator.commands.selecting import ORDERS, CommandFilter, ordered, word_of
from tests.support.published_records import MODEL, NOW, error, event, reply, sent, trained


@pytest.fixture
def known() -> Histories:
    found = Histories()
    found.add_all(trained(sent("done"), NOW - 1000))
    found.add_all(trained(sent("trains", target="sales"), NOW - 500)[:4])
    found.add_all(trained(sent("waits", source="/b"), NOW - 900)[:2])
    found.add_all([reply(sent("new", "GetAudienceModel", correlation_id=""), ReplyKind.ACCEPTED, NOW)])
    found.add_all([reply(sent("stuck"), ReplyKind.PARKED, NOW - 700, error("NeverListed", "Not seen"), 2)])
    found.add_all([event(sent("of-before"), "ACTIVE", NOW - 2000)])
    return found


def ids(known: Histories, sort: str = "age", **wanted: Any) -> list[str]:
    return [each.id for each in ordered(filter(CommandFilter(**wanted).has, known.commands.values()), sort)]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, ["of-before", "waits", "stuck", "trains", "new"]),
        ({"states": frozenset({"open"})}, ["of-before", "waits", "trains", "new"]),
        ({"states": frozenset({"ended"})}, ["done", "stuck"]),
        ({"states": frozenset({"waiting", "parked"})}, ["waits", "stuck"]),
        ({"operations": ("Get*",)}, ["new"]),
        ({"target": "sales"}, ["trains"]),
        ({"source": "/b"}, ["waits"]),
        ({"correlation": "campaign-7"}, ["of-before", "waits", "stuck", "trains"]),
        ({"text": "concurrency"}, ["waits"]),
        ({"text": MODEL.upper()}, ["of-before", "trains"]),
        ({"text": "not SEEN"}, ["stuck"]),
        ({"before": NOW - 600}, ["waits"]),
        ({"ended_since": NOW - 950}, ["of-before", "done", "waits", "stuck", "trains", "new"]),
        ({"ended_since": NOW - 600}, ["of-before", "waits", "trains", "new"]),
    ],
)
def test_filters(known: Histories, wanted: dict[str, Any], expected: list[str]) -> None:
    assert ids(known, **wanted) == expected


def test_orders(known: Histories) -> None:
    every = frozenset({"open", "ended"})
    assert {sort: ids(known, sort, states=every)[0] for sort in ORDERS} == {
        "age": "of-before",
        "updated": "new",
        "id": "done",
        "operation": "done",
        "state": "new",
    }


def test_a_state_is_a_word_of_the_replies(known: Histories) -> None:
    assert {word_of(each) for each in known.commands.values()} == {
        "succeeded",
        "started",
        "waiting",
        "accepted",
        "parked",
        "unknown",
    }
