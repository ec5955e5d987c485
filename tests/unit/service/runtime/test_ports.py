"""Errors of the log: which are which, what they say, and whom they blame."""

import pytest

from service.runtime.ports import BatchRefused, CommitUnknown, Fenced, LogError, RecordRefused, Unfit


@pytest.mark.parametrize("kind", [Unfit, Fenced, BatchRefused, CommitUnknown])
def test_each_is_an_error_of_the_log_with_the_topics_to_blame(kind: type[LogError]) -> None:
    error = kind("why", ["b", "a", "b"])
    assert isinstance(error, LogError)
    assert (str(error), error.topics) == ("why", frozenset({"a", "b"}))
    assert kind().topics == frozenset()


def test_they_are_told_apart() -> None:
    kinds = [Unfit, Fenced, RecordRefused, BatchRefused, CommitUnknown]
    assert not [(one, other) for one in kinds for other in kinds if one is not other and issubclass(one, other)]


@pytest.mark.parametrize(("limit", "words"), [(1000, ", it takes 1000"), (0, "")])
def test_a_record_that_is_too_large_says_what_to_do(limit: int, words: str) -> None:
    error = RecordRefused("replies", 2048, limit)
    assert (error.topic, error.size, error.limit) == ("replies", 2048, limit)
    assert error.topics == {"replies"}
    assert str(error) == (
        f"topic replies refuses a record of 2048 bytes{words}: raise its max.message.bytes, "
        "`python -m service check` says to what"
    )
