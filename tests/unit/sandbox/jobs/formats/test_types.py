"""Glue's types of columns, and what they are in Arrow."""

from __future__ import annotations

import pyarrow as pa
import pytest

from sandbox.jobs.formats import types


@pytest.mark.parametrize(
    ("glue", "base"),
    [
        ("varchar(9)", "string"),
        ("array<int>", "array"),
        ("Integer", "int"),
        ("decimal(9,2)", "decimal"),
        ("long", "bigint"),
    ],
)
def test_glue_types_have_a_base(glue: str, base: str) -> None:
    assert types.base_type(glue) == base


def test_decimals_and_lists_have_arrow_types() -> None:
    assert types.arrow_type("decimal(9,2)") == pa.decimal128(9, 2)
    assert types.arrow_type("array<bigint>") == pa.list_(pa.int64())
