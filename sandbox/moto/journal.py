"""Makes moto outlive its process: each successful change is appended to a file, and replayed at the next start.

Replaying gives the same contents because requests run one at a time and moto's random numbers are seeded for each
change. Times are not kept: after a restart an object's LastModified is the time of the restart. Changes that were later
undone are dropped from the file when it is read: of an S3 key in a bucket without versions the last write is kept.
"""

import base64
import io
import json
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from moto.moto_api._internal import mock_random
from moto.s3 import models as s3

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]
Record = tuple[dict[str, Any], bytes]

_RESET: Final = "/moto-api/reset"
_READ: Final = re.compile(r"(Get|List|BatchGet|Search|Query|Check|Describe|Simulate|Head)[A-Z]")
_ISSUING: Final = frozenset({"GetSessionToken", "GetFederationToken"})
_DROPPED: Final = ("wsgi.", "werkzeug.", "SERVER_", "REMOTE_")


class Recorded:
    """A WSGI application in front of moto's."""

    def __init__(self, application: Application, path: Path) -> None:
        """Replay what the file holds, then go on recording.

        Args:
            application: moto's.
            path: the file; made if it is not there.
        """
        self._application, self._lock = application, threading.Lock()
        _seed_upload_ids()
        records = compacted(list(_read(path)))
        self._sequence = max((header["sequence"] for header, _ in records), default=0)
        for header, body in records:
            mock_random.seed(header["sequence"])
            self._perform(header["environ"], body, lambda *_: None)
        self._file = _rewritten(path, records)

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Pass a request on, and record it if it changed something."""
        body = _body(environ)
        with self._lock:
            if environ["PATH_INFO"] == _RESET:
                self._file.truncate(0)
            if not changes(environ, body):
                return self._perform(environ, body, start_response)
            self._sequence += 1
            mock_random.seed(self._sequence)
            seen: list[str] = []

            def started(status: str, *rest: Any) -> Any:
                seen.append(status)
                return start_response(status, *rest)

            answer = self._perform(environ, body, started)
            if seen and int(seen[0].split()[0]) < 400:
                _append(self._file, {"sequence": self._sequence, "environ": _portable(environ)}, body)
            return answer

    def _perform(self, environ: Environ, body: bytes, start_response: Any) -> list[bytes]:
        """Have moto answer; the answer is made wholly before the next request begins."""
        own = {name: value for name, value in environ.items() if name != "HTTP_TRANSFER_ENCODING"}
        own |= {
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        answer = self._application(own, start_response)
        try:
            return list(answer)
        finally:
            if hasattr(answer, "close"):
                answer.close()


def changes(environ: Environ, body: bytes) -> bool:
    """Whether a request may change something; in doubt, yes."""
    if environ["REQUEST_METHOD"] in {"GET", "HEAD", "OPTIONS"} or environ["PATH_INFO"].startswith("/moto-api"):
        return False
    action = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    if not action and environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        action = parse_qs(body.decode(errors="replace")).get("Action", [""])[0]
    return action in _ISSUING or _READ.match(action) is None


def compacted(records: list[Record]) -> list[Record]:
    """Drop writes of S3 objects that a later write or delete undoes, where nothing in between can have used them."""
    if any(_is_entangling(header["environ"]) for header, _ in records):
        return records
    kept: list[Record] = []
    later: set[tuple[str, str]] = set()
    for header, body in reversed(records):
        key = _object(header["environ"])
        if key is None:
            kept.append((header, body))
        elif key not in later:
            later.add(key)
            kept.append((header, body))
    return kept[::-1]


def _object(environ: Environ) -> tuple[str, str] | None:
    """Account and address of the object that a plain write or delete is about."""
    if environ["REQUEST_METHOD"] not in {"PUT", "DELETE"} or environ.get("QUERY_STRING"):
        return None
    if "/s3/aws4_request" not in environ.get("HTTP_AUTHORIZATION", "") or environ["PATH_INFO"].count("/") < 2:
        return None
    return environ.get("HTTP_X_MOTO_ACCOUNT_ID", ""), environ["HTTP_HOST"] + environ["PATH_INFO"]


def _is_entangling(environ: Environ) -> bool:
    """Whether an S3 request makes earlier states of objects matter: versions, copies, tags, parts, deleted buckets."""
    if "HTTP_X_AMZ_COPY_SOURCE" in environ:
        return True
    if "/s3/aws4_request" not in environ.get("HTTP_AUTHORIZATION", ""):
        return False
    deletes_bucket = environ["REQUEST_METHOD"] == "DELETE" and environ["PATH_INFO"].strip("/").count("/") == 0
    return bool(environ.get("QUERY_STRING")) or deletes_bucket


def _body(environ: Environ) -> bytes:
    length = environ.get("CONTENT_LENGTH")
    data: bytes = environ["wsgi.input"].read(int(length)) if length else b""
    if not length and environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked":
        data = environ["wsgi.input"].read()
    return data


def _portable(environ: Environ) -> dict[str, str]:
    return {name: value for name, value in environ.items() if isinstance(value, str) and not name.startswith(_DROPPED)}


def _append(file: io.FileIO, header: dict[str, Any], body: bytes) -> None:
    """Write a record in one call, so that a kill leaves a whole one or the beginning of one."""
    line = json.dumps(header | {"length": len(body)}).encode()
    file.seek(0, os.SEEK_END)
    file.write(line + b"\n" + body + b"\n")


def _read(path: Path) -> Iterator[Record]:
    """Yield whole records; what follows a torn one was never answered."""
    if not path.exists():
        return
    with path.open("rb") as file:
        while line := file.readline():
            try:
                header = json.loads(line)
            except ValueError:
                return
            body = file.read(header["length"])
            if len(body) < header["length"] or file.read(1) != b"\n":
                return
            yield header, body


def _rewritten(path: Path, records: list[Record]) -> io.FileIO:
    """Write the records again, beside the old file, which is then replaced."""
    beside = path.with_suffix(".new")
    with io.FileIO(beside, "w") as file:
        for header, body in records:
            _append(file, header, body)
        os.fsync(file.fileno())
    beside.replace(path)
    return io.FileIO(path, "r+")


def _seed_upload_ids() -> None:
    """Have moto draw the ids of multipart uploads from its own random numbers: it takes the system's."""
    original = s3.FakeMultipart.__init__

    def made(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        drawn = base64.b64encode(mock_random.randbytes(s3.UPLOAD_ID_BYTES)).decode("utf-8")
        self.id = drawn.replace("=", "").replace("+", "").replace("/", "")

    s3.FakeMultipart.__init__ = made  # type: ignore[method-assign]
