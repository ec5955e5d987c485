"""Encodings of text files: UTF-8, or a refusal that names the encoding."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.jobs.formats import text
from sandbox.jobs.formats.types import UnreadableError


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_wide_text_is_refused_by_name(encoding: str) -> None:
    body = "u-1,t-1,1735689600\n".encode(encoding)
    with pytest.raises(UnreadableError, match=f"the text is {encoding[:6].upper()}; only UTF-8 is read"):
        text.lines(body, {})


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")), st.booleans())
def test_utf_8_is_never_taken_for_anything_else(words: str, marked: bool) -> None:
    body = words.encode()
    plain = body.removeprefix(codecs.BOM_UTF8)
    assert text.utf8(codecs.BOM_UTF8 + plain if marked else plain) == plain


def test_zeros_may_separate_cells() -> None:
    assert text.lines(b"u1\0t1\nu2\0t2\n", {}) == [b"u1\0t1", b"u2\0t2"]
    assert text.lines(b"a\0b\0c\nd\0e\0f\n", {}) == [b"a\0b\0c", b"d\0e\0f"]


@pytest.mark.parametrize("encoding", ["ISO-8859-1", "utf-16", "GBK"])
def test_an_encoding_that_the_table_names_is_refused(encoding: str) -> None:
    with pytest.raises(UnreadableError, match=f"serialization.encoding is '{encoding}'; only UTF-8 is read"):
        text.lines(b"u-1\n", {"serialization.encoding": encoding})
    assert text.lines(b"u-1\n", {"serialization.encoding": "UTF-8"}) == [b"u-1"]
