"""S3, Glue, IAM and STS: requests are passed to a moto server byte for byte."""

import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, web
from multidict import CIMultiDict
from yarl import URL

from sandbox.aws_session import environment
from sandbox.cleanroomsml.accounts import Accounts, Caller
from sandbox.cleanroomsml.api_model import origin_form
from sandbox.jobs.glue_names import folded
from sandbox.moto import glue_requests

_log: Final = logging.getLogger(__name__)
_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}
)
_ISSUERS: Final = frozenset({"sts", "iam"})
_CHILD: Final = Path(__file__).with_name("process.py")
_START_SECONDS: Final = 300  # a journal of gigabytes takes its time
_STOP_SECONDS: Final = 5


class MotoServer:
    """The child process."""

    def __init__(self, journal: Path | None = None) -> None:
        """Nothing is started yet.

        Args:
            journal: file in which the contents outlive the process; without one they don't.
        """
        self._arguments = [str(journal)] if journal else []
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Start it and wait for its port.

        Raises:
            RuntimeError: It ended before it served.
        """
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(_CHILD), *self._arguments), stdin=pipe, stdout=pipe, env=environment()
        )
        assert self._process.stdout is not None  # noqa: S101
        async with asyncio.timeout(_START_SECONDS):
            line = await self._process.stdout.readline()
        if not line.strip().isdigit():
            raise RuntimeError("the moto server did not start")
        self.url = f"http://127.0.0.1:{int(line)}"

    @property
    def alive(self) -> bool:
        """Whether it serves."""
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> None:
        """End it: its standard input closes, and if that is not enough, by force."""
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


class Proxy:
    """Passes requests on, and learns the keys which STS and IAM hand out."""

    def __init__(self, moto: MotoServer, accounts: Accounts) -> None:
        self._moto, self._accounts = moto, accounts
        self._session: ClientSession | None = None

    async def start(self) -> None:
        """Open the client."""
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=True),
            timeout=ClientTimeout(total=None),
            auto_decompress=False,
        )

    async def stop(self) -> None:
        """Close the client."""
        if self._session is not None:
            await self._session.close()

    async def reset(self) -> None:
        """Have moto forget everything, and its journal too."""
        assert self._session is not None  # noqa: S101
        async with self._session.post(f"{self._moto.url}/moto-api/reset") as answer:
            answer.raise_for_status()

    async def pass_on(
        self, request: web.Request, caller: Caller | None, body: bytes | None = None
    ) -> web.StreamResponse:
        """Answer a request with moto's answer; 503 when there is none. `body`, if it has been read already."""
        assert self._session is not None  # noqa: S101
        headers = _forwarded(request.headers)
        if caller is not None:
            headers["x-moto-account-id"] = caller.account
        if caller is not None and caller.service == "glue":
            target = request.headers.get("X-Amz-Target", "")
            try:
                body = folded(target, glue_requests.checked(target, await request.read()))
            except glue_requests.RefusedError as error:
                return _refused(error)
            headers["Content-Length"] = str(len(body))
        url = URL(self._moto.url + origin_form(request.raw_path), encoded=True)
        data: Any = _body(request) if body is None and request.body_exists else body
        try:
            async with self._session.request(
                request.method,
                url,
                headers=headers,
                data=data,
                allow_redirects=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            ) as answer:
                if _issues_keys(request, caller):
                    content = await answer.read()
                    self._accounts.learn(content.decode(errors="replace"), caller)
                    return web.Response(status=answer.status, body=content, headers=_forwarded(answer.headers))
                return await _stream(request, answer.status, _forwarded(answer.headers), answer.content.iter_any())
        except ClientError as error:
            _log.warning("moto did not answer %s %s: %s", request.method, request.path, error)
            return web.Response(status=503, text="The sandbox's S3, Glue, IAM and STS are not answering.\n")


def _refused(error: glue_requests.RefusedError) -> web.Response:
    """Answer as Glue does."""
    content = {"__type": error.code, "Message": str(error)}
    return web.Response(status=400, body=json.dumps(content).encode(), content_type="application/x-amz-json-1.1")


def _forwarded(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Copy headers, but for those that are between neighbours only."""
    kept: CIMultiDict[str] = CIMultiDict()
    for name, value in headers.items():
        if name.lower() not in _HOP_BY_HOP:
            kept.add(name, value)
    return kept


def _issues_keys(request: web.Request, caller: Caller | None) -> bool:
    """Whether the answer may contain new access keys; AssumeRoleWithWebIdentity is not signed."""
    if caller is not None:
        return caller.service in _ISSUERS
    return request.method == "POST" and request.path == "/"


async def _body(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        yield chunk


async def _stream(
    request: web.Request, status: int, headers: CIMultiDict[str], chunks: AsyncIterator[bytes]
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(chunk)
    await response.write_eof()
    return response
