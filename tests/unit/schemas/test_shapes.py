"""The payload models against botocore's model: every constraint of every member, alone."""

import time
from typing import Any

import pytest
from botocore.model import ListShape, MapShape, Shape, StringShape, StructureShape
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from schemas import documented_rules, shapes
from schemas.docs import examples
from schemas.operations import OPERATIONS
from tests.support import samples

BREACHES = list(samples.breaches())


@pytest.mark.parametrize("full", [False, True], ids=["minimal", "maximal"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_valid_request_is_accepted(operation: str, full: bool) -> None:
    params = samples.payload(operation, full=full)
    assert list(shapes.violations(operation, params)) == []
    assert list(documented_rules.violations(operation, params)) == []
    assert not ParamValidator().validate(params, shapes.input_shape(operation)).has_errors()


@pytest.mark.parametrize("breach", BREACHES, ids=str)
def test_each_constraint_alone_is_refused(breach: samples.Breach) -> None:
    found = list(shapes.violations(breach.operation, breach.params))
    path, _ = shapes.render(shapes.input_shape(breach.operation), breach.location)
    assert [(violation.path, violation.rule) for violation in found] == [(path, breach.rule)]
    assert "{" not in found[0].message or breach.rule == "pattern"


@pytest.mark.parametrize("operation", OPERATIONS)
def test_no_constraint_of_the_model_is_forgotten(operation: str) -> None:
    tried = {(breach.location, breach.rule) for breach in BREACHES if breach.operation == operation}
    for location, shape in _members(shapes.input_shape(operation)):
        for rule in _constraints(shape):
            assert (location, rule) in tried


def _members(shape: Shape, location: samples.Location = ()) -> list[tuple[samples.Location, Shape]]:
    found = [(location, shape)]
    if isinstance(shape, StructureShape):
        for name, member in shape.members.items():
            found += _members(member, (*location, name))
    elif isinstance(shape, ListShape):
        found += _members(shape.member, (*location, 0))
    elif isinstance(shape, MapShape):
        found += _members(shape.value, (*location, "k0"))
    return found


def _constraints(shape: Shape) -> set[str]:
    limits = shape.metadata
    found = {"type"}
    if isinstance(shape, StringShape) and shape.enum:
        return {"enum"}
    if limits.get("min", 0) > 0:
        found.add("min")
    return found | {name for name in ("max", "pattern") if name in limits}


@pytest.mark.parametrize(
    ("tags", "rule"),
    [({"": "v"}, "min"), ({"k" * 129: "v"}, "max"), ({"k": "v" * 257}, "max"), ({"k": 1}, "type")],
)
def test_map_keys_and_values(tags: dict[str, Any], rule: str) -> None:
    found = list(shapes.violations("TagResource", {"resourceArn": samples.arn("audience-model"), "tags": tags}))
    assert [violation.rule for violation in found] == [rule]
    assert found[0].path.startswith("data.tags[")


def test_digits_are_ascii() -> None:
    model = samples.arn("audience-model").replace(samples.ACCOUNT, "١" * 12)
    assert [v.rule for v in shapes.violations("GetAudienceModel", {"audienceModelArn": model})] == ["pattern"]
    template = samples.STRINGS["AnalysisTemplateArn"][0].replace(samples.ACCOUNT, "١" * 12)
    params = samples.payload("StartAudienceGenerationJob", full=True)
    params["seedAudience"]["sqlParameters"]["analysisTemplateArn"] = template
    assert [v.rule for v in shapes.violations("StartAudienceGenerationJob", params)] == ["pattern"]


@pytest.mark.parametrize("name", ["", " ", "\u00a0", "a\n", "a\r", "a\x00", "\U0001f600", "n" * 64])
def test_names_that_the_model_or_the_rules_refuse(name: str) -> None:
    params = samples.payload("CreateAudienceModel", full=False) | {"name": name}
    operation = "CreateAudienceModel"
    found = [*shapes.violations(operation, params), *documented_rules.violations(operation, params)]
    assert {violation.path for violation in found} == {"data.name"}


def test_nothing_of_a_sensitive_shape_is_told() -> None:
    params = samples.payload("StartAudienceGenerationJob", full=True)
    sql = params["seedAudience"]["sqlParameters"]
    sql["parameters"] = {"secret-key": "x" * 1001, "secret": "x" * 1001}
    sql["secretMember"] = "secret-value"
    sql["queryString"] = ["secret-query"]
    found = list(shapes.violations("StartAudienceGenerationJob", params))
    assert len(found) == 5
    assert "secret" not in repr(found)


def test_values_are_never_told() -> None:
    for breach in BREACHES:
        for violation in shapes.violations(breach.operation, breach.params):
            assert "BANANA" not in violation.message


def _string_shapes() -> list[StringShape]:
    found: dict[str, StringShape] = {}
    for operation in OPERATIONS:
        for _, shape in _members(shapes.input_shape(operation)):
            if isinstance(shape, StringShape) and "pattern" in shape.metadata:
                found[shape.name] = shape
    return list(found.values())


@pytest.mark.parametrize("shape", _string_shapes(), ids=lambda shape: shape.name)
def test_no_pattern_can_be_made_to_crawl(shape: StringShape) -> None:
    good = samples.STRINGS[shape.name][1]
    units = [good[-1], good[-2:], "a-", "a ", "a_", " ", "-", "0", "/", ".", "a", "\t"]
    ending = "\n" if shape.metadata["pattern"].endswith(".+") else "\x00"
    pattern = shapes.Pattern(shape.metadata["pattern"])
    for unit in units:
        for start in ("", good[: len(good) // 2], samples.STRINGS[shape.name][0]):
            text = (start + unit * shape.metadata["max"])[: shape.metadata["max"] - 1] + ending
            begun = time.process_time()
            assert not pattern.matches(text)
            assert time.process_time() - begun < 0.05


def test_required_members_of_responses() -> None:
    assert shapes.required_output_members("CreateAudienceModel") == ("audienceModelArn",)
    assert shapes.required_output_members("StartAudienceExportJob") == ()
    assert "status" in shapes.required_output_members("GetAudienceModel")


def test_preload_builds_every_model() -> None:
    shapes.preload()
    assert shapes.input_model.cache_info().currsize == len(OPERATIONS)


def test_an_unknown_operation_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        shapes.input_shape("CreateTrainedModel")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(operation=st.sampled_from(sorted(OPERATIONS)), params=_JSON)
def test_any_json_is_judged(operation: str, params: Any) -> None:
    found = [*shapes.violations(operation, params), *documented_rules.violations(operation, params)]
    assert found or isinstance(params, dict)


def test_what_is_too_short_for_an_arn_is_said_to_be_none() -> None:
    (found,) = shapes.violations("CreateAudienceModel", {"name": "x", "trainingDatasetArn": "foo"})
    assert (found.rule, found.message) == ("min", "must be an ARN, of at least 20 characters")
    (found,) = shapes.violations("CreateAudienceModel", {"name": "", "trainingDatasetArn": examples.DATASET})
    assert found.message == "must have at least 1 characters"
