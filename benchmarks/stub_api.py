"""Clean Rooms ML as cheap as Python allows, in a process of its own, so that a benchmark measures its caller.

``python -m benchmarks.stub_api PORT SECONDS JOBS`` answers each request after a fixed time. It knows audience models by
their number: JOBS of them are in progress from the beginning, each creation adds one, ``POST /_end/NUMBER`` ends one.
Others are ACTIVE. Requests to a path that holds ``/hang/`` are never answered.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qs

ARN: Final = "arn:aws:cleanrooms-ml:eu-west-1:111122223333"
DATASET: Final = f"{ARN}:training-dataset/0b1c2d3e-0000-4000-8000-000000000000"
TIME: Final = "2026-01-01T00:00:00Z"
PAGE: Final = 100


def model_arn(number: int) -> str:
    """Of the model with a number."""
    return f"{ARN}:audience-model/{number:08x}-0000-4000-8000-000000000000"


MODEL: Final = model_arn(0xFFFF_FFFF)
"""One that is ACTIVE."""


def _answer(body: object) -> bytes:
    content = json.dumps(body).encode()
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-amzn-RequestId: 1\r\n"
        f"Date: {formatdate(usegmt=True)}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


TAGGED: Final = _answer({})


class Models:
    """What exists."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._ended: set[int] = set()

    def answer(self, method: bytes, path: str) -> bytes:
        if path.startswith("/tags/"):
            return TAGGED
        if path.startswith("/_end/"):
            self._ended.add(int(path.rpartition("/")[2]))
            return TAGGED
        if method == b"POST":
            self._number += 1
            return _answer({"audienceModelArn": model_arn(self._number - 1)})
        name, _, query = path.partition("?")
        return _answer(self._page(query) if name == "/audience-model" else self._described(int(name[-36:-28], 16)))

    def _page(self, query: str) -> dict[str, Any]:
        first = int(parse_qs(query).get("nextToken", ["0"])[0])
        last = min(first + PAGE, self._number)
        more = {"nextToken": str(last)} if last < self._number else {}
        return {"audienceModels": [self._described(number) for number in range(first, last)], **more}

    def _described(self, number: int) -> dict[str, str]:
        running = number < self._number and number not in self._ended
        return {
            "audienceModelArn": model_arn(number),
            "name": "model",
            "trainingDatasetArn": DATASET,
            "status": "CREATE_IN_PROGRESS" if running else "ACTIVE",
            "createTime": TIME,
            "updateTime": TIME,
        }


class Connection(asyncio.Protocol):
    """Answers requests that come one after another, as an HTTP client without pipelining sends them."""

    def __init__(self, models: Models, seconds: float) -> None:
        self._models = models
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
        answer = self._models.answer(method, path.decode())
        if self._seconds:
            asyncio.get_running_loop().call_later(self._seconds, self._write, answer)
        else:
            self._write(answer)


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0


async def serve(port: int, seconds: float, jobs: int) -> None:
    """Serves until the process ends."""
    models = Models(jobs)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(models, seconds), "127.0.0.1", port, backlog=1000
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])))
