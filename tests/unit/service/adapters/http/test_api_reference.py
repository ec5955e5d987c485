"""The page's JSON is documented, member by member."""

from pathlib import Path

import msgspec
import pytest

from service.adapters.http.api_reference import _meanings, _types, reference
from service.adapters.http.fleet_questions import PARAMETERS
from service.adapters.http.fleet_routes import PATHS

PAGE = Path(__file__).parents[5] / "docs" / "page-api.md"


def test_the_page_is_as_it_would_be_generated() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run `make render`"


@pytest.mark.parametrize("kind", _types(), ids=lambda kind: kind.__name__)
def test_every_member_has_a_meaning(kind: type[msgspec.Struct]) -> None:
    inherited = (
        {field.name for field in msgspec.structs.fields(kind.__mro__[1])} if kind.__mro__[2] is not object else set()
    )
    own = {field.name for field in msgspec.structs.fields(kind)} - inherited
    assert own == dict(_meanings(kind)).keys()


def test_every_address_and_parameter_is_there() -> None:
    text = reference()
    assert all(f"| `{name}` |" in text for name in (*PATHS, *PARAMETERS))
    assert "| `correlationId` | text |" in text
    assert "list of [CommandSummary](#commandsummary)" in text
    assert "| `endedAt` | time or null |" in text
