"""The rules in words, one by one."""

import copy
from typing import Any

import pytest

from schemas import documented_rules, shapes
from schemas.operations import OPERATIONS
from schemas.shapes import Violation
from tests.support import samples


def _found(operation: str, params: Any) -> list[Violation]:
    return list(documented_rules.violations(operation, params))


def _only(operation: str, params: Any, path: str, rule: str) -> None:
    assert [(violation.path, violation.rule) for violation in _found(operation, params)] == [(path, rule)]


def _with(operation: str, location: tuple[str | int, ...], value: Any, *, full: bool = True) -> Any:
    params = copy.deepcopy(samples.payload(operation, full=full))
    holder = params
    for step in location[:-1]:
        holder = holder[step]  # type: ignore[index]
    holder[location[-1]] = value  # type: ignore[index]
    return params


NAMED = [name for name in OPERATIONS if "name" in shapes.input_shape(name).members]
CREATING = [row.name for row in OPERATIONS.values() if row.creates or row.restamps]


@pytest.mark.parametrize("name", [" ", "\t", "\u00a0", "\u3000"])
@pytest.mark.parametrize("operation", NAMED)
def test_a_name_is_not_blank(operation: str, name: str) -> None:
    assert ("data.name", "name") in [(v.path, v.rule) for v in _found(operation, _with(operation, ("name",), name))]


@pytest.mark.parametrize("char", list("\x00\n\r\x1b\x7f\x85\u202e\u2066\u200f\u2028"), ids=ascii)
def test_a_name_has_no_control_or_direction_characters(char: str) -> None:
    _only("CreateAudienceModel", _with("CreateAudienceModel", ("name",), f"a{char}b"), "data.name", "name")


@pytest.mark.parametrize("name", ["Müller", "名前", "שלום", "a\u200db", "a-b_c.d"])
def test_a_name_may_be_in_any_script(name: str) -> None:
    assert _found("CreateAudienceModel", _with("CreateAudienceModel", ("name",), name)) == []


@pytest.mark.parametrize("operation", CREATING)
def test_a_description_leaves_room_for_the_marker(operation: str) -> None:
    assert documented_rules.MAX_DESCRIPTION == 221
    assert _found(operation, _with(operation, ("description",), "d" * 221)) == []
    params = _with(operation, ("description",), "d" * 222)
    _only(operation, params, "data.description", "max")
    assert "221" in _found(operation, params)[0].message
    assert list(shapes.violations(operation, params)) == []


@pytest.mark.parametrize("operation", CREATING)
def test_a_description_does_not_forge_the_marker(operation: str) -> None:
    params = _with(operation, ("description",), f"x [crml:{'0' * 26}]")
    _only(operation, params, "data.description", "marker")


@pytest.mark.parametrize("key", ["aws:x", "AWS:x", "aWs:"])
def test_tag_keys_of_aws_are_refused(key: str) -> None:
    _only("TagResource", _with("TagResource", ("tags",), {key: "v"}), "data.tags", "tags")
    _only("UntagResource", _with("UntagResource", ("tagKeys",), [key]), "data.tagKeys", "tags")


def test_tags_are_at_most_50() -> None:
    tags = {f"k{number}": "v" for number in range(51)}
    _only("TagResource", _with("TagResource", ("tags",), tags), "data.tags", "tags")
    assert _found("TagResource", _with("TagResource", ("tags",), {"a": "b", "aws-x": "c"})) == []


@pytest.mark.parametrize("tags", [{"a\n": "v"}, {"a": "v\x00"}, {"a": "\u202e"}])
def test_tags_have_no_control_characters(tags: dict[str, str]) -> None:
    _only("TagResource", _with("TagResource", ("tags",), tags), "data.tags", "tags")


@pytest.mark.parametrize(
    ("columns", "bad"),
    [
        (["USER_ID", "ITEM_ID", "TIMESTAMP", "CATEGORICAL_FEATURE"], 0),
        (["USER_ID", "ITEM_ID"], 1),
        (["USER_ID", "USER_ID", "ITEM_ID", "TIMESTAMP"], 1),
        (["NUMERICAL_FEATURE"], 3),
    ],
)
def test_a_schema_has_each_single_column_once(columns: list[str], bad: int) -> None:
    schema = [{"columnName": f"c{number}", "columnTypes": [kind]} for number, kind in enumerate(columns)]
    location = ("trainingData", 0, "inputConfig", "schema")
    found = _found("CreateTrainingDataset", _with("CreateTrainingDataset", location, schema))
    assert [violation.rule for violation in found] == ["columns"] * bad
    assert {violation.path for violation in found} <= {"data.trainingData[0].inputConfig.schema"}


COLUMNS = ("trainingData", 0, "inputConfig", "schema")
AT_COLUMNS = "data.trainingData[0].inputConfig.schema"
NEEDED = [{"columnName": kind, "columnTypes": [kind]} for kind in documented_rules.SINGLE_COLUMNS]


@pytest.mark.parametrize(("count", "good"), [(0, True), (10, True), (11, False)])
def test_a_schema_has_at_most_ten_features(count: int, good: bool) -> None:
    kinds = [documented_rules.FEATURES[number % 2] for number in range(count)]
    schema = [*NEEDED, *({"columnName": f"c{number}", "columnTypes": [kind]} for number, kind in enumerate(kinds))]
    found = _found("CreateTrainingDataset", _with("CreateTrainingDataset", COLUMNS, schema))
    assert [(each.path, each.rule) for each in found] == ([] if good else [(AT_COLUMNS, "columns")])
    assert not any("assumed" in each.message for each in found)


@pytest.mark.parametrize("name", ["ITEM_ID", "item_id"])
def test_a_schema_names_no_column_twice(name: str) -> None:
    schema = [*NEEDED, {"columnName": name, "columnTypes": ["NUMERICAL_FEATURE"]}]
    _only("CreateTrainingDataset", _with("CreateTrainingDataset", COLUMNS, schema), AT_COLUMNS, "unique")


@pytest.mark.parametrize("query", [{}, {"queryString": ""}, {"queryString": "SELECT 1", "analysisTemplateArn": "t"}])
def test_a_query_is_given_in_one_way(query: dict[str, str]) -> None:
    location = ("seedAudience", "sqlParameters")
    params = _with("StartAudienceGenerationJob", location, query)
    found = [each for each in _found("StartAudienceGenerationJob", params) if each.rule != "arn"]
    assert [(each.path, each.rule) for each in found] == [("data.seedAudience.sqlParameters", "one-of")]


def test_computing_is_for_queries() -> None:
    operation = "StartAudienceGenerationJob"
    params = _with(operation, ("seedAudience", "sqlComputeConfiguration"), {"worker": {}}, full=False)
    _only(operation, params, "data.seedAudience", "dependent")


def test_no_tag_keys_are_none_that_a_query_can_say() -> None:
    _only("UntagResource", _with("UntagResource", ("tagKeys",), []), "data.tagKeys", "min")


def _assumed() -> list[tuple[str, Any]]:
    job, dataset = "StartAudienceGenerationJob", "CreateTrainingDataset"
    seed = {"roleArn": samples.STRINGS["IamRoleArn"][0]}
    alone = samples.payload(job, full=True)
    del alone["collaborationId"]
    window = {"trainingDataStartTime": "2025-01-02T00:00:00Z", "trainingDataEndTime": "2025-01-01T00:00:00Z"}
    return [
        (dataset, _with(dataset, COLUMNS, NEEDED[:2])),
        (dataset, _with(dataset, COLUMNS, [*NEEDED, {"columnName": "user_id", "columnTypes": ["NUMERICAL_FEATURE"]}])),
        (job, _with(job, ("seedAudience",), seed)),
        (job, _with(job, ("seedAudience", "sqlComputeConfiguration"), {"worker": {}}, full=False)),
        (job, _with(job, ("seedAudience", "sqlParameters"), {})),
        (job, alone),
        ("CreateAudienceModel", samples.payload("CreateAudienceModel", full=True) | window),
    ]


@pytest.mark.parametrize(("operation", "params"), _assumed(), ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_our_reading_says_so_and_can_be_left_to_aws(operation: str, params: Any) -> None:
    (found,) = _found(operation, params)
    assert found.message.endswith(f"({documented_rules.ASSUMED})")
    assert "rules.assumed" in found.message
    assert list(documented_rules.violations(operation, params, assumed=False)) == []


def test_each_assumed_rule_has_a_case() -> None:
    broken = {
        each.check
        for _, params in _assumed()
        for each in documented_rules.RULES
        if each.assumed and _breaks(each, params)
    }
    assert broken == {each.check for each in documented_rules.RULES if each.assumed}


def _breaks(rule: documented_rules.Rule, params: Any) -> bool:
    tops = [shapes.input_shape(operation) for operation, each in _assumed() if each == params]
    return any(
        rule.applies(shape, value) and any(rule.check(value)) for _, shape, value in shapes.walk(tops[0], params)
    )


def test_bins_are_unique() -> None:
    operation = "CreateConfiguredAudienceModel"
    params = _with(operation, ("audienceSizeConfig", "audienceSizeBins"), [5, 6, 5])
    _only(operation, params, "data.audienceSizeConfig.audienceSizeBins", "unique")


@pytest.mark.parametrize(("bins", "good"), [([1, 100], True), ([101], False), ([1, 20_000_000], False)])
@pytest.mark.parametrize("operation", ["CreateConfiguredAudienceModel", "UpdateConfiguredAudienceModel"])
def test_percentages_end_at_100(operation: str, bins: list[int], good: bool) -> None:
    config = {"audienceSizeType": "PERCENTAGE", "audienceSizeBins": bins}
    found = _found(operation, _with(operation, ("audienceSizeConfig",), config))
    assert [violation.rule for violation in found] == ([] if good else ["percentage"])


def test_a_percentage_of_an_export_ends_at_100() -> None:
    operation = "StartAudienceExportJob"
    params = _with(operation, ("audienceSize",), {"type": "PERCENTAGE", "value": 101})
    _only(operation, params, "data.audienceSize", "percentage")


def test_a_seed_has_one_source() -> None:
    operation = "StartAudienceGenerationJob"
    both = _with(operation, ("seedAudience", "dataSource"), {"s3Uri": "s3://bucket/x"})
    _only(operation, both, "data.seedAudience", "one-of")
    neither = _with(operation, ("seedAudience",), {"roleArn": samples.STRINGS["IamRoleArn"][0]})
    _only(operation, neither, "data.seedAudience", "one-of")


def test_a_query_needs_its_collaboration() -> None:
    params = samples.payload("StartAudienceGenerationJob", full=True)
    del params["collaborationId"]
    _only("StartAudienceGenerationJob", params, "data", "required")


@pytest.mark.parametrize(
    ("start", "end", "good"),
    [
        ("2025-01-01T00:00:00Z", "2025-01-02T00:00:00Z", True),
        ("2025-01-01T00:00:00Z", "2025-01-01T00:00:00Z", False),
        ("2025-01-01T23:00:00-02:00", "2025-01-02T00:30:00Z", False),
    ],
)
def test_a_training_window_runs_forward(start: str, end: str, good: bool) -> None:
    params = samples.payload("CreateAudienceModel", full=True)
    params |= {"trainingDataStartTime": start, "trainingDataEndTime": end}
    assert [violation.rule for violation in _found("CreateAudienceModel", params)] == ([] if good else ["window"])


@pytest.mark.parametrize("policy", ["x", "[]", '"{}"', "{", '{"a":1,"a":2}', "NaN", "[" * 1000, "{} x"])
def test_a_policy_is_a_json_object(policy: str) -> None:
    operation = "PutConfiguredAudienceModelPolicy"
    params = _with(operation, ("configuredAudienceModelPolicy",), policy)
    _only(operation, params, "data.configuredAudienceModelPolicy", "policy")


@pytest.mark.parametrize("bad", ["..", "?a", "#a", "%2e", "\r\n", "\x00", " ", "\\", "\u202e"], ids=ascii)
def test_arns_have_nothing_that_a_url_could_read(bad: str) -> None:
    roles = {"roleArn": samples.STRINGS["IamRoleArn"][0] + bad}
    params = samples.payload("CreateTrainingDataset", full=True) | roles
    _only("CreateTrainingDataset", params, "data.roleArn", "arn")
    model = samples.arn("audience-model", f"a{bad}b")
    found = [*_found("GetAudienceModel", {"audienceModelArn": model})]
    assert [violation.rule for violation in found] == ["arn"]


def _arn_members() -> list[tuple[str, str, str]]:
    found = []
    for operation in OPERATIONS:
        shape = shapes.input_shape(operation)
        for name, member in shape.members.items():
            if (
                name.endswith("Arn")
                and name in shape.required_members
                and ":cleanrooms-ml:" in member.metadata["pattern"]
            ):
                found.append((operation, name, member.name))
    return found


@pytest.mark.parametrize(("operation", "member", "shape"), _arn_members())
def test_an_arn_is_of_the_right_type(operation: str, member: str, shape: str) -> None:
    good = samples.STRINGS[shape][0]
    assert list(shapes.violations(operation, samples.payload(operation, full=False) | {member: good})) == []
    kind = good.split(":")[5].split("/")[0]
    wrong = [
        good.replace(f":{kind}/", ":audience-export-job/"),
        good.replace("cleanrooms-ml", "cleanrooms"),
        good.replace("arn:aws:", "arn:azure:"),
        good.replace(samples.ACCOUNT, "1"),
        good.replace("eu-west-1", "EU"),
        good.replace(":", "/"),
    ]
    for text in wrong:
        found = shapes.violations(operation, samples.payload(operation, full=False) | {member: text})
        assert [(violation.path, violation.rule) for violation in found] == [(f"data.{member}", "pattern")]


def test_all_arn_shapes_are_covered() -> None:
    names = set()
    for operation in OPERATIONS:
        for _, shape, _ in shapes.walk(shapes.input_shape(operation), samples.payload(operation, full=True)):
            if shape.name.endswith("Arn"):
                names.add(shape.name)
    rule = next(rule for rule in documented_rules.RULES if rule.name == "arn")
    assert names | {"AnalysisTemplateArn"} == rule.shapes


@pytest.mark.parametrize("rule", documented_rules.RULES, ids=lambda rule: rule.name)
def test_every_rule_meets_a_value(rule: documented_rules.Rule) -> None:
    assert any(
        rule.applies(shape, value)
        for operation in OPERATIONS
        for _, shape, value in shapes.walk(shapes.input_shape(operation), samples.payload(operation, full=True))
    )


@pytest.mark.parametrize("uri", ["s3://b/..", "s3://bucket/../x", "s3://bucket/a\nb", "s3:///x", "s3://B/x", "s3://ab"])
def test_uris_name_a_bucket_and_stay_there(uri: str) -> None:
    operation = "UpdateConfiguredAudienceModel"
    params = _with(operation, ("outputConfig", "destination", "s3Destination", "s3Uri"), uri)
    found = _found(operation, params)
    assert {violation.path for violation in found} == {"data.outputConfig.destination.s3Destination.s3Uri"}
    assert {violation.rule for violation in found} == {"s3-uri"}
