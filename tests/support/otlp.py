"""A collector of OTLP over HTTP on loopback, which decodes what a real exporter sends; and the trees in it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


def _plain(attributes: Any) -> dict[str, Any]:
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in attributes}


@dataclass(frozen=True)
class Received:
    """A span as the collector has it."""

    span: Span
    resource: dict[str, Any]

    @property
    def name(self) -> str:
        return self.span.name

    @property
    def id(self) -> str:
        return self.span.span_id.hex()

    @property
    def parent(self) -> str:
        return self.span.parent_span_id.hex()

    @property
    def trace(self) -> str:
        return self.span.trace_id.hex()

    @property
    def began(self) -> float:
        return float(self.span.start_time_unix_nano) / 1e9

    @property
    def ended(self) -> float:
        return float(self.span.end_time_unix_nano) / 1e9

    @property
    def attributes(self) -> dict[str, Any]:
        return _plain(self.span.attributes)

    @property
    def links(self) -> dict[str, list[str]]:
        """Span ids by what the link is for."""
        found: dict[str, list[str]] = {}
        for link in self.span.links:
            found.setdefault(_plain(link.attributes)["cleanroomsml.link"], []).append(link.span_id.hex())
        return found

    @property
    def failed(self) -> bool:
        return self.span.status.code == Status.STATUS_CODE_ERROR


@dataclass
class Collector:
    """What has arrived."""

    address: str
    bodies: list[bytes] = field(default_factory=list)
    status: int = 200
    delay: threading.Event | None = None

    @property
    def spans(self) -> list[Received]:
        return [
            Received(span, _plain(resource.resource.attributes))
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def named(self, name: str) -> list[Received]:
        return [span for span in self.spans if span.name == name]

    def of(self, command_id: str) -> list[Received]:
        """The spans of whole commands with this id, in order."""
        found = [span for span in self.spans if span.attributes.get("messaging.message.id") == command_id]
        return sorted(found, key=lambda span: span.began)

    def phases(self, whole: Received) -> list[Received]:
        """The phases of one, in order."""
        return sorted(
            (span for span in self.spans if span.parent == whole.id), key=lambda span: (span.began, span.ended)
        )

    def tree(self, command_id: str) -> list[list[str]]:
        """Names of the phases of each run of a command."""
        return [[phase.name for phase in self.phases(whole)] for whole in self.of(command_id)]


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if found.delay is not None:
                found.delay.wait(20.0)
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            if found.status == 200:
                found.bodies.append(body)
            self.send_response(found.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
