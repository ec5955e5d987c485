"""What a request asks for: its parameters, checked. Nothing that is unknown is ignored."""

from collections.abc import Mapping
from typing import Final

from schemas.operations import COMMANDS
from service.core.command_state import ENDED, OPEN, CommandState
from service.runtime.catalogue import MOST, Cursor, InvalidCursor, Query
from service.settings.tenants import recorded_name

_GROUPS: Final = {"open": frozenset(OPEN), "ended": frozenset(ENDED), "all": frozenset(CommandState)}
STATES: Final = (*_GROUPS, *(state.value for state in CommandState))
"""What `state` may be."""
ORDERS: Final = ("oldest", "newest")
"""What `order` may be: of the open commands; of the ended ones, the latest always come first."""
LONGEST: Final = 300
"""Characters of a text to search for, at most."""
PARAMETERS: Final = ("state", "q", "operation", "target", "tenant", "order", "limit", "cursor")
"""Parameters of a list of commands."""


class InvalidQuestion(ValueError):
    """A request has a parameter that can't be used; the message says which, and what is expected."""


def query(given: Mapping[str, str], usual: int = 50) -> Query:
    """The commands that a request asks for.

    Args:
        given: Parameters; empty ones count as not given.
        usual: Commands on a page, unless the request says so.

    Raises:
        InvalidQuestion: A parameter is unknown, or its value is.
    """
    if unknown := sorted(given.keys() - set(PARAMETERS)):
        raise InvalidQuestion(f"unknown parameter {unknown[0]!r:.100}; known are {', '.join(PARAMETERS)}")
    asked = {name: value for name, value in given.items() if value}
    text = asked.get("q", "").strip()
    if len(text) > LONGEST:
        raise InvalidQuestion(f"q has {len(text)} characters; at most {LONGEST} are searched for")
    state = _one_of("state", asked.get("state", "open"), STATES)
    tenant = asked.get("tenant")
    return Query(
        states=_GROUPS.get(state) or frozenset({CommandState(state)}),
        text=text,
        operation=_one_of("operation", asked["operation"], COMMANDS) if "operation" in asked else "",
        target=asked.get("target", ""),
        tenant=None if tenant is None else recorded_name(tenant),
        newest=_one_of("order", asked.get("order", ORDERS[0]), ORDERS) == "newest",
        limit=_limit(asked.get("limit"), usual),
        cursor=_cursor(asked.get("cursor")),
    )


def _one_of(name: str, value: str, values: Mapping[str, object] | tuple[str, ...]) -> str:
    if value not in values:
        raise InvalidQuestion(f"{name} is {value!r:.100}; it can be {', '.join(values)}")
    return value


def _limit(value: str | None, usual: int) -> int:
    if value is None:
        return usual
    if not (value.isascii() and value.isdigit()) or len(value) > 6 or not 1 <= int(value) <= MOST:
        raise InvalidQuestion(f"limit is {value!r:.100}; it can be 1 to {MOST}")
    return int(value)


def _cursor(value: str | None) -> Cursor | None:
    if value is None:
        return None
    try:
        return Cursor.decode(value)
    except InvalidCursor as error:
        raise InvalidQuestion(str(error)) from error
