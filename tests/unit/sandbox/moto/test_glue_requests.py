"""Which requests Glue takes: botocore's model says it, and nothing of another form reaches moto."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.moto.glue_requests import RefusedError, checked


def refusal(action: str, body: bytes) -> str:
    with pytest.raises(RefusedError) as caught:
        checked(f"AWSGlue.{action}", body)
    return f"{caught.value.code}: {caught.value}"


@pytest.mark.parametrize(
    ("action", "body", "wanted"),
    [
        ("CreateDatabase", b"", "InvalidInputException: DatabaseInput must not be null"),
        ("CreateDatabase", b'{"DatabaseInput": null}', "InvalidInputException: DatabaseInput must not be null"),
        ("CreateDatabase", b'{"DatabaseInput": {}}', "InvalidInputException: DatabaseInput.Name must not be null"),
        ("CreateTable", b"{}", "InvalidInputException: DatabaseName must not be null"),
        ("UpdateTable", b"{}", "InvalidInputException: DatabaseName must not be null"),
        ("GetDatabase", b'{"Name": ""}', "InvalidInputException: Name must have a length of 1 to 255"),
        ("GetDatabase", b'{"Name": []}', "SerializationException: Name must be of type string"),
        ("GetDatabase", b'{"Name": 1}', "SerializationException: Name must be of type string"),
        ("GetTables", b'{"DatabaseName": "d", "MaxResults": true}', "SerializationException: MaxResults must be of"),
        ("GetDatabases", b"[]", "SerializationException: The body is not a JSON object"),
        ("GetDatabases", b"\xef\xbb\xbf{}", "SerializationException: The body is not JSON in UTF-8"),
        ("GetDatabases", "{}".encode("utf-16"), "SerializationException: The body is not JSON in UTF-8"),
        ("GetDatabases", b'{"x": NaN}', "SerializationException: The body is not JSON in UTF-8"),
        ("GetDatabases", b'{"x": ' + b"[" * 5000 + b"]" * 5000 + b"}", "SerializationException: The body is not JSON"),
        ("CreateDatabase", b'{"DatabaseInput": {"Name": "\\ud800"}}', "SerializationException: The body is not JSON"),
        ("Nope", b"{}", "UnknownOperationException: X-Amz-Target names no operation of Glue"),
    ],
)
def test_what_glue_refuses(action: str, body: bytes, wanted: str) -> None:
    assert refusal(action, body).startswith(wanted)


@pytest.mark.parametrize("target", ["", "GetDatabases", "Other.GetDatabases", "AWSGlue.", "AWSGlue.GetDatabases.x"])
def test_a_target_of_nothing(target: str) -> None:
    with pytest.raises(RefusedError, match="names no operation of Glue"):
        checked(target, b"{}")


def test_a_value_that_would_break_every_later_list_is_refused() -> None:
    """Moto kept it, and answered each GetDatabases after it with 500."""
    deep: Any = []
    for _ in range(90):
        deep = [deep]
    body = json.dumps({"DatabaseInput": {"Name": "z", "Parameters": deep}}).encode()
    assert refusal("CreateDatabase", body) == "SerializationException: DatabaseInput.Parameters must be of type map"


def test_what_is_right_passes_and_nulls_are_left_out() -> None:
    columns = [{"Name": "a", "Type": "int", "Comment": None}]
    table = {"Name": "t", "Parameters": {"k": "v"}, "StorageDescriptor": {"Columns": columns}, "Retention": 1}
    body = json.dumps({"DatabaseName": "ä", "TableInput": table, "TransactionId": None, "ofLater": 1}).encode()
    assert json.loads(checked("AWSGlue.CreateTable", body)) == {
        "DatabaseName": "ä",
        "TableInput": {**table, "StorageDescriptor": {"Columns": [{"Name": "a", "Type": "int"}]}},
        "ofLater": 1,
    }


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
)


@given(st.sampled_from(["Name", "Parameters", "CreateTableDefaultPermissions", "TargetDatabase", "LocationUri"]), _JSON)
def test_whatever_stands_in_a_member(name: str, value: Any) -> None:
    body = json.dumps({"DatabaseInput": {"Name": "z", name: value}}).encode()
    try:
        passed = checked("AWSGlue.CreateDatabase", body)
    except RefusedError:
        return
    assert json.loads(passed)["DatabaseInput"]["Name"] == "z"
