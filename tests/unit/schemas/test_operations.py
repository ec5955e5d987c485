"""The table against botocore's model, row by row."""

from collections import Counter

import pytest
from botocore.model import ListShape, Shape, StringShape, StructureShape

from schemas import shapes
from schemas.operations import COMMAND_PREFIX, OPERATIONS, RESOURCES, Change, Kind, Operation, Repeat, Resource

ROWS = list(OPERATIONS.values())
KINDS = list(RESOURCES.values())


def _summary(resource: Resource) -> StructureShape:
    output = shapes.output_shape(resource.list_operation)
    assert output is not None
    summaries = output.members[resource.summaries]
    assert isinstance(summaries, ListShape)
    assert isinstance(summaries.member, StructureShape)
    return summaries.member


def _strings(shape: Shape) -> set[str]:
    assert isinstance(shape, StringShape)
    return set(shape.enum)


def test_there_are_25_rows() -> None:
    assert Counter(row.kind for row in ROWS) == {Kind.READ: 11, Kind.WRITE: 9, Kind.JOB: 3, Kind.REMOVAL: 2}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_operation_is_in_the_model(row: Operation) -> None:
    assert row.name in shapes.service_model().operation_names
    assert row.resource in KINDS
    assert row.command_type == COMMAND_PREFIX + row.name
    assert isinstance(shapes.service_model().operation_model(row.name).input_shape, StructureShape)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_an_operation_takes_what_its_row_says(row: Operation) -> None:
    members = shapes.input_shape(row.name).members
    output = shapes.output_shape(row.name)
    assert set(row.guards) <= members.keys()
    if row.creates or row.restamps:
        assert "description" in members
    if row.compare:
        witness = shapes.output_shape(row.resource.get_operation)
        assert (row.erases or row.compare) in members
        assert witness is not None
        assert {row.compare, row.previous or row.compare} <= witness.members.keys()
    if row.creates and row.resource.identity:
        assert output is not None
        assert row.resource.identity in output.required_members


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_agrees_with_itself(row: Operation) -> None:
    assert row.creates == (row.repeat is Repeat.MARKED)
    assert (row.change is not None) == (row.kind is Kind.WRITE)
    assert row.creates == row.name.startswith(("Create", "Start"))
    assert (row.repeat is Repeat.GONE_IS_DONE) == row.name.startswith("Delete")
    assert (row.kind is Kind.READ) == row.name.startswith(("Get", "List"))
    assert row.restamps == ("description" in shapes.input_shape(row.name).members and not row.creates)
    if row.change is Change.DELETED:
        assert row.repeat is Repeat.GONE_IS_DONE
    if row.kind in {Kind.JOB, Kind.REMOVAL}:
        assert row.resource.done


@pytest.mark.parametrize("resource", [kind for kind in KINDS if kind.list_operation], ids=lambda kind: kind.kind)
def test_a_list_shows_what_its_row_says(resource: Resource) -> None:
    summary = _summary(resource)
    assert OPERATIONS[resource.list_operation].resource is resource
    assert {"description", "name", "status"} <= summary.members.keys()
    if resource.identity:
        assert resource.identity in summary.required_members
    assert set(resource.list_filters) <= shapes.input_shape(resource.list_operation).members.keys()
    creating = [row for row in ROWS if row.creates and row.resource is resource]
    assert len(creating) == 1
    assert set(resource.list_filters) <= set(shapes.input_shape(creating[0].name).required_members)


@pytest.mark.parametrize("resource", [kind for kind in KINDS if kind.list_operation], ids=lambda kind: kind.kind)
def test_statuses_are_the_models(resource: Resource) -> None:
    known = _strings(_summary(resource).members["status"])
    ours = [*resource.arriving, *resource.done, *resource.failed, *resource.leaving, *resource.undeleted]
    assert set(ours) == known
    assert len(ours) == len(known)
    assert resource.done


@pytest.mark.parametrize("resource", [kind for kind in KINDS if kind.get_operation], ids=lambda kind: kind.kind)
def test_a_description_is_asked_for_by_identity(resource: Resource) -> None:
    assert OPERATIONS[resource.get_operation].resource is resource
    assert shapes.input_shape(resource.get_operation).required_members == [resource.identity]


@pytest.mark.parametrize("resource", [kind for kind in KINDS if kind.arn_type], ids=lambda kind: kind.kind)
def test_arn_types_are_the_models(resource: Resource) -> None:
    pattern = _summary(resource).members[resource.identity].metadata["pattern"]
    assert f":{resource.arn_type}/" in pattern


def test_every_kind_has_a_row() -> None:
    assert {row.resource.kind for row in ROWS} == set(RESOURCES)
