"""Clean Rooms ML that answers after a fixed time and does nothing: ``python -m benchmarks.stub_api PORT SECONDS``.

A stub in a process of its own, as cheap as Python allows, so that a benchmark measures its caller. Requests to a path
that holds ``/hang/`` are never answered.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from email.utils import formatdate
from typing import Final

ARN: Final = "arn:aws:cleanrooms-ml:eu-west-1:123456789012"
MODEL: Final = f"{ARN}:audience-model/00000000-0000-4000-8000-000000000001"
DATASET: Final = f"{ARN}:training-dataset/00000000-0000-4000-8000-000000000002"
TIME: Final = "2026-01-01T00:00:00Z"
DESCRIBED: Final = {
    "audienceModelArn": MODEL,
    "name": "model",
    "trainingDatasetArn": DATASET,
    "status": "ACTIVE",
    "createTime": TIME,
    "updateTime": TIME,
}


def _answer(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: 1\r\n"
        f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


ANSWERS: Final[dict[bytes, bytes]] = {
    b"GET": _answer(DESCRIBED),
    b"TAG": _answer({}),
    b"POST": _answer({"audienceModelArn": MODEL}),
}


class Connection(asyncio.Protocol):
    """Answers requests that come one after another, as an HTTP client without pipelining sends them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._received = b""
        self._write: Callable[[bytes], None] = lambda _: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, body = self._received.partition(b"\r\n\r\n")
        if not ended or len(body) < _length(head):
            return
        self._received = b""
        method, path, _ = head.split(b" ", 2)
        if b"/hang/" in path:
            return
        answer = ANSWERS[b"TAG" if path.startswith(b"/tags/") else method]
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._write, answer)
        else:
            self._write(answer)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def serve(port: int, seconds: float) -> None:
    """Serves until the process ends."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(seconds), "127.0.0.1", port, backlog=1000
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
