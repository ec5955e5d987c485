"""Settings of polling: how often AWS is asked how things stand."""

from typing import Annotated, Any, Final

from pydantic import BeforeValidator, field_validator

from schemas.operations import RESOURCES
from service.settings.base import Seconds, SettingsGroup, hyphenated, one_of


class PollInterval(SettingsGroup):
    """How often a resource is polled."""

    first: Seconds = 10.0
    """Interval at first."""
    later: Seconds = 60.0
    """Interval later."""
    after: Seconds = 300.0
    """Age of the resource at which the later interval begins."""


DEFAULT_PACES: Final = {
    "audience-model": PollInterval(first=60.0, later=300.0, after=600.0),
    "audience-generation-job": PollInterval(first=15.0, later=60.0, after=300.0),
    "audience-export-job": PollInterval(first=10.0, later=60.0, after=300.0),
}
"""By resource kind; a training takes up to a day, a generation or an export minutes."""


def _all_kinds(value: Any) -> Any:
    """Adds the kinds and members that were not given."""
    given = hyphenated(value)
    if not isinstance(given, dict):
        return given
    merged: dict[str, Any] = dict(DEFAULT_PACES)
    for kind, pace in given.items():
        known = DEFAULT_PACES.get(kind)
        merged[kind] = {**known.model_dump(), **pace} if known and isinstance(pace, dict) else pace
    return merged


class Polling(SettingsGroup):
    """How often AWS is polled."""

    tick: Seconds = 1.0
    """How often due polls are combined into requests."""
    kinds: Annotated[dict[str, PollInterval], BeforeValidator(_all_kinds), one_of(RESOURCES)] = DEFAULT_PACES
    """Interval by resource kind."""
    removal: PollInterval = PollInterval()
    """Interval while a resource is being deleted."""
    shared: bool = False
    """Whether one replica lists a kind for all, through `topics.lists`; needs `runtime.standby`. If not, each replica
    lists for its own jobs."""

    @field_validator("kinds")
    @classmethod
    def _known(cls, value: dict[str, PollInterval]) -> dict[str, PollInterval]:
        unknown = sorted(set(value) - set(RESOURCES))
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(RESOURCES))}")
        return value
