"""``python -m service watch``: replies and events as they come."""

import time
from contextlib import aclosing
from typing import Annotated

from cyclopts import Parameter

from service.cli import console
from service.cli.browse import Tenant, component
from service.cli.console import EXIT_USAGE, CommandId, SettingsFile, print_error
from service.cli.following import Lines, Wait, Watched, follow, screen, seconds_of
from service.operator.commands.reading import published
from service.operator.dead_letters.dead_letter import moment
from service.settings import Settings


def watch(
    *command_ids: CommandId,
    source: str | None = None,
    correlation: str | None = None,
    since: str | None = None,
    wait: Annotated[Wait, Parameter(metavar="[TIME]")] = False,
    tenant: Tenant = None,
    json: bool = False,
    settings: SettingsFile = None,
) -> int:
    """Watch replies and events as they come; of the commands that are named, until all have ended.

    The exit code says the outcome of those that are named, as that of send does.

    Args:
        command_ids: Ids of commands; all commands if there is none, until Ctrl-C.
        source: Only commands from this source.
        correlation: Only commands with this correlation id.
        since: Begin with what was published since: 2025-01-31T12:00:00Z, or an age: 90s, 30m, 2h, 7d.
        wait: For this time at most: 90, 90s, 30m, 2h.
        tenant: See --help.
        json: One JSON object per line, for other programs.
        settings: Settings file.
    """
    try:
        seconds = seconds_of(wait)
        start = None if since is None else moment(since, time.time())
    except ValueError as error:
        print_error(str(error))
        return EXIT_USAGE
    ids = {(source or "", each): "" for each in command_ids}
    watched = Watched(ids or None, source=source, correlation=correlation)
    return console.run(
        settings, lambda loaded: _watch(loaded, watched, start, seconds, tenant, json), component(tenant)
    )


async def _watch(
    settings: Settings, watched: Watched, since: float | None, seconds: float | None, tenant: str | None, as_json: bool
) -> int:
    shown = screen(watched, as_json=as_json, table=watched.named)
    async with published(settings, tenant) as source:
        starts = await source.ends()
        if watched.named or since is not None:
            async with aclosing(source.notices(since)) as notices:
                earlier = sorted(watched.take([notice async for notice in notices]), key=lambda notice: notice.time)
            if isinstance(shown, Lines):
                shown.news(earlier)
        return await follow(source, starts, watched, shown, seconds)
