"""The reference pages: a page for each command, and constraints in words."""

import re
from typing import Any

import pytest

from schemas import documented_rules
from schemas.docs import client_examples, descriptions, reference, render
from schemas.docs.reference import constraints
from schemas.operations import COMMANDS, OPERATIONS, SERVICE_COMMANDS


def test_there_is_a_page_for_every_command_and_the_index_links_them() -> None:
    files = render.files()
    for name in COMMANDS:
        assert f"({name}.md)" in files[f"{render.PAGES}/README.md"]
        page = files[f"{render.PAGES}/{name}.md"]
        assert page.count("```") == 2 * len(client_examples.TITLES)
        assert COMMANDS[name].command_type in page


def test_a_page_tells_members_constraints_errors_and_rights() -> None:
    page = reference.page("CreateConfiguredAudienceModel")
    assert "| `minMatchingSeedSize` |  | integer; 25 to 500000 |" in page
    assert "| `outputConfig.destination.s3Destination.s3Uri` | yes |" in page
    assert "| `audienceSizeConfig.audienceSizeBins` | yes | array; 1 to 25 items; all different |" in page
    assert "Sizes are unique." in page
    assert "`ServiceQuotaExceededException` (402)" in page
    assert "`iam:PassRole`" in page
    assert "`ListConfiguredAudienceModels` is searched" in page


def test_every_rule_has_words() -> None:
    assert {rule.check.__name__ for rule in documented_rules.RULES} == set(reference.RULE_WORDS)


def test_the_table_has_every_command() -> None:
    rows = {row["operation"]: row for row in descriptions.operations()}
    assert set(rows) == set(COMMANDS)
    for name in OPERATIONS:
        assert rows[name]["iamAction"] in rows[name]["iamActions"]
        assert rows[name]["errors"]
    for name in SERVICE_COMMANDS:
        assert rows[name]["iamAction"] is None
    page = reference.operations_page()
    assert all(f"| {name} |" in page for name in COMMANDS)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "string", "minLength": 0, "maxLength": 9}, "string; at most 9 characters"),
        ({"type": "string", "minLength": 1, "maxLength": 1}, "string; exactly 1 character"),
        ({"type": "string", "minLength": 2, "maxLength": 9}, "string; 2 to 9 characters"),
        ({"type": "array", "minItems": 1}, "array; at least 1 items"),
        ({"type": "object", "maxProperties": 50}, "object; at most 50 members"),
        ({"type": "integer", "minimum": 25, "maximum": 500}, "integer; 25 to 500"),
        ({"type": "string", "enum": ["A", "B"]}, "string; one of `A`, `B`"),
        ({"type": "string", "pattern": "^(?:a|b)$"}, "string; matches `a\\|b`"),
        ({"type": "string", "pattern": "^a$"}, "string; matches `a`"),
        ({"type": "string", "pattern": "^x$", "format": "date-time"}, "string; an RFC 3339 timestamp"),
        ({"type": "string", "examples": ["x"]}, "string; such as `x`"),
        ({"type": "array", "uniqueItems": True}, "array; all different"),
    ],
)
def test_constraints_in_words(schema: dict[str, Any], words: str) -> None:
    assert constraints(schema).startswith(words)
    if "format" not in schema:
        assert constraints(schema) == words


def test_every_row_of_a_table_has_the_cells_of_its_head() -> None:
    for name in COMMANDS:
        lines = [line for line in reference.page(name).splitlines() if line.startswith("|")]
        cells = [len(re.findall(r"(?<!\\)\|", line)) for line in lines]
        assert set(cells) <= {4}, name


def test_a_command_of_the_service_has_its_own_rules_and_needs_the_rights_of_what_it_does() -> None:
    page = reference.page("TrackResource")
    assert "`untilStatus` of `audience-model`: " in page
    assert "`cleanrooms-ml:GetAudienceModel`" in page
    assert "None of its own." in reference.page("ResolveCommand")
    assert "`resourceArn` is given only with the resolution `adopt`" in reference.page("ResolveCommand")


def test_a_command_without_members_says_so() -> None:
    pages = {name: reference.page(name) for name in COMMANDS}
    assert all(("None: send `{}`." in page) != ("| member | needed | constraints |" in page) for page in pages.values())
