"""The HTTP server: ``/startupz``, ``/livez``, ``/readyz``, ``/metrics`` and the pages, for GET only.

The pages may have a port of their own: the fleet's at ``/``, this replica's internals at ``/replica``.
"""

import socket
from collections.abc import Callable, Iterable, Mapping
from errno import EADDRINUSE
from typing import Any, Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.openmetrics import exposition as openmetrics

from service.adapters.http.fleet_routes import Admission, FleetRoutes
from service.adapters.http.liveness import Liveness
from service.adapters.http.page import POLICY, render

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Server": "cleanroomsml-service",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

_OWN: Final = frozenset({"Cache-Control", "Content-Security-Policy"})
"""Headers that an answer may have otherwise: the fleet's pages have a script, and their files never change."""

_OPENMETRICS: Final = "application/openmetrics-text"

Status = Mapping[str, Any]
"""What is shown: ``ready`` and ``started`` (bool), ``superseded`` (why another process owns this instance id, if one
does), ``shards`` (name -> mapping), ``halted`` (name -> reason), ``jobs`` (phase -> number), ``targets`` (name ->
mapping), and anything else that is a mapping of plain values."""


class ListenError(OSError):
    """An address and port can't be listened on; the message says which, why, and what to do."""


class StatusServer:
    """Serves what others need to watch the service.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 lets the system choose.
        status: Gives the present status, for the page.
        readiness: Gives the part of it that the probes of readiness and start need; all of it unless given.
        metrics: Gives the metrics in Prometheus' text format.
        as_openmetrics: Gives them as OpenMetrics, for who asks for that.
        liveness: Decides the liveness probe.
        page: Address and port of the pages alone; None puts them beside the others.
        fleet: The pages of the whole fleet; without them, the page of this replica is all there is.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        status: Callable[[], Status],
        metrics: Callable[[], bytes],
        liveness: Liveness,
        as_openmetrics: Callable[[], bytes] | None = None,
        readiness: Callable[[], Status] | None = None,
        page: tuple[str, int] | None = None,
        fleet: FleetRoutes | None = None,
    ) -> None:
        self._fleet = fleet
        self._address = (host, port)
        self._page_address = page
        self._status = status
        self._readiness = readiness or status
        self._metrics = metrics
        self._openmetrics = as_openmetrics
        self._liveness = liveness
        self._runners: list[web.AppRunner] = []

    async def start(self) -> str:
        """Listens.

        Returns:
            Address and port of the probes, as in a URL.

        Raises:
            ListenError: A port is taken or not ours to use.
        """
        probes = {"/startupz": self._startupz, "/livez": self._livez, "/readyz": self._readyz}
        routes = [web.get(path, probe) for path, probe in probes.items()]
        in_turn = Admission()
        routes.append(web.get("/metrics", in_turn(self._show_metrics)))
        pages = [web.get("/", in_turn(self._page))]
        if self._fleet is not None:
            pages = [web.get("/replica", in_turn(self._page)), *self._fleet.routes()]
        if self._page_address is None:
            return await self._listen("http.host and http.port", self._address, [*routes, *pages])
        listens = await self._listen("http.host and http.port", self._address, routes)
        await self._listen("http.page_host and http.page_port", self._page_address, pages)
        return listens

    async def _listen(self, names: str, address: tuple[str, int], routes: Iterable[web.RouteDef]) -> str:
        app = web.Application()
        app.on_response_prepare.append(_protect)
        if self._fleet is not None:
            app.on_shutdown.append(self._fleet.close)
        app.router.add_routes(routes)
        runner = web.AppRunner(app, access_log=None)
        self._runners.append(runner)
        await runner.setup()
        try:
            await _site(runner, *address).start()
        except UnicodeError as error:
            raise ListenError(f"{_joined(*address)} can't be listened on: {error}; check {names}") from error
        except OSError as error:
            reason = "is in use by another process" if error.errno == EADDRINUSE else f"can't be listened on: {error}"
            raise ListenError(f"{_joined(*address)} {reason}; check {names}") from error
        return _joined(address[0], int(runner.addresses[0][1]))

    async def stop(self) -> None:
        """Stops listening. Idempotent."""
        runners, self._runners = self._runners, []
        for runner in runners:
            await runner.cleanup()

    async def _startupz(self, _request: web.Request) -> web.Response:
        started = bool(self._readiness().get("started"))
        return web.json_response({"started": started}, status=200 if started else 503)

    async def _livez(self, _request: web.Request) -> web.Response:
        silent = self._liveness.silent()
        ages = {part: round(age, 3) for part, age in self._liveness.ages().items()}
        return web.json_response({"alive": not silent, "silent": silent, "ages": ages}, status=503 if silent else 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        status = self._readiness()
        ready = bool(status.get("ready"))
        shown = {"ready": ready, "shards": status.get("shards", {}), "halted": status.get("halted", {})}
        shown |= {name: value for name in ("superseded", "addresses") if (value := status.get(name))}
        return web.json_response(shown, status=200 if ready else 503)

    async def _show_metrics(self, request: web.Request) -> web.Response:
        if self._openmetrics is not None and _OPENMETRICS in request.headers.get("Accept", ""):
            return web.Response(body=self._openmetrics(), headers={"Content-Type": openmetrics.CONTENT_TYPE_LATEST})
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=render(self._status()), content_type="text/html")


def _site(runner: web.AppRunner, host: str, port: int) -> web.BaseSite:
    """`::` is every address of both families, as for Go and Java; asyncio by itself would leave IPv4 out."""
    if host != "::":
        return web.TCPSite(runner, host, port)
    if not socket.has_dualstack_ipv6():  # a kernel without IPv6
        return web.TCPSite(runner, "0.0.0.0", port)  # noqa: S104 - it is what was asked for
    return web.SockSite(runner, socket.create_server((host, port), family=socket.AF_INET6, dualstack_ipv6=True))


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _protect(_request: web.Request, response: web.StreamResponse) -> None:
    """Adds the protective headers to every answer, refusals and streams included."""
    for name, value in _HEADERS.items():
        if name in _OWN:
            response.headers.setdefault(name, value)
        else:
            response.headers[name] = value
