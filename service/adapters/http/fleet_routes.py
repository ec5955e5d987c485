"""Routes of the fleet page and its JSON, for GET only; nothing here changes anything."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import msgspec
from aiohttp import web

from service.adapters.http import fleet_details, fleet_pages
from service.adapters.http.assets import Assets
from service.adapters.http.fleet_questions import PARAMETERS, InvalidQuestion, query
from service.adapters.http.markup import Markup
from service.runtime.fleet_answers import ErrorAnswer
from service.runtime.fleet_view import FleetView

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""The Content-Security-Policy of pages: files of this server, no inline script or style, nothing of other hosts."""

STREAMS: Final = 32
"""Pages that hear of changes at a time; another one refreshes by itself every few seconds."""
ABREAST: Final = 2
"""Answers that are made at a time: each takes up to some 20 ms of the event loop, which calls and heartbeats need."""
WAITING: Final = 100
"""Requests that wait for their turn; further ones are refused."""
_SOONEST: Final = 1.0
"""Seconds between two notices of a change."""
_KEEP_ALIVE: Final = 10.0
"""Seconds without a change after which a stream shows that it lives."""
_RESOURCE_COMMANDS: Final = {"state": "all"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PATHS: Final = {
    "/api": "the addresses below",
    "/api/overview": "numbers by state, what needs a person, replicas",
    "/api/commands": "a page of commands",
    "/api/commands/{source}/{id}": "one command, with its timeline",
    "/api/resources/{arn}": "one resource, and a page of its commands",
    "/api/targets": "targets: budgets, slots, last answer and error",
    "/api/partitions": "partitions: owner, state, lag, restore",
    "/api/stream": "server-sent events: `change`, with the number of the latest change",
}
"""Every address of the JSON, and what it answers."""


class Admission:
    """Lets a few answers be made at a time: however many ask, others of the event loop have their turn in between."""

    def __init__(self) -> None:
        self._turns = asyncio.Semaphore(ABREAST)
        self._asked = 0

    def __call__(self, answer: Handler) -> Handler:
        """The same answer, in turn."""

        async def answered(request: web.Request) -> web.StreamResponse:
            if self._asked >= ABREAST + WAITING:
                return _refused("too many requests wait already; ask again later", 503)
            self._asked += 1
            try:
                async with self._turns:
                    response = await answer(request)
                    await asyncio.sleep(0)
                    return response
            finally:
                self._asked -= 1

        return answered


class FleetRoutes:
    """Serves the pages and the JSON.

    Args:
        view: Answers.
    """

    def __init__(self, view: FleetView) -> None:
        self._view = view
        self._assets = Assets()
        self._streams = 0
        self._in_turn = Admission()
        self._closing = asyncio.Event()

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        return [
            web.get("/", self._in_turn(self._fleet)),
            web.get("/command", self._in_turn(self._command_page)),
            web.get("/resource", self._in_turn(self._resource_page)),
            web.get("/api", self._index),
            web.get("/api/overview", self._in_turn(self._overview)),
            web.get("/api/commands", self._in_turn(self._commands)),
            web.get("/api/commands/{source}/{id}", self._in_turn(self._command)),
            web.get("/api/resources/{arn}", self._in_turn(self._resource)),
            web.get("/api/targets", self._in_turn(self._targets)),
            web.get("/api/partitions", self._in_turn(self._partitions)),
            web.get("/api/stream", self._stream, allow_head=False),
            *self._assets.routes(),
        ]

    async def close(self, _app: web.Application | None = None) -> None:
        """Ends all streams."""
        self._closing.set()

    # Pages

    async def _fleet(self, request: web.Request) -> web.Response:
        given = _parameters(request)
        try:
            commands = await self._view.commands.commands(query(given))
        except InvalidQuestion as error:
            return self._page("Not understood", fleet_details.missing_page(str(error)), 400)
        overview, targets, partitions = self._view.overview(), self._view.targets(), self._view.partitions()
        asked = {name: value for name, value in given.items() if value}
        content = fleet_pages.fleet(overview, commands, targets, partitions, asked, self._view.names)
        return self._page("Fleet", content)

    async def _command_page(self, request: web.Request) -> web.Response:
        source, command_id = request.query.get("source", ""), request.query.get("id", "")
        command = await self._view.commands.command(source, command_id)
        if command is None:
            what = f"No command {command_id!r} of source {source!r} is known: it never came, or was forgotten."
            return self._page("Not known", fleet_details.missing_page(what), 404)
        return self._page(command_id, fleet_details.command_page(command, self._now()))

    async def _resource_page(self, request: web.Request) -> web.Response:
        resource_id = request.query.get("id", "")
        resource = await self._view.commands.resource(resource_id, query(_RESOURCE_COMMANDS)) if resource_id else None
        if resource is None:
            what = f"No command about {resource_id!r} is known: it was made by something else, or was forgotten."
            return self._page("Not known", fleet_details.missing_page(what), 404)
        return self._page(resource_id, fleet_details.resource_page(resource, self._now()))

    def _page(self, title: str, content: list[Markup], status: int = 200) -> web.Response:
        identity = self._view.identity()
        text = fleet_pages.document(title, identity, self._assets.addresses, *content)
        headers = {"Content-Security-Policy": POLICY, "X-Now": identity.now.isoformat() if identity.now else ""}
        return web.Response(text=text, content_type="text/html", status=status, headers=headers)

    def _now(self) -> datetime | None:
        return self._view.identity().now

    # JSON

    async def _index(self, _request: web.Request) -> web.Response:
        return _json({"addresses": PATHS, "parameters": PARAMETERS})

    async def _overview(self, _request: web.Request) -> web.Response:
        return _json(self._view.overview())

    async def _commands(self, request: web.Request) -> web.Response:
        try:
            asked = query(_parameters(request))
        except InvalidQuestion as error:
            return _refused(str(error), 400)
        return _json(await self._view.commands.commands(asked))

    async def _command(self, request: web.Request) -> web.Response:
        source, command_id = request.match_info["source"], request.match_info["id"]
        command = await self._view.commands.command(source, command_id)
        return _json(command) if command is not None else _refused("no such command is known", 404)

    async def _resource(self, request: web.Request) -> web.Response:
        try:
            asked = query({**_RESOURCE_COMMANDS, **_parameters(request)})
        except InvalidQuestion as error:
            return _refused(str(error), 400)
        resource = await self._view.commands.resource(request.match_info["arn"], asked)
        return _json(resource) if resource is not None else _refused("no such resource is known", 404)

    async def _targets(self, _request: web.Request) -> web.Response:
        return _json(self._view.targets())

    async def _partitions(self, _request: web.Request) -> web.Response:
        return _json(self._view.partitions())

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self._streams >= STREAMS or self._closing.is_set():
            return _refused("too many pages listen already; ask for what you need instead", 503)
        self._streams += 1
        try:
            response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
            await response.prepare(request)
            with suppress(ConnectionError):
                await self._send_changes(response)
            return response
        finally:
            self._streams -= 1

    async def _send_changes(self, response: web.StreamResponse) -> None:
        await response.write(b"retry: 2000\n\n")
        with self._view.history.listening() as changed:
            while not self._closing.is_set():
                if await self._first_of(changed, _KEEP_ALIVE):
                    changed.clear()
                    await response.write(b"event: change\ndata: %d\n\n" % self._view.history.version)
                    await self._first_of(self._closing, _SOONEST)
                else:
                    await response.write(b": still here\n\n")

    async def _first_of(self, event: asyncio.Event, seconds: float) -> bool:
        """Waits for an event, for the end of the server, or for the time to pass; whether it was the event."""
        waits = [asyncio.create_task(each.wait()) for each in {event, self._closing}]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return event.is_set()


def _parameters(request: web.Request) -> Mapping[str, str]:
    """Parameters of an address; one that is given twice is not understood."""
    for name in request.query:
        if len(request.query.getall(name)) > 1:
            return {**request.query, f"{name} (twice)": ""}
    return request.query


def _json(answer: Any) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


def _refused(error: str, status: int) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(ErrorAnswer(error=error)), content_type="application/json", status=status
    )
