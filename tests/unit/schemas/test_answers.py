"""What an answer must be: every member of every response, of every wrong type."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import example, given
from hypothesis import strategies as st

from schemas import answers, shapes
from schemas.operations import OPERATIONS, Operation
from tests.support import samples

ROWS = pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
WRONG: tuple[Any, ...] = (17, -1.5, True, "", "text", [], {}, [17], {"code": 17}, 10**30, float("nan"), None)
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


SCALARS: dict[str, Any] = {"boolean": True, "integer": 1, "double": 0.5, "timestamp": "2026-01-31T12:00:00Z"}


def sample(shape: Shape) -> Any:
    """A value with every member of the model."""
    if isinstance(shape, StructureShape):
        return {name: sample(member) for name, member in shape.members.items()}
    if isinstance(shape, ListShape):
        return [sample(shape.member)]
    if isinstance(shape, MapShape):
        return {"k": sample(shape.value)}
    return SCALARS.get(shape.type_name) or samples.STRINGS.get(shape.name, ("v",))[0]


def answer(operation: str) -> dict[str, Any]:
    """A whole answer."""
    shape = shapes.output_shape(operation)
    return sample(shape) if shape else {}


def asked(row: Operation) -> dict[str, Any]:
    """A request that fits the answer."""
    identity = row.resource.identity
    return {identity: answer(row.name).get(identity, "")} if identity else {}


def members(shape: Shape, value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Shape]]:
    """Every place of an answer."""
    if path:
        yield path, shape
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            if name in value:
                yield from members(member, value[name], (*path, name))
    elif isinstance(shape, ListShape) and value:
        yield from members(shape.member, value[0], (*path, 0))
    elif isinstance(shape, MapShape) and value:
        yield from members(shape.value, value[next(iter(value))], (*path, next(iter(value))))


def replaced(whole: Any, path: tuple[Any, ...], wrong: Any) -> Any:
    copy = deepcopy(whole)
    holder = copy
    for step in path[:-1]:
        holder = holder[step]
    holder[path[-1]] = wrong
    return copy


PLACES = [
    (row, path, member)
    for row in OPERATIONS.values()
    if (shape := shapes.output_shape(row.name))
    for path, member in members(shape, answer(row.name))
]
FITS = {
    "string": str,
    "timestamp": str,
    "boolean": bool,
    "integer": int,
    "double": int | float,
    "list": list,
    "map": dict,
    "structure": dict,
}


@ROWS
def test_a_whole_answer_fits_and_so_does_one_with_more_than_the_model_has(row: Operation) -> None:
    assert answers.misfit(row.name, asked(row), answer(row.name)) == ""
    assert answers.misfit(row.name, asked(row), answer(row.name) | {"new": {"by": ["AWS"]}}) == ""


@ROWS
@pytest.mark.parametrize("wrong", [None, [], "text", 17])
def test_an_answer_is_an_object(row: Operation, wrong: Any) -> None:
    assert answers.misfit(row.name, {}, wrong)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].name}{list(place[1])}")
def test_no_member_may_be_of_another_type(place: tuple[Operation, tuple[Any, ...], Shape]) -> None:
    row, path, shape = place
    whole, fitting = answer(row.name), FITS[shape.type_name]
    for wrong in WRONG:
        if wrong is None or (isinstance(wrong, fitting) and isinstance(wrong, bool) is (fitting is bool)):
            continue
        found = answers.misfit(row.name, asked(row), replaced(whole, path, wrong))
        assert str(path[0]) in found, wrong
        assert "17" not in found.replace("[17]", ""), "no value of an answer is shown"


@pytest.mark.parametrize("place", PLACES, ids=lambda place: f"{place[0].name}{list(place[1])}")
def test_what_is_required_is_there(place: tuple[Operation, tuple[Any, ...], Shape]) -> None:
    row, path, _ = place
    shape: Any = shapes.output_shape(row.name)
    for step in path[:-1]:
        shape = (
            shape.members[step] if isinstance(shape, StructureShape) else getattr(shape, "member", None) or shape.value
        )
    if isinstance(shape, StructureShape):
        lacking = answers.misfit(row.name, asked(row), replaced(answer(row.name), path, None))
        assert bool(lacking) is (path[-1] in shape.required_members)


@pytest.mark.parametrize("row", [row for row in OPERATIONS.values() if row.creates and row.resource.identity])
@pytest.mark.parametrize(
    "wrong", ["", "x", "a" * 3000, "arn:aws:iam::111122223333:role/x", samples.arn("audience-thing")]
)
def test_what_was_made_is_named_by_an_arn_of_its_kind(row: Operation, wrong: str) -> None:
    assert row.resource.identity in answers.misfit(row.name, {}, {row.resource.identity: wrong})


@pytest.mark.parametrize("row", [row for row in OPERATIONS.values() if row.name == row.resource.get_operation])
def test_a_description_is_of_what_was_asked_for(row: Operation) -> None:
    if row.resource.identity in answer(row.name):
        assert "request" in answers.misfit(row.name, {row.resource.identity: "another"}, answer(row.name))


@given(st.sampled_from([row.name for row in OPERATIONS.values()]), json)
@example("CreateAudienceModel", {"audienceModelArn": {"code": 17}})
def test_no_answer_breaks_the_check(operation: str, result: Any) -> None:
    assert isinstance(answers.misfit(operation, {}, result), str)
