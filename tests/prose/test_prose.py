"""No worn-out words in what people read: documentation, messages, and the docstrings of the packages that are done."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.prose import texts, words

ROOT = Path(__file__).parents[2]

DOCSTRINGS = ("deploy/", "helm/", "sandbox/", "schemas/", "service/")
"""Where docstrings are rewritten."""


def worn_out(found: Iterable[texts.Text]) -> list[str]:
    return [
        f"{text.where}: {word!r} in ...{around}...; write {words.WORDS[word][1]}"
        for text in found
        for word, around in words.found(text.words)
    ]


def test_documentation() -> None:
    assert worn_out(texts.pages(ROOT)) == []


def test_messages() -> None:
    """Help, log events, metric help, errors, alerts, and the reference of the settings."""
    assert worn_out(texts.messages(ROOT)) == []


def test_docstrings() -> None:
    assert worn_out(text for text in texts.docstrings(ROOT) if text.where.startswith(DOCSTRINGS)) == []


def test_comments() -> None:
    assert worn_out(texts.comments(ROOT)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the service looks at AWS", ["look"]),
        ("look up a key of the lookalike model", []),
        ("nobody may be told", ["nobody", "tell"]),
        ("a dead letter is not a letter", ["letter"]),
        ("in place; takes place; a place for it", ["place"]),
        ("it may not send; it might not", ["may not"]),
        ("for so long; so long as it runs; so many that it fails", ["so many"]),
    ],
)
def test_the_list(text: str, expected: list[str]) -> None:
    assert [word for word, _ in words.found(text)] == expected


def test_code_is_not_prose(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("`look` at [it](place.md)\n\n```\nlook\n```\n", encoding="utf-8")
    (page,) = texts.pages(tmp_path)
    assert [word for word, _ in words.found(page.words)] == []
    assert words.count(page.words) == 2


def test_docstrings_and_messages_are_apart(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    source = (
        '"""A docstring of it."""\n\nNAME = "x"\n"""What the name is."""\n\nraise ValueError("this is a message")\n'
    )
    (tmp_path / "service" / "module.py").write_text(source, encoding="utf-8")
    assert [text.words for text in texts.messages(tmp_path)] == ["this is a message"]
    assert [text.words for text in texts.docstrings(tmp_path)] == ["A docstring of it.", "What the name is."]


def test_comments_on_lines_that_follow_each_other_are_one(tmp_path: Path) -> None:
    (tmp_path / "service").mkdir()
    source = "# one that\n# goes on\n\nx = 1  # another\ny = '# none'\n"
    (tmp_path / "service" / "module.py").write_text(source, encoding="utf-8")
    found = [(text.where, text.words) for text in texts.comments(tmp_path)]
    assert found == [("service/module.py:1", "one that goes on"), ("service/module.py:4", "another")]
