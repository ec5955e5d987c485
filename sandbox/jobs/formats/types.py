"""Types of columns, as Glue writes them, and what they are in Arrow."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

_ARROW: Mapping[str, pa.DataType] = {
    "string": pa.string(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "double": pa.float64(),
    "boolean": pa.bool_(),
    "timestamp": pa.timestamp("us"),
    "date": pa.date32(),
}
_SYNONYMS = {
    "integer": "int",
    "long": "bigint",
    "varchar": "string",
    "char": "string",
    "bool": "boolean",
    "real": "float",
}
_DECIMAL = re.compile(r"decimal(?:\(\s*([0-9]+)\s*(?:,\s*([0-9]+)\s*)?\))?")
_ARRAY = re.compile(r"array\s*<(.+)>", re.DOTALL)
_BOUNDED = re.compile(r"(varchar|char)\s*\(\s*([0-9]+)\s*\)")


class UnreadableError(ValueError):
    """A file is not what Glue says, or not what its format demands; the message has position and type, no value."""


class UnsupportedTypeError(UnreadableError):
    """The sandbox does not read columns of this type."""


def base_type(glue_type: str) -> str:
    """Glue type without its parameters: ``array<string>`` -> ``array``, ``varchar(9)`` -> ``string``."""
    name = re.split(r"[(<]", glue_type, maxsplit=1)[0].strip().lower()
    return _SYNONYMS.get(name, name)


def arrow_type(glue_type: str) -> pa.DataType:
    """Arrow's type for a Glue type.

    Raises:
        UnsupportedTypeError: a map, struct, union, binary, or something unknown.
    """
    written = glue_type.strip().lower()
    if item := element(written):
        return pa.list_(arrow_type(item))
    if decimal := _DECIMAL.fullmatch(written):
        precision, scale = int(decimal[1] or 10), int(decimal[2] or 0)
        if 1 <= precision <= 38 and scale <= precision:
            return pa.decimal128(precision, scale)
    found = _ARROW.get(base_type(written))
    if found is None:
        raise UnsupportedTypeError(f"columns of type {written} are not read by the sandbox")
    return found


def element(glue_type: str) -> str | None:
    """Type of an array's elements; None if this is no array."""
    array = _ARRAY.fullmatch(glue_type.strip())
    return array[1].strip() if array else None


def bounded(text: pa.Array, glue_type: str) -> pa.Array:
    """Strings cut to the length of a ``varchar(n)`` or ``char(n)``; of the latter, trailing blanks do not count."""
    bound = _BOUNDED.fullmatch(glue_type.strip().lower())
    if bound is None:
        return text
    cut = pc.utf8_slice_codeunits(text, 0, int(bound[2]))
    return pc.utf8_rtrim(cut, " ") if bound[1] == "char" else cut
