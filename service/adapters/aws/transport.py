"""One request, one write: the HTTP session under botocore that asks for leave at the very last moment.

botocore's ``before-send`` event comes before the wait for a pooled connection, name resolution and TLS, and aiohttp by
itself writes GET, PUT and DELETE requests a second time when a connection breaks, whatever botocore's retry settings
say. So the gate sits where the request is written: it opens once per call, and only if the caller still permits.

    TransportError           no answer, or none that AWS could have given
    └── ClientClosed         the client was closed before this call
"""

import asyncio
import contextlib
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from typing import Any, Final, Protocol

import aiohttp
from aiobotocore.awsrequest import AioAWSResponse
from aiohttp.connector import Connection
from botocore.httpsession import get_cert_path
from multidict import CIMultiDict
from yarl import URL

from service.adapters.aws.bodies import TooLarge, whole
from service.core.redaction import without_userinfo


class Stage(Enum):
    """How far a call has come."""

    PREPARING = "credentials"
    CONNECTING = "a connection"
    SENT = "an answer"


class TransportError(Exception):
    """No answer; the message never holds a proxy's password."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(without_userinfo(message))
        self.code = code


class ClientClosed(TransportError):
    """The client was closed before this call."""

    def __init__(self) -> None:
        super().__init__("ConnectFailed", "the client is closed")


class Signer(Protocol):
    """Credentials that a request can be signed with; they renew themselves."""

    async def get_frozen_credentials(self) -> Any:
        """Keys that are valid now: botocore's ``ReadOnlyCredentials``."""
        ...


@dataclass(slots=True)
class Attempt:
    """One call's leave to write one request.

    Attributes:
        may_send: Asked right before the request is written.
        trace: Named in the user agent.
        signer: The call's own credentials; None for the target's.
        stage: How far the call has come.
        request_id: AWS's, of the answer.
        date: AWS's time, of the answer.
        size: Bytes of the answer's body.
    """

    may_send: Callable[[], bool] | None = None
    trace: str = ""
    signer: Signer | None = None
    stage: Stage = Stage.PREPARING
    request_id: str = ""
    date: str = ""
    size: int = 0

    @property
    def sent(self) -> bool:
        """True as soon as a byte of the request may have left."""
        return self.stage is Stage.SENT

    def pass_gate(self) -> None:
        """Called right before the request is written.

        Raises:
            TransportError: The caller's window has closed, or the request was written before.
        """
        if self.sent:
            raise TransportError("ConnectionClosed", "the connection broke after the request was written")
        if self.may_send is not None and not self.may_send():
            raise TransportError("CallWindowClosed", "the time in which this call may leave has passed")
        self.stage = Stage.SENT


ATTEMPT: Final[ContextVar[Attempt]] = ContextVar("attempt")
"""The attempt that the current task performs."""


class _GatedRequest(aiohttp.ClientRequest):
    """A request that is written only through the gate."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        ATTEMPT.get().pass_gate()
        return await super().send(conn)


_UNSENDABLE: Final = re.compile(r"[\r\n\0]")
"""What aiohttp refuses to write, behind the gate; found before it, so that what never left does not count as sent."""

_OF_KEYS: Final = frozenset({"authorization", "x-amz-security-token"})
"""Headers that are made of credentials."""


class _Prepared(Protocol):
    """What botocore hands over to be sent."""

    method: str
    url: str
    headers: Mapping[str, str | bytes]
    body: Any


class SingleSendSession:
    """botocore's HTTP session (``http_session_cls``) on aiohttp, without any retry or redirect."""

    def __init__(
        self,
        *,
        timeout: tuple[float, float],
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        max_pool_connections: int = 10,
        connector_args: Mapping[str, Any] | None = None,
        client_cert: str | tuple[str, str] | None = None,
        **_unused: object,
    ) -> None:
        connect, read = timeout
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)
        self._verify = verify
        self._client_cert = client_cert
        self._proxies = dict(proxies or {})
        self._limit = max_pool_connections
        self._connector_args = dict(connector_args or {})
        self._lock = asyncio.Lock()
        self._context: ssl.SSLContext | bool | None = None
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._closed = False

    async def __aenter__(self) -> "SingleSendSession":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes every connection. Idempotent."""
        self._closed = True
        for session in self._sessions.values():
            await session.close()

    async def send(self, request: _Prepared) -> AioAWSResponse:
        """Writes the request once and reads the whole answer.

        Raises:
            TransportError: There is no answer, none that AWS could have given, or the request can't be sent.
        """
        attempt = ATTEMPT.get()
        attempt.stage = Stage.CONNECTING
        try:
            return await self._exchange(request)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translate(error, attempt) from error

    async def _exchange(self, request: _Prepared) -> AioAWSResponse:
        session = await self._open(reads=request.method == "GET")
        url = URL(request.url, encoded=True)
        proxy, login = _proxy(self._proxies.get(url.scheme))
        headers = _headers(request.headers, ATTEMPT.get().trace)
        if url.scheme == "http":
            headers.update(login)  # there is no CONNECT, so the request itself carries it
        async with session.request(
            request.method,
            url,
            data=request.body,
            headers=headers,
            proxy=proxy,
            proxy_headers=login or None,
            allow_redirects=False,
        ) as response:
            received = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.raw_headers}
            try:
                answer = AioAWSResponse(str(response.url), response.status, received, await whole(response))
            except TooLarge as error:
                raise TransportError("InvalidResponse", str(error)) from error
        body = await answer.content
        ATTEMPT.get().size = len(body)
        ATTEMPT.get().request_id = received.get("x-amzn-requestid", "")
        ATTEMPT.get().date = received.get("date", "")
        if response.status < 300 and not _plausible(body):
            raise TransportError("InvalidResponse", "the answer is no JSON object; something in between has answered")
        return answer

    async def _open(self, *, reads: bool) -> aiohttp.ClientSession:
        """Reads have connections of their own: calls that hang must not delay polls of running jobs."""
        async with self._lock:
            if self._closed:
                raise ClientClosed
            if self._context is None:
                self._context = await asyncio.to_thread(self._ssl_context)
            if reads not in self._sessions:
                connector = aiohttp.TCPConnector(limit=self._limit, ssl=self._context, **self._connector_args)
                self._sessions[reads] = aiohttp.ClientSession(
                    connector=connector,
                    timeout=self._timeout,
                    request_class=_GatedRequest,
                    skip_auto_headers={"Content-Type", "User-Agent"},
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                )
            return self._sessions[reads]

    def _ssl_context(self) -> ssl.SSLContext | bool:
        if self._verify is False:
            return False
        cafile = self._verify if isinstance(self._verify, str) and self._verify.strip() else get_cert_path(True)
        context = ssl.create_default_context(cafile=cafile)
        if self._client_cert:
            pair = (self._client_cert, None) if isinstance(self._client_cert, str) else self._client_cert
            context.load_cert_chain(*pair)
        return context


def _headers(given: Mapping[str, str | bytes], trace: str) -> CIMultiDict[str]:
    """The prepared headers; CloudTrail keeps the user agent, which no signature covers, so it may name the command."""
    headers = CIMultiDict(
        (name, value.decode("utf-8") if isinstance(value, bytes) else str(value)) for name, value in given.items()
    )
    headers["Accept-Encoding"] = "identity"
    if trace:
        headers["User-Agent"] = f"{headers.get('User-Agent', '')} crml/{trace}".strip()
    for name, value in headers.items():
        if _UNSENDABLE.search(value):
            code = "CredentialsUnavailable" if name.lower() in _OF_KEYS else "InvalidRequest"
            hint = (
                "; do the keys, AWS_ACCESS_KEY_ID or AWS_SESSION_TOKEN, end in one?" if name.lower() in _OF_KEYS else ""
            )
            raise TransportError(code, f"the header {name} would hold a line break, so nothing was sent{hint}")
    return headers


_ALL_DIGITS: Final = re.compile(r"[0-9.]+")


def proxy_of(address: str) -> URL | None:
    """The address of a proxy; None when it is none. Without a scheme it is plain http, as for curl and botocore."""
    try:
        proxy = URL(address if "://" in address else f"http://{address.removeprefix('//')}")
        if proxy.host and _ALL_DIGITS.fullmatch(proxy.host):
            ip_address(proxy.host)
    except ValueError:
        return None
    return proxy if proxy.host else None


def _proxy(address: str | None) -> tuple[URL | None, dict[str, str]]:
    """The proxy, and the header that its user and password make: aiohttp's errors quote the address that it is given.

    Raises:
        TransportError: It is none that can be used.
    """
    text = (address or "").strip()
    if not text:
        return None, {}
    proxy = proxy_of(text)
    if proxy is None or proxy.scheme not in {"http", "https"}:
        message = "the proxy (proxy of this target, HTTPS_PROXY or HTTP_PROXY) is no address such as http://host:3128"
        raise TransportError("ConnectFailed", message)
    if proxy.user is None and proxy.password is None:
        return proxy, {}
    login = aiohttp.encode_basic_auth(proxy.user or "", proxy.password or "")
    return proxy.with_user(None), {"Proxy-Authorization": login}


def _plausible(body: bytes) -> bool:
    """True for nothing at all, and for what may be a JSON object."""
    text = body.strip()
    return not text or (text.startswith(b"{") and text.endswith(b"}"))


def _translate(error: Exception, attempt: Attempt) -> TransportError:
    message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if not attempt.sent:
        return TransportError("ConnectFailed", message)
    timed_out = isinstance(error, TimeoutError)
    return TransportError("ReadTimeout" if timed_out else "ConnectionClosed", message)


@contextlib.contextmanager
def attempting(attempt: Attempt) -> Iterator[Attempt]:
    """Makes this the current task's attempt."""
    token = ATTEMPT.set(attempt)
    try:
        yield attempt
    finally:
        ATTEMPT.reset(token)
