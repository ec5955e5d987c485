"""Parameters of a request, checked."""

import pytest

from service.adapters.http.fleet_questions import LONGEST, InvalidQuestion, query
from service.core.command_state import ENDED, OPEN, CommandState
from service.runtime.catalogue import MOST, Cursor, Query


def test_without_parameters_the_open_commands_are_asked_for() -> None:
    assert query({}) == Query() == query(dict.fromkeys(("state", "q", "operation", "cursor", "limit"), ""))


def test_all_parameters() -> None:
    cursor = Cursor(False, 1.5, "commands", 3, "key")
    given = {
        "state": "failed",
        "q": " spring ",
        "operation": "CreateAudienceModel",
        "target": "sales",
        "tenant": "default",
        "order": "newest",
        "limit": "200",
        "cursor": cursor.encode(),
    }
    assert query(given) == Query(
        states=frozenset({CommandState.FAILED}),
        text="spring",
        operation="CreateAudienceModel",
        target="sales",
        tenant="",
        newest=True,
        limit=200,
        cursor=cursor,
    )
    assert query({"tenant": "red"}).tenant == "red"
    assert query({"state": "all"}).states == frozenset(OPEN) | frozenset(ENDED)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"State": "open"}, "unknown parameter 'State'; known are state, q"),
        ({"state": "running"}, "state is 'running'; it can be open, ended, all, accepted"),
        ({"order": "age"}, "order is 'age'; it can be oldest, newest"),
        ({"operation": "Createaudiencemodel"}, "operation is 'Createaudiencemodel'; it can be CreateTrainingDataset"),
        ({"q": "x" * (LONGEST + 1)}, f"q has {LONGEST + 1} characters"),
        ({"cursor": "x"}, "the cursor is not one"),
        *(
            ({"limit": text}, f"limit is .*; it can be 1 to {MOST}")
            for text in ("0", "201", "-1", "1e2", "²", "9" * 99)
        ),
    ],
)
def test_what_is_not_understood_is_named(given: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidQuestion, match=message):
        query(given)
