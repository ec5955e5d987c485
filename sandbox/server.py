"""The sandbox: one port which is Clean Rooms ML, and S3, Glue, IAM and STS too."""

import asyncio
import logging
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

from aiohttp import web

from sandbox import described
from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.accounts import Accounts
from sandbox.cleanroomsml.admin import PREFIX, Admin
from sandbox.cleanroomsml.auth import Authenticator
from sandbox.cleanroomsml.context import Context
from sandbox.cleanroomsml.faults import Faults
from sandbox.cleanroomsml.gateway import Gateway
from sandbox.cleanroomsml.job_requests import JobContext
from sandbox.cleanroomsml.lifecycle import Lifecycle
from sandbox.cleanroomsml.options import Options
from sandbox.cleanroomsml.persistence import InMemory, Persistence, SqliteFile
from sandbox.cleanroomsml.request_log import RequestLog
from sandbox.cleanroomsml.signatures import Signatures
from sandbox.cleanroomsml.store import Store
from sandbox.cleanroomsml.workers import Workers
from sandbox.moto.proxy import MotoServer, Proxy

_log: Final = logging.getLogger(__name__)
_LARGEST_REQUEST: Final = 4 * 1024 * 1024  # of Clean Rooms ML; what goes to moto is streamed
_LONGEST_LINE: Final = 64 * 1024  # request lines hold ARNs and page tokens
_SHUTDOWN_SECONDS: Final = 0.5
_ANY_HOST: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104


def _http_log() -> logging.Logger:
    """What aiohttp says of requests that are no HTTP: a line each, without a traceback and what was sent."""
    log = logging.getLogger("sandbox.http")
    if not log.filters:
        log.addFilter(_in_a_line)
    return log


def _in_a_line(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[0].__name__}", ()
        record.exc_info = record.exc_text = None
    return True


class SandboxServer:
    """Everything behind the port; `async with SandboxServer(options) as sandbox`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.url = ""
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen, and start the child and the workers; returns when requests will be answered."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop in reverse order."""
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        listener = self._bind(stack)
        api_model.routes()
        data_dir = self._data_dir(stack)
        self._persistence: Persistence = SqliteFile(data_dir) if self.options.data_dir else InMemory()
        stack.callback(self._persistence.close)
        self._accounts = Accounts(self.options.default_account, self.options.access_keys, self._persistence)
        self._authenticator = Authenticator(
            Signatures(self._accounts.secret_of) if self.options.check_signatures else None
        )
        self._moto = MotoServer(data_dir / "moto.journal" if self.options.data_dir else None)
        self._proxy = Proxy(self._moto, self._accounts)
        self._request_log = RequestLog(self.options.request_log)
        stack.callback(self._request_log.close)
        self._workers = Workers(self.options.jobs_module, self.options.workers)
        stack.callback(self._workers.stop)
        self._workers.warm()
        stack.push_async_callback(self._moto.stop)
        stack.push_async_callback(self._proxy.stop)
        await asyncio.gather(self._moto.start(), self._proxy.start())
        self._assemble(stack, data_dir)
        await self._listen(stack, listener)
        self._lifecycle.resume()

    def _assemble(self, stack: AsyncExitStack, data_dir: Path) -> None:
        vanish = self.options.assume.exports_of_deleted_jobs == "vanish"
        self._store, self._faults = Store(self._persistence, exports_vanish=vanish), Faults()
        job_context = JobContext(self.options, data_dir, self.url)
        self._lifecycle = Lifecycle(self._store, self._workers, self.options.timing, job_context)
        stack.push_async_callback(self._lifecycle.stop)
        self._gateway = Gateway(Context(self.options, self._store, self._lifecycle, self._faults), self._request_log)
        self._admin = Admin(self._store, self._request_log, self._faults, self._health, self._reset)

    async def _reset(self) -> None:
        """Start again: no resources, keys, faults, requests; S3, Glue and IAM are empty."""
        await self._lifecycle.reset()
        self._store.clear()
        self._accounts.forget()
        self._faults.clear()
        self._request_log.clear()
        await self._proxy.reset()

    def _data_dir(self, stack: AsyncExitStack) -> Path:
        if self.options.data_dir is not None:
            self.options.data_dir.mkdir(parents=True, exist_ok=True)
            return self.options.data_dir
        path = Path(tempfile.mkdtemp(prefix="cleanroomsml-sandbox-"))
        stack.callback(shutil.rmtree, path)
        return path

    def _bind(self, stack: AsyncExitStack) -> socket.socket:
        """Take the port first of all, so that a port in use is reported at once and the URL is known to the parts."""
        host, family = self.options.host, socket.AF_INET6 if ":" in self.options.host else socket.AF_INET
        listener = stack.enter_context(socket.create_server((host, self.options.port), family=family))
        reachable = "127.0.0.1" if host in _ANY_HOST else f"[{host}]" if ":" in host else host
        self.url = f"http://{reachable}:{listener.getsockname()[1]}"
        return listener

    async def _listen(self, stack: AsyncExitStack, listener: socket.socket) -> None:
        app = web.Application(client_max_size=_LARGEST_REQUEST, middlewares=[self._all])
        runner = web.AppRunner(
            app,
            access_log=None,
            logger=_http_log(),
            shutdown_timeout=_SHUTDOWN_SECONDS,
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listener).start()

    @web.middleware
    async def _all(self, request: web.Request, handler: Any) -> web.StreamResponse:
        """Whatever the path, also none: a URL without a path is a request target too, and no route of aiohttp's."""
        del handler
        return await self._serve(request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        """Answer; what was not foreseen is logged without the request's values, and answered with 500."""
        try:
            return await self._dispatch(request)
        except (web.HTTPException, OSError):
            raise
        except Exception as error:
            if sys.flags.dev_mode:
                raise
            _log.error("%s %s broke: %s", request.method, request.path, described(error))
            return web.json_response({"message": "Internal error, see the sandbox's log"}, status=500)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        """Dispatch by the service in the credential scope; whatever is not Clean Rooms ML is moto's."""
        if not api_model.origin_form(request.raw_path).startswith("/"):
            return web.Response(status=400, text=f"A path is expected; found {request.method} without one.\n")
        if request.path == PREFIX.rstrip("/"):
            raise web.HTTPMovedPermanently(PREFIX)
        if request.path.startswith(PREFIX):
            return await self._admin.serve(request)
        caller = self._accounts.identify(request.headers, request.query)
        if (refusal := await self._authenticator.refusal(request, caller)) is not None:
            return refusal
        if caller is not None and caller.service == api_model.SIGNING_NAME:
            return await self._gateway.serve(request, caller)
        read = self.options.check_signatures and caller is not None and caller.service != "s3"
        return await self._proxy.pass_on(request, caller, await request.read() if read else None)

    def _health(self) -> Mapping[str, Any]:
        return {
            "status": "ok" if self._moto.alive else "degraded",
            "profile": self.options.profile,
            "moto": self._moto.alive,
            "workers_warm": self._workers.warmed,
            "requests": len(self._request_log),
        }
