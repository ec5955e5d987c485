"""A server on loopback that misbehaves on the wire as told, and counts every request that reached it."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def answer(status: int, body: bytes | dict[str, object] = b"", **headers: str) -> Behaviour:
    """A complete answer; underscores in header names stand for hyphens."""
    content = json.dumps(body).encode() if isinstance(body, dict) else body
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    raw = "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    async def behave(_request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()

    return behave


def refusal(status: int, code: str, **members: object) -> Behaviour:
    return answer(status, {"message": "no", **members}, x_amzn_ErrorType=f"{code}:http://internal.amazon.com/")


async def close(_request: Request, writer: asyncio.StreamWriter) -> None:
    """Closes without a word."""
    writer.close()


async def cut(_request: Request, writer: asyncio.StreamWriter) -> None:
    """Closes in the middle of the answer."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"audienceMo')
    await writer.drain()
    writer.close()


async def garbage(_request: Request, writer: asyncio.StreamWriter) -> None:
    """Is no HTTP server at all."""
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()
    writer.close()


async def hang(_request: Request, _writer: asyncio.StreamWriter) -> None:
    """Never answers."""
    await asyncio.sleep(3600)


@dataclass
class Server:
    """Where it listens, what it does, what it saw."""

    url: str = ""
    behaviour: Behaviour = field(default_factory=lambda: answer(200, {}))
    requests: list[Request] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await _read(reader)
                self.requests.append(request)
                await self.behaviour(request, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


@asynccontextmanager
async def serving(behaviour: Behaviour | None = None, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    """Runs a server for the block."""
    server = Server()
    if behaviour is not None:
        server.behaviour = behaviour
    tasks: set[asyncio.Task[None]] = set()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await server.serve(reader, writer)

    listener = await asyncio.start_server(accepted, "127.0.0.1", 0, ssl=tls)
    host, port = listener.sockets[0].getsockname()
    server.url = f"{'https' if tls else 'http'}://{host}:{port}"
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
