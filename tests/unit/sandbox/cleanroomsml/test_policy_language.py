"""What a policy allows: it fails closed, and what cannot be evaluated is refused where it is put."""

import json
import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.cleanroomsml.policy_language import Request, _like, allows, problems

MODEL = "arn:aws:cleanrooms-ml:eu-west-1:111111111111:configured-audience-model/m"
ACTION = "cleanrooms-ml:StartAudienceGenerationJob"
GUEST = "222222222222"
COLLABORATION = "6b1f0c52-0000-4000-8000-0123456789ab"
REQUEST = Request(GUEST, ACTION, MODEL, {"cleanrooms-ml:collaborationid": COLLABORATION})
OPEN: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": GUEST}, "Action": ACTION, "Resource": MODEL}


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(**elements: Any) -> str:
    """An Allow for the guest, and a Deny with other elements; None takes one away."""
    made = {**OPEN, "Effect": "Deny", "Principal": "*", **elements}
    return policy(OPEN, {name: value for name, value in made.items() if value is not None})


@pytest.mark.parametrize(
    "principal",
    [
        "*",
        {"AWS": "*"},
        {"AWS": GUEST},
        {"AWS": [f"arn:aws:iam::{GUEST}:root"]},
        {"AWS": f"arn:aws-cn:iam::{GUEST}:root"},
    ],
)
@pytest.mark.parametrize("action", [ACTION, "cleanrooms-ml:*", "*", "CleanRooms-ML:startaudience?enerationJob"])
@pytest.mark.parametrize("resource", [MODEL, "*", "arn:aws:cleanrooms-ml:*:111111111111:configured-audience-model/?"])
def test_what_an_allow_covers(principal: Any, action: str, resource: str) -> None:
    text = policy({**OPEN, "Principal": principal, "Action": action, "Resource": resource})
    assert problems(text) == []
    assert allows(text, REQUEST)
    assert not allows(text.replace("Allow", "Deny"), REQUEST)


@pytest.mark.parametrize(
    "elements",
    [
        {"Principal": {"AWS": "333333333333"}},
        {"Principal": {"Service": "*"}},
        {"Principal": {"AWS": f"arn:aws:iam::{GUEST}:role/one-of-many"}},
        {"Action": "cleanrooms-ml:GetAudienceModel"},
        {"Resource": MODEL + "x"},
        {"Resource": "arn:aws:cleanrooms-ml:eu-west-1:111111111111:configured-audience-model/[a-z]"},
        {"Condition": {"StringEquals": {"cleanrooms-ml:CollaborationId": "another"}}},
        {"Condition": {"StringEquals": {"aws:SourceVpc": "vpc-1"}}},
        {"Condition": {"StringEqualsIfExists": {"aws:SourceVpc": "vpc-1"}}},
        {"Condition": {"DateGreaterThan": {"aws:CurrentTime": "2000-01-01T00:00:00Z"}}},
        {"Condition": {"ForAnyValue:StringEquals": {"cleanrooms-ml:CollaborationId": COLLABORATION}}},
        {"Condition": {"StringEquals": {"cleanrooms-ml:CollaborationId": "${aws:PrincipalTag/c}"}}},
    ],
)
def test_an_allow_that_does_not_hold_or_cannot_be_evaluated_allows_nothing(elements: dict[str, Any]) -> None:
    text = policy({name: value for name, value in {**OPEN, **elements}.items() if value is not None})
    assert problems(text) == []
    assert not allows(text, REQUEST)


@pytest.mark.parametrize(
    "text",
    [
        deny(),
        deny(Principal=None, NotPrincipal={"AWS": "333333333333"}),
        deny(Action=None, NotAction="cleanrooms-ml:GetAudienceModel"),
        deny(Resource=None, NotResource="arn:aws:s3:::other"),
        deny(Condition={"StringNotEquals": {"cleanrooms-ml:CollaborationId": "another"}}),
        deny(Condition={"StringLike": {"cleanrooms-ml:CollaborationId": "6b1f*"}}),
        deny(Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}}),
        deny(Condition={"Bool": {"aws:SecureTransport": "false"}}),
        deny(Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}),
        deny(Condition={"ForAllValues:StringEquals": {"aws:TagKeys": ["a"]}}),
        deny(Principal={"Federated": f"arn:aws:iam::{GUEST}:saml-provider/x"}),
        deny(Principal={"CanonicalUser": "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"}),
        deny(Principal={"Service": "ec2.amazonaws.com", "Federated": "accounts.google.com"}),
        deny(Principal={"AWS": f"arn:aws:iam::{GUEST}:role/one-of-many"}),
        deny(Principal=None, NotPrincipal={"AWS": f"arn:aws:iam::{GUEST}:role/one-of-many"}),
    ],
)
def test_a_deny_that_holds_or_cannot_be_evaluated_refuses(text: str) -> None:
    assert problems(text) == []
    assert not allows(text, REQUEST)


@pytest.mark.parametrize(
    "text",
    [
        deny(Principal={"AWS": "333333333333"}),
        deny(Principal=None, NotPrincipal={"AWS": GUEST}),
        deny(Action="cleanrooms-ml:Get*"),
        deny(Action=None, NotAction="cleanrooms-ml:Start*"),
        deny(Resource=None, NotResource=MODEL),
        deny(Condition={"StringNotEquals": {"cleanrooms-ml:CollaborationId": COLLABORATION}}),
        deny(Condition={"Null": {"cleanrooms-ml:CollaborationId": "true"}}),
        deny(Condition={"StringEquals": {"aws:PrincipalAccount": "333333333333", "aws:SourceVpc": "vpc-1"}}),
    ],
)
def test_a_deny_of_something_else_does_not_refuse(text: str) -> None:
    request = Request(GUEST, ACTION, MODEL, {**REQUEST.keys, "aws:principalaccount": GUEST})
    assert allows(text, request)


@pytest.mark.parametrize(
    ("operator", "wanted", "without"),
    [
        ("StringEquals", "x", False),
        ("StringEqualsIfExists", "x", True),
        ("StringNotEquals", "x", True),
        ("Null", "true", True),
    ],
)
def test_a_key_that_the_request_does_not_have(operator: str, wanted: str, *, without: bool) -> None:
    text = policy({**OPEN, "Condition": {operator: {"cleanrooms-ml:CollaborationId": wanted}}})
    assert allows(text, Request(GUEST, ACTION, MODEL, {})) is without


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("x", "must be a JSON object"),
        ({**OPEN, "Effect": "allow"}, "Effect must be Allow or Deny"),
        ({**OPEN, "Conditions": {}}, "Conditions is not an element"),
        ({**OPEN, "NotAction": "x"}, "must not have both Action and NotAction"),
        ({**OPEN, "Action": 3}, "Action must be a string"),
        ({**OPEN, "Resource": []}, "Resource must be a string"),
        ({**OPEN, "Principal": GUEST}, 'Principal must be "*"'),
        ({**OPEN, "Principal": {}}, 'Principal must be "*"'),
        ({**OPEN, "Condition": []}, "Condition must be a JSON object"),
        ({**OPEN, "Condition": {"StringEquals": "x"}}, "must have a JSON object of keys"),
        ({**OPEN, "Condition": {"StringEquals": {}}}, "must have a JSON object of keys"),
        ({**OPEN, "Condition": {"StringEquals": {"k": None}}}, "a value must be a string"),
        ({**OPEN, "Condition": {"StringEquals": {"k": [None]}}}, "a value must be a string"),
        ({**OPEN, "Condition": {"StringEquals": {"k": []}}}, "a value must be a string"),
        ({**OPEN, "Condition": {"StringEqual": {"k": "v"}}}, "StringEqual is not an operator"),
        ({**OPEN, "Condition": {"stringequals": {"k": "v"}}}, "stringequals is not an operator"),
        ({**OPEN, "Condition": {"ForNoValue:StringEquals": {"k": "v"}}}, "is not an operator"),
        ({**OPEN, "Condition": {"NullIfExists": {"aws:x": "false"}}}, "NullIfExists is not an operator"),
        ({**OPEN, "Condition": {"StringEquals": {"nocolon": "v"}}}, "'nocolon' is not a key"),
        ({**OPEN, "Condition": {"StringEquals": {"": "v"}}}, "'' is not a key"),
        *(
            ({**OPEN, "Condition": {operator: {"aws:x": value}}}, f"{operator} of aws:x must have {words}")
            for operator, value, words in (
                ("NumericLessThan", "abc", "numbers"),
                ("NumericEqualsIfExists", ["1", ""], "numbers"),
                ("IpAddress", "300.1.1.1/99", "addresses"),
                ("NotIpAddress", "localhost", "addresses"),
                ("DateLessThan", "tomorrow", "dates"),
                ("DateGreaterThan", "2024-13-01T00:00:00Z", "dates"),
                ("Bool", "maybe", "true or false"),
                ("Null", "yes", "true or false"),
                ("BinaryEquals", "*", "Base64"),
            )
        ),
        ({**OPEN, "Sid": 5}, "Sid must consist"),
        ({**OPEN, "Sid": ["x"]}, "Sid must consist"),
        ({**OPEN, "Sid": "a b!"}, "Sid must consist"),
        *(
            ({name: value for name, value in OPEN.items() if name != gone}, words)
            for gone, words in (
                ("Effect", "Effect must be Allow or Deny"),
                ("Principal", "must have Principal or NotPrincipal"),
                ("Action", "must have Action or NotAction"),
                ("Resource", "must have Resource or NotResource"),
            )
        ),
        ({**OPEN, "Action": "StartAudienceGenerationJob"}, 'Action must be "*" or a service and an operation'),
        ({**OPEN, "Action": [ACTION, ""]}, 'Action must be "*" or a service and an operation'),
        ({**OPEN, "Resource": ""}, 'Resource must be "*" or ARNs'),
        ({**OPEN, "Resource": "model"}, 'Resource must be "*" or ARNs'),
    ],
)
def test_a_malformed_statement_is_described(statement: Any, message: str) -> None:
    text = json.dumps({"Statement": [OPEN, statement]})
    assert any(each.startswith("Statement 2: ") and message in each for each in problems(text))
    assert not allows(text.replace('"Allow"', '"Deny"'), REQUEST)


@pytest.mark.parametrize("principal", [{"AWS": "333333333333"}, {"Service": "ec2.amazonaws.com"}, "*"])
def test_an_allow_for_all_but_some_is_refused(principal: Any) -> None:
    made = {name: value for name, value in OPEN.items() if name != "Principal"}
    assert problems(policy({**made, "NotPrincipal": principal})) == [
        "Statement 1: NotPrincipal must not stand beside an Allow: it would let in everybody else"
    ]
    assert problems(policy({**made, "Effect": "Deny", "NotPrincipal": principal})) == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "Statement is missing"),
        ({"Version": "2012-10-17"}, "Statement is missing"),
        ({"Version": "2024-01-01", "Statement": []}, "Version must be 2012-10-17 or 2008-10-17"),
        ({"Version": 2012, "Statement": []}, "Version must be 2012-10-17 or 2008-10-17"),
        ({"Statement": [], "Statements": []}, "Statements is not an element of a policy"),
        ({"Statement": [], "Id": 1}, "Id must be a string"),
        ({"Statement": [{**OPEN, "Sid": "a"}, {**OPEN, "Sid": "a"}]}, "Statement: a Sid occurs twice"),
    ],
)
def test_a_malformed_policy_is_described(document: dict[str, Any], message: str) -> None:
    assert problems(json.dumps(document)) == [message]


@pytest.mark.parametrize(
    ("operator", "value"),
    [
        ("NumericLessThan", "10"),
        ("NumericEquals", [1, 2.5]),
        ("DateLessThan", "2030-01-01T00:00:00Z"),
        ("DateLessThan", "2030-01-01"),
        ("DateGreaterThan", "1700000000"),
        ("IpAddress", ["203.0.113.0/24", "2001:db8::/32", "10.0.0.1"]),
        ("Bool", True),
        ("BoolIfExists", "False"),
        ("BinaryEquals", "QmluYXJ5"),
        ("NumericEquals", "${aws:PrincipalTag/n}"),
        ("ArnLike", "arn:aws:iam::*:role/x"),
    ],
)
def test_values_that_a_condition_may_have(operator: str, value: Any) -> None:
    assert problems(policy({**OPEN, "Condition": {operator: {"aws:x": value}}})) == []


@pytest.mark.parametrize(("value", "wanted"), [(False, True), ("False", True), (True, False), ("true", False)])
def test_null_takes_a_boolean_and_its_text(value: Any, *, wanted: bool) -> None:
    text = policy({**OPEN, "Condition": {"Null": {"cleanrooms-ml:CollaborationId": value}}})
    assert problems(text) == []
    assert allows(text, REQUEST) is wanted


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_only_some_readers_take_is_no_policy(number: str) -> None:
    text = policy({**OPEN, "Condition": {"StringEquals": {"aws:x": 0}}}).replace(": 0", f": {number}")
    assert problems(text) == ["Member must be a valid JSON document"]


@given(st.text("ab*?", max_size=12), st.text("ab", max_size=12))
def test_wildcards_mean_what_a_regular_expression_says(pattern: str, found: str) -> None:
    parts = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    assert _like(found, pattern) is (re.fullmatch(".*".join(parts), found, re.DOTALL) is not None)


def test_no_pattern_takes_long() -> None:
    """Compared by backtracking, this would take longer than the universe has lasted."""
    began = time.process_time()
    assert not _like("e" * 2_000, "*e?" * 600 + "Q")
    assert not _like(MODEL, "arn:" + "*?" * 40 + "Q")
    assert time.process_time() - began < 2


@pytest.mark.parametrize("text", ["", "{", "[" * 5000, '{"a":' * 5000, "[]", "3", "\ud800"])
def test_what_is_no_policy_is_described(text: str) -> None:
    assert problems(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
)


@given(name=st.sampled_from(["Principal", "Action", "Resource", "Condition", "Effect", "NotAction"]), value=_JSON)
def test_a_deny_with_any_element_never_opens_what_it_does_not_rule_out(name: str, value: Any) -> None:
    """Whatever stands in an element: it is refused where it is put, or evaluated without an error."""
    text = policy(OPEN, {**OPEN, "Effect": "Deny", name: value})
    if problems(text):
        return
    assert isinstance(allows(text, REQUEST), bool)


@pytest.mark.parametrize(
    "text",
    [
        deny(
            Principal=None,
            NotPrincipal={"AWS": [f"arn:aws:iam::{GUEST}:user/bob", f"arn:aws:iam::{GUEST}:root"]},
        ),
        deny(Resource="arn:aws:cleanrooms-ml:*:111111111111:configured-audience-model/${aws:PrincipalTag/model}"),
        deny(Resource=None, NotResource=MODEL + "${aws:PrincipalTag/suffix}"),
    ],
)
def test_a_deny_whose_names_cannot_be_evaluated_refuses(text: str) -> None:
    assert problems(text) == []
    assert not allows(text, REQUEST)


@pytest.mark.parametrize(
    "principal",
    [
        {"aws": "*"},
        {"AWS": "arn:aws:iam::*:root"},
        {"AWS": [f"{GUEST} "]},
        {"AWS": "AIDAEXAMPLEEXAMPLE"},
        {"AWS": "root"},
    ],
)
def test_a_principal_that_aws_does_not_know_is_refused_where_it_is_put(principal: Any) -> None:
    assert problems(deny(Principal=principal)) == [
        'Statement 2: Principal must be "*" or an object of accounts, ARNs of identities, or services'
    ]


@pytest.mark.parametrize(
    "text",
    [
        policy(OPEN)[:-1] + ', "Statement": []}',
        policy(OPEN).replace('"Effect": "Allow"', '"Effect": "Deny", "Effect": "Allow"'),
    ],
)
def test_a_name_twice_is_no_policy(text: str) -> None:
    assert problems(text) == ["Member must be a valid JSON document"]
