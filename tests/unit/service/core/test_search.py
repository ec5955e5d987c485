"""What is asked after a lost outcome, and what the answer means: exact matches, and values that are the same."""

from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.operations import MARKER_MEMBER, OPERATIONS, Repeat
from service.core.job import marker, repeat
from service.core.marker import stamp, strip
from service.core.search import PAGE, Verdict, get_request, judge, search_request
from tests.support import builders as start
from tests.unit.service.core.test_marker import descriptions, nearly, of, texts, tokens


@given(st.lists(tokens, max_size=8), descriptions)
def test_a_match_is_exact(others: list[str], text: str) -> None:
    command = of("/shop", "c-1")
    mine = stamp({MARKER_MEMBER: text, "name": "mine"}, marker(command))
    near: list[dict[str, Any]] = [{MARKER_MEMBER: similar} for similar in nearly(marker(command))]
    token = marker(command)
    alike = [token[:place] + ("0" if token[place] != "0" else "1") + token[place + 1 :] for place in range(len(token))]
    foreign = [stamp({MARKER_MEMBER: text}, each) for each in [*alike, *others] if each != token]
    assert start.matches(command, [*foreign, *near, mine, {}, {MARKER_MEMBER: None}]) == (mine,)
    assert start.matches(command, [*foreign, *near]) == ()
    assert len(start.matches(command, [mine, *foreign, mine | {"audienceModelArn": "another"}, mine])) == 2


def test_every_search_is_one_request_that_the_row_allows() -> None:
    for operation in start.ROWS:
        command = start.guarded(operation) if operation.guards else start.command(operation)
        if repeat(command) is Repeat.SAFE:
            continue
        request = search_request(command)
        if operation.creates:
            assert (request.operation, request.pages) == (operation.resource.list_operation, True)
            assert request.params["maxResults"] == PAGE
        else:
            assert request == get_request(operation.resource, start.arn(operation))


def test_a_search_is_narrowed_by_what_the_request_gives() -> None:
    export = OPERATIONS["StartAudienceExportJob"]
    command = start.command(export, params={"name": "n", "audienceGenerationJobArn": "arn"})
    assert search_request(command).params == {"audienceGenerationJobArn": "arn", "maxResults": PAGE}


@given(st.sampled_from(["1", "1.0", "true", "1.10", "1.1", "1e1", "10", "null", '"a"', '{"a": 1}']) | texts, texts)
@example("1.10", "1.1")
@example("1", "true")
@example('{"a":1}', '{"a": 1}')
@example(" 1", "1")
def test_a_text_is_as_asked_only_when_it_is_the_same_text(asked: str, shown: str) -> None:
    """A tag or a description may be any text, also one that happens to be JSON."""
    verdict = Verdict.DONE if asked == shown else Verdict.NOT_DONE
    tags = start.command(OPERATIONS["TagResource"], params={"resourceArn": "a", "tags": {"v": asked}})
    assert judge(tags, {"tags": {"v": shown, "w": asked}}) is verdict
    assume(strip({"description": shown}) == {"description": shown})
    update = start.command(
        OPERATIONS["UpdateConfiguredAudienceModel"], params={"configuredAudienceModelArn": "a", "description": asked}
    )
    assert judge(update, {"description": shown}) is verdict


@pytest.mark.parametrize(
    ("asked", "shown"), [(1, True), (True, 1), (0, False), ("1", 1), (None, "null"), ([1], [True])]
)
def test_values_of_two_types_are_not_the_same(asked: Any, shown: Any) -> None:
    update = start.command(OPERATIONS["UpdateConfiguredAudienceModel"], params={"minMatchingSeedSize": asked})
    assert judge(update, {"minMatchingSeedSize": shown}) is Verdict.NOT_DONE
    assert judge(update, {"minMatchingSeedSize": asked}) is Verdict.DONE


@pytest.mark.parametrize(
    ("asked", "shown", "same"),
    [
        ('{"b": 1, "a": [true]}', '{"a":[true],"b":1}', True),
        ('{"a": 1}', '{"a": true}', False),
        ('{"a": 1}', '{"a": 1.0}', False),
        ('{"a": [1, 2]}', '{"a": [2, 1]}', False),
        ('{"a": 1, "a": 2}', '{"a": 2}', False),
        ('{"a": 1, "a": 2}', '{"a": 1, "a": 2}', True),
    ],
)
def test_a_policy_is_compared_as_the_document_that_it_is(asked: str, shown: str, same: bool) -> None:
    put = OPERATIONS["PutConfiguredAudienceModelPolicy"]
    for guard in ({}, {"previousPolicyHash": "h"}):
        command = start.command(put, params={put.resource.identity: "a", put.compare: asked, **guard})
        verdict = judge(command, {put.compare: shown, "policyHash": "h"})
        assert verdict is (Verdict.DONE if same else Verdict.NOT_DONE)
