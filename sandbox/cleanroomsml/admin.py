"""The sandbox's own endpoints, under /_sandbox/: inspect the state, and arm faults. No S3 bucket can have that name."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from sandbox.cleanroomsml.faults import Faults
from sandbox.cleanroomsml.request_log import RequestLog
from sandbox.cleanroomsml.resources import Resource
from sandbox.cleanroomsml.store import Store

PREFIX: Final = "/_sandbox/"
_HERE: Final = Path(__file__).parent
_PROTECTED: Final = {
    "Content-Security-Policy": "default-src 'self'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_HIDDEN: Final = frozenset({"seedAudience"})


class Admin:
    """Answers the admin endpoints, by a table of method and path."""

    def __init__(
        self,
        store: Store,
        request_log: RequestLog,
        faults: Faults,
        health: Callable[[], Mapping[str, Any]],
        reset: Callable[[], Awaitable[None]],
    ) -> None:
        self._store, self._request_log, self._faults, self._health, self._begin_again = (
            store,
            request_log,
            faults,
            health,
            reset,
        )
        self._routes: dict[tuple[str, str], Callable[[web.Request], Awaitable[web.Response]]] = {
            ("GET", ""): lambda _: _asset("page.html", "text/html"),
            ("GET", "page.js"): lambda _: _asset("page.js", "text/javascript"),
            ("GET", "health"): self._get_health,
            ("GET", "requests"): self._get_requests,
            ("GET", "state"): self._get_state,
            ("GET", "faults"): self._get_faults,
            ("POST", "faults"): self._arm,
            ("DELETE", "faults"): self._clear,
            ("POST", "remove"): self._remove,
            ("POST", "reset"): self._reset,
        }

    async def serve(self, request: web.Request) -> web.Response:
        """Answer one request."""
        route = self._routes.get((request.method, request.path.removeprefix(PREFIX)))
        if route is None:
            known = ", ".join(f"{method} {PREFIX}{path}" for method, path in self._routes)
            return web.json_response({"message": f"no such endpoint; known: {known}"}, status=404)
        return await route(request)

    async def _get_health(self, _request: web.Request) -> web.Response:
        return web.json_response(dict(self._health()))

    async def _get_requests(self, request: web.Request) -> web.Response:
        """`?after=N` skips the first N; `?operation=Name` and `?account=N` keep one operation and account."""
        try:
            after = int(request.query.get("after", "0"))
        except ValueError:
            return web.json_response({"message": "after must be a number"}, status=400)
        query = request.query
        entries = self._request_log.entries(after, query.get("operation"), query.get("account"))
        return web.json_response({"requests": entries, "total": len(self._request_log)})

    async def _get_state(self, request: web.Request) -> web.Response:
        """`?account=N` keeps one account."""
        account = request.query.get("account")
        kept = (each for each in self._store if account in {None, each.account})
        return web.json_response({"resources": [_describe(each) for each in kept]})

    async def _get_faults(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": self._faults.listing()})

    async def _arm(self, request: web.Request) -> web.Response:
        try:
            spec = json.loads(await request.read())
            fault = self._faults.arm(spec if isinstance(spec, dict) else {})
        except (ValueError, RecursionError) as error:
            return web.json_response({"message": str(error)}, status=400)
        return web.json_response({"id": fault.id}, status=201)

    async def _clear(self, request: web.Request) -> web.Response:
        """`?account=N` disarms only that account's."""
        self._faults.clear(request.query.get("account"))
        return web.json_response({})

    async def _reset(self, _request: web.Request) -> web.Response:
        """Everything is gone: resources, faults, the request log, S3, Glue and IAM."""
        await self._begin_again()
        return web.json_response({})

    async def _remove(self, request: web.Request) -> web.Response:
        """`{"arn": ...}` is gone at once, in any state: another client has deleted it."""
        try:
            found = self._store.find(str(json.loads(await request.read())["arn"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            found = None
        if found is None:
            return web.json_response({"message": "arn must name a resource"}, status=404)
        self._store.remove(found)
        return web.json_response({})


async def _asset(name: str, content_type: str) -> web.Response:
    """Answer with a file of the page, which may load nothing from elsewhere and run nothing but its own script."""
    text = await asyncio.to_thread(_HERE.joinpath(name).read_text, "utf-8")
    return web.Response(text=text, content_type=content_type, headers=_PROTECTED)


def _describe(resource: Resource) -> dict[str, Any]:
    """Describe a resource in full, but for the seed, whose SQL is sensitive."""
    members = {
        name: value if isinstance(value, str | int | float | dict | list) else value.isoformat()
        for name, value in resource.attributes.items()
        if name not in _HIDDEN
    }
    own = {
        "arn": resource.arn,
        "kind": resource.kind.name,
        "account": resource.account,
        "region": resource.region,
        "history": [[status, at.isoformat()] for status, at in resource.history],
    }
    return own | members
