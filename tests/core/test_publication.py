"""Sequences without gaps, each distinct change once."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import Change
from schemas.records import ResourceState
from service.core.effects import Changed
from service.core.publication import publish

statuses = st.sampled_from(("CREATE_PENDING", "ACTIVE", "DELETE_PENDING", Change.UPDATED, Change.DELETED))
observations = st.lists(st.tuples(statuses, st.sampled_from(("", "spring")), st.floats(0.0, 1e9)), max_size=30)


def published(seen: list[tuple[str, str, float]]) -> list[ResourceState]:
    state, states = None, []
    for status, name, now in seen:
        told = publish(state, Changed("audience-model", "arn:1", status, name=name), now)
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
    expected: list[str] = []
    for status, _, _ in seen:
        if status == Change.UPDATED or expected[-1:] != [status]:
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
    assert publish(None, Changed("tags", "arn:2", Change.UPDATED), 5.0) == ResourceState(
        "arn:2", "tags", 1, Change.UPDATED, "", 5.0
    )
