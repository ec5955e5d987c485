"""The HTTP server: ``/startupz``, ``/livez``, ``/readyz``, ``/metrics`` and ``/``, for GET only."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from service.adapters.http.liveness import Liveness
from service.adapters.http.page import POLICY, render

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "Server": "cleanroomsml-service",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Status = Mapping[str, Any]
"""What is shown: ``ready`` and ``started`` (bool), ``superseded`` (why another process has our place, if one has),
``shards`` (name -> mapping), ``jobs`` (phase -> number), ``targets`` (name -> mapping), and anything else that is a
mapping of plain values."""


class StatusServer:
    """Serves what others need to watch the service.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 lets the system choose.
        status: Gives the present status; ``ready`` and ``started`` in it decide the probes of readiness and start.
        metrics: Gives the metrics in Prometheus' text format.
        liveness: Decides the liveness probe.
    """

    def __init__(
        self, host: str, port: int, *, status: Callable[[], Status], metrics: Callable[[], bytes], liveness: Liveness
    ) -> None:
        self._host = host
        self._port = port
        self._status = status
        self._metrics = metrics
        self._liveness = liveness
        self._runner: web.AppRunner | None = None

    async def start(self) -> int:
        """Listens.

        Returns:
            The port.

        Raises:
            OSError: The port is taken or not ours to use.
        """
        app = web.Application(middlewares=[_guarded])
        app.router.add_get("/startupz", self._startupz)
        app.router.add_get("/livez", self._livez)
        app.router.add_get("/readyz", self._readyz)
        app.router.add_get("/metrics", self._show_metrics)
        app.router.add_get("/", self._page)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Stops listening. Idempotent."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _startupz(self, _request: web.Request) -> web.Response:
        started = bool(self._status().get("started"))
        return web.json_response({"started": started}, status=200 if started else 503)

    async def _livez(self, _request: web.Request) -> web.Response:
        silent = self._liveness.silent()
        ages = {part: round(age, 3) for part, age in self._liveness.ages().items()}
        return web.json_response({"alive": not silent, "silent": silent, "ages": ages}, status=503 if silent else 200)

    async def _readyz(self, _request: web.Request) -> web.Response:
        status = self._status()
        ready = bool(status.get("ready"))
        shown = {"ready": ready, "shards": status.get("shards", {}), "halted": status.get("halted", {})}
        if superseded := status.get("superseded"):
            shown["superseded"] = superseded
        return web.json_response(shown, status=200 if ready else 503)

    async def _show_metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _page(self, _request: web.Request) -> web.Response:
        return web.Response(text=render(self._status()), content_type="text/html")


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Adds the protective headers to every answer, refusals included."""
    try:
        response = await handler(request)
    except web.HTTPException as refusal:
        refusal.headers.update(_HEADERS)
        raise
    response.headers.update(_HEADERS)
    return response
