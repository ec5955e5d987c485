"""Names of databases and tables on their way to Glue."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.glue_names import folded


def fold(action: str, document: Any) -> Any:
    return json.loads(folded(f"AWSGlue.{action}", json.dumps(document).encode()))


@pytest.mark.parametrize(
    ("action", "sent", "kept"),
    [
        ("GetTable", {"DatabaseName": "Films", "Name": "Ratings"}, {"DatabaseName": "films", "Name": "ratings"}),
        ("GetTables", {"DatabaseName": "FILMS", "Expression": "R*"}, {"DatabaseName": "films", "Expression": "R*"}),
        ("GetDatabase", {"Name": "FilmsÄ"}, {"Name": "filmsä"}),
        (
            "CreateDatabase",
            {"DatabaseInput": {"Name": "F", "Description": "D"}},
            {"DatabaseInput": {"Name": "f", "Description": "D"}},
        ),
        ("GetPartitions", {"DatabaseName": "F", "TableName": "T"}, {"DatabaseName": "f", "TableName": "t"}),
        ("BatchDeleteTable", {"TablesToDelete": ["A", "b", 7]}, {"TablesToDelete": ["a", "b", 7]}),
        ("GetJob", {"Name": "MyJob"}, {"Name": "MyJob"}),
        ("GetCrawler", {"Name": "C", "DatabaseName": "F"}, {"Name": "C", "DatabaseName": "f"}),
        ("GetTable", {"DatabaseName": None, "Name": ["X"]}, {"DatabaseName": None, "Name": ["X"]}),
        ("GetTable", {"DatabaseInput": "X", "TablesToDelete": "X"}, {"DatabaseInput": "X", "TablesToDelete": "X"}),
    ],
)
def test_names_of_databases_and_tables_fold_and_no_others(action: str, sent: Any, kept: Any) -> None:
    assert fold(action, sent) == kept


def test_columns_partition_keys_and_values_stay_as_they_are() -> None:
    columns = [{"Name": "User_Id", "Type": "String"}]
    storage = {"Columns": columns, "Location": "s3://B/K", "SerdeInfo": {"Name": "CSV"}}
    table = {"Name": "Ratings", "StorageDescriptor": storage, "PartitionKeys": [{"Name": "Day"}]}
    found = fold("CreateTable", {"DatabaseName": "F", "TableInput": table})
    assert found == {"DatabaseName": "f", "TableInput": {**table, "Name": "ratings"}}


def test_an_empty_body_is_an_empty_request() -> None:
    assert json.loads(folded("AWSGlue.GetDatabases", b"")) == {}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "not a JSON object"),
        (b"3", "not a JSON object"),
        (b"[" * 100_000, "nested too deeply"),
        (b"{", "Expecting"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_body_that_is_no_object_is_refused(body: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        folded("AWSGlue.GetTable", body)


@given(st.text(), st.text())
def test_folding_twice_folds_no_more(database: str, table: str) -> None:
    once = fold("GetTable", {"DatabaseName": database, "Name": table})
    assert fold("GetTable", once) == once
