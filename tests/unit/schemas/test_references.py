"""Which members take a reference, and to what: all that follows from the model's patterns and the table."""

import pytest
from botocore.model import Shape

from schemas import references, shapes
from schemas.documented_rules import ARNS
from schemas.operations import OPERATIONS, RESOURCES, TAGS
from tests.support import samples


def _shapes() -> dict[str, Shape]:
    found: dict[str, Shape] = {}
    for operation in OPERATIONS:
        for _, shape, _ in shapes.walk(shapes.input_shape(operation), samples.payload(operation, full=True)):
            found[shape.name] = shape
    return found


SHAPES = _shapes()


@pytest.mark.parametrize("resource", [row for row in RESOURCES.values() if row.arn_type], ids=lambda row: row.kind)
def test_the_member_that_names_a_resource_takes_a_reference_to_its_kind(resource) -> None:  # type: ignore[no-untyped-def]
    shape = shapes.input_shape(resource.get_operation).members[resource.identity]
    assert references.kinds(shape) == (resource,)


def test_what_can_be_tagged_may_be_of_any_kind_with_an_arn() -> None:
    shape = shapes.input_shape(TAGS.get_operation).members[TAGS.identity]
    assert references.kinds(shape) == references.RESOURCES_WITH_ARN
    assert {row.kind for row in references.RESOURCES_WITH_ARN} == {
        row.kind for row in RESOURCES.values() if row.arn_type
    }


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_nothing_but_arns_of_the_service_takes_one(name: str) -> None:
    foreign = {"IamRoleArn", "KmsKeyArn", "AnalysisTemplateArn"}
    assert bool(references.kinds(SHAPES[name])) == (name in ARNS - foreign)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("command:a", "a"),
        ("command:a:b", "a:b"),
        ("command: ", " "),
        ("command:" + "😀" * 255, "😀" * 255),
        ("command:", ""),
        ("command:" + "x" * 256, ""),
        ("command:a\tb", ""),
        ("COMMAND:a", ""),
        (1, ""),
        (None, ""),
    ],
    ids=lambda item: ascii(item)[:20],
)
def test_a_reference_names_an_id(text: object, name: str) -> None:
    assert references.referred(text) == name
