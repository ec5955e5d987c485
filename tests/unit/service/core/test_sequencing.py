"""Sequences without gaps, each distinct change once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import RESOURCES, Change
from schemas.records import Command, ResourceChange, ResourceState, resource_key
from service.core.job import replace
from service.core.sequencing import is_final, named_after, next_state

statuses = st.sampled_from(("CREATE_PENDING", "ACTIVE", "DELETE_PENDING", Change.UPDATED, Change.DELETED))
observations = st.lists(st.tuples(statuses, st.sampled_from(("", "spring")), st.floats(0.0, 1e9)), max_size=30)


CAUSE = Command("1", "test", "", "default", {}, "")


def change(kind: str, resource_id: str, status: str, now: float, name: str = "") -> ResourceChange:
    return ResourceChange(kind, resource_id, status, CAUSE, now, name)


def published(seen: list[tuple[str, str, float]]) -> list[ResourceState]:
    state, states = None, []
    for status, name, now in seen:
        told = next_state(state, change("audience-model", "arn:1", status, now, name))
        if told is not None:
            states.append(told)
            state = told
    return states


@given(observations)
def test_the_sequence_counts_from_one_without_gaps(seen: list[tuple[str, str, float]]) -> None:
    states = published(seen)
    assert [state.sequence for state in states] == list(range(1, len(states) + 1))
    assert {(state.kind, state.id) for state in states} <= {("audience-model", "arn:1")}


@given(observations)
def test_each_change_is_told_once_and_no_change_is_left_out(seen: list[tuple[str, str, float]]) -> None:
    order = {"CREATE_PENDING": 0, "ACTIVE": 1, "DELETE_PENDING": 2}
    expected: list[str] = []
    for status, _, _ in seen:
        last = expected[-1] if expected else ""
        late = order.get(status, 9) < order.get(last, -1)
        if last != Change.DELETED and not late and (status == Change.UPDATED or last != status):
            expected.append(status)
    assert [state.status for state in published(seen)] == expected


@given(observations)
def test_time_and_name_never_get_lost(seen: list[tuple[str, str, float]]) -> None:
    states = published(seen)
    times = [state.observed_at for state in states]
    names = [state.name for state in states]
    assert times == sorted(times)
    assert names == sorted(names)  # "" until the name is known


def test_the_first_observation_is_event_one() -> None:
    assert next_state(None, change("tags", "arn:2", Change.UPDATED, 5.0)) == ResourceState(
        "arn:2", "tags", 1, Change.UPDATED, "", 5.0
    )


def test_nothing_follows_a_deletion() -> None:
    gone = ResourceState("arn:1", "audience-model", 4, Change.DELETED, "spring", 9.0)
    assert next_state(gone, change("audience-model", "arn:1", "ACTIVE", 10.0)) is None


def test_a_status_that_was_left_behind_is_no_news() -> None:
    """Two commands watch one resource, and one of them is late."""
    active = ResourceState("arn:1", "audience-model", 2, "ACTIVE", "spring", 9.0)
    assert next_state(active, change("audience-model", "arn:1", "CREATE_IN_PROGRESS", 10.0)) is None


def test_a_resource_that_has_gone_back_is_news_once() -> None:
    leaving = ResourceState("arn:1", "audience-model", 2, "DELETE_PENDING", "spring", 9.0)
    late = change("audience-model", "arn:1", "ACTIVE", 10.0)
    back = replace(late, back=True)
    assert next_state(leaving, late) is None
    state = next_state(leaving, back)
    assert state is not None
    assert (state.sequence, state.status) == (3, "ACTIVE")
    assert next_state(state, back) is None
    gone = ResourceState("arn:1", "audience-model", 4, Change.DELETED)
    assert next_state(gone, back) is None, "an ARN never comes back"


@pytest.mark.parametrize("again", ["DELETE_PENDING", "DELETE_IN_PROGRESS"])
def test_a_removal_that_failed_may_be_followed_by_another_one(again: str) -> None:
    failed = ResourceState("arn:1", "audience-model", 5, "DELETE_FAILED", "spring", 9.0)
    assert next_state(failed, change("audience-model", "arn:1", again, 10.0)) == ResourceState(
        "arn:1", "audience-model", 6, again, "spring", 10.0
    )
    assert next_state(failed, change("audience-model", "arn:1", "ACTIVE", 10.0)) is None


@pytest.mark.parametrize("kind", ["configured-audience-model-policy", "tags"])
def test_what_is_named_after_another_resource_counts_for_as_long_as_that_one_lives(kind: str) -> None:
    state = ResourceState("arn:1", kind, 3, Change.DELETED)
    assert not is_final(state)
    put = next_state(state, change(kind, "arn:1", Change.UPDATED, 9.0))
    assert put is not None
    assert put.sequence == 4
    assert next_state(state, change(kind, "arn:1", Change.DELETED, 9.0)) is None
    parent = ResourceState("arn:1", "configured-audience-model", 2, Change.DELETED)
    assert is_final(parent)
    assert resource_key(kind, "arn:1") in named_after(parent)
    assert named_after(state) == []


def test_only_what_has_another_ones_identity_comes_back() -> None:
    assert {kind for kind, row in RESOURCES.items() if row.returns} == {"configured-audience-model-policy", "tags"}
