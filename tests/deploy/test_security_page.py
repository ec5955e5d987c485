"""The security page names tests; a name that leads nowhere would be a promise that nobody keeps."""

import re
from pathlib import Path

PAGE = Path("docs/security.md")


def test_every_named_test_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text())
    assert len(named) > 20
    for file, function in named:
        source = Path(file).read_text()
        assert not function or re.search(rf"^(async )?def {function}\(", source, re.MULTILINE), f"{file}::{function}"


def test_every_threat_has_a_proof() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "| control |" not in line]
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row and "`make " not in row] == []
