"""Spans of commands for OpenTelemetry, exported by OTLP over HTTP; the only module that knows its packages.

A span is made whole when what it is about has ended and is committed. Ids follow from the command: its trace is that
of its ``traceparent``, or one of its own, and every span id is a digest. So the phases of one command, committed by
several processes, fit together.

Everything else is the SDK's, as the OTEL_ variables say: the sampler, limits, the batches, which a thread of its own
sends from a bounded queue, the endpoint, headers and certificates.
"""

import asyncio
import hashlib
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from schemas import tracecontext
from schemas.records import Job, job_key
from service.core.job import performs
from service.core.spans import EndedSpan, SpanName
from service.runtime.ports import Clock, SpanReport

Attributes = dict[str, str | int]

SERVICE_NAME: Final = "cleanroomsml-service"
FLUSH_SECONDS: Final = 3.0
"""Seconds that a stop waits for the last spans to be sent."""

_AWS_SERVICE: Final = "CleanRoomsML"
_KINDS: Final = {SpanName.COMMAND: SpanKind.CONSUMER, SpanName.CALL: SpanKind.CLIENT}


class _PlannedIds(IdGenerator):
    """Gives the SDK the ids that follow from the command."""

    trace_id = 0
    span_id = 0

    def generate_span_id(self) -> int:
        return self.span_id

    def generate_trace_id(self) -> int:
        return self.trace_id


class Traces:
    """Makes spans. Not thread-safe: use it on the event loop only, which it never blocks.

    Args:
        process: Name of this process in the records of commands, new with each start.
        replica: Name of this replica, which a restart may keep.
        release: Of the service.
        group: Consumer group.
        regions: Region by target.
        clock: The time of restores.
        exporter: Sends spans; OTLP over HTTP if not given.
    """

    def __init__(
        self,
        process: str,
        *,
        replica: str,
        release: str,
        group: str,
        regions: Mapping[str, str],
        clock: Clock,
        exporter: SpanExporter | None = None,
    ) -> None:
        self.process = process
        self._group = group
        self._regions = regions
        self._clock = clock
        self._ids = _PlannedIds()
        self._restores: dict[str, SpanContext] = {}
        self._restored = 0
        self._provider = TracerProvider(
            resource=_resource(process, replica, release), id_generator=self._ids, shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter or OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE_NAME, release)

    def spans(self, report: SpanReport) -> None:
        """Makes what a committed step has ended."""
        whose = _Whose(report.job)
        if self._sampled(whose):
            for span in report.spans:
                self._make(report, whose, span)

    def restored(self, partition: str, records: int, seconds: float, copied: int) -> None:
        """Makes the span of a restore, to which the spans link that began under another process."""
        self._restored += 1
        ended = self._clock.wall()
        self._ids.trace_id = _number(16, self.process, partition, self._restored)
        self._ids.span_id = _number(8, self.process, partition, self._restored)
        span = self._tracer.start_span(
            "restore",
            context=Context(),
            attributes={
                "cleanroomsml.partition": partition,
                "cleanroomsml.restore.records": records,
                "cleanroomsml.restore.copied": copied,
            },
            start_time=_nanoseconds(ended - seconds),
        )
        span.end(_nanoseconds(ended))
        self._restores[partition] = span.get_span_context()

    async def close(self, limit: float = FLUSH_SECONDS) -> None:
        """Sends what is left, for up to ``limit`` seconds, whether the collector answers or not."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def shut_down() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop is closed: it did not wait for this
                loop.call_soon_threadsafe(sent.set)

        # A thread of its own, since the loop waits for its pool's threads when it closes.
        threading.Thread(target=shut_down, name="last-spans", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await sent.wait()

    def _sampled(self, whose: "_Whose") -> bool:
        """Whether the command is in a trace that is recorded; the same for all of its spans, in every process."""
        context = _within(whose.parent) if whose.parent else Context()
        decided = self._provider.sampler.should_sample(context, whose.trace_id, "").decision
        return decided is Decision.RECORD_AND_SAMPLE

    def _make(self, report: SpanReport, whose: "_Whose", span: EndedSpan) -> None:
        command = span.name is SpanName.COMMAND
        above = whose.parent if command else whose.context(span.run)
        self._ids.trace_id, self._ids.span_id = whose.trace_id, whose.span_id(span.run, span.number)
        made = self._tracer.start_span(
            _title(report.job, span),
            context=_within(above) if above else Context(),
            kind=_KINDS.get(span.name, SpanKind.INTERNAL),
            attributes=self._attributes(report, span),
            links=self._links(report, whose, span),
            start_time=_nanoseconds(span.began),
        )
        if span.error:
            made.set_status(Status(StatusCode.ERROR, span.error))
        made.end(_nanoseconds(span.ended))

    def _attributes(self, report: SpanReport, span: EndedSpan) -> Attributes:
        found = {
            "cleanroomsml.phase": "" if span.name is SpanName.COMMAND else span.name.value,
            "cleanroomsml.reason": span.reason,
            "cleanroomsml.attempt": span.attempt,
            "cleanroomsml.began_by": span.by if span.by != self.process else "",
            "error.type": span.error,
            **(self._of_command(report) if span.name is SpanName.COMMAND else {}),
            **(self._of_call(report.job) if span.name is SpanName.CALL else {}),
        }
        return {name: value for name, value in found.items() if value}

    def _of_command(self, report: SpanReport) -> Attributes:
        job, command = report.job, report.job.command
        return {
            "messaging.system": "kafka",
            "messaging.operation.name": "process",
            "messaging.operation.type": "process",
            "messaging.destination.name": report.partition.topic,
            "messaging.destination.partition.id": str(report.partition.partition),
            "messaging.consumer.group.name": self._group,
            "messaging.message.id": command.id,
            "messaging.message.conversation_id": command.correlation_id,
            "cloudevents.event_id": command.id,
            "cloudevents.event_source": command.source,
            "cleanroomsml.operation": performs(command),
            "cleanroomsml.target": command.target,
            "cleanroomsml.tenant": command.tenant,
            "cleanroomsml.outcome": job.phase.value,
            "cleanroomsml.resource": job.resource_id,
            "cleanroomsml.status": job.status,
        }

    def _of_call(self, job: Job) -> Attributes:
        return {
            "rpc.system": "aws-api",
            "rpc.service": _AWS_SERVICE,
            "rpc.method": performs(job.command),
            "cloud.region": job.region or self._regions.get(job.command.target, ""),
        }

    def _links(self, report: SpanReport, whose: "_Whose", span: EndedSpan) -> list[Link]:
        """To the restore by which this process took over, to the run before, to the commands that were waited for."""
        found = []
        where = f"{report.partition.topic}-{report.partition.partition}"
        if span.by != self.process and (restore := self._restores.get(where)):
            found.append(_link(restore, "restore"))
        if span.name is SpanName.COMMAND and span.run > 1:
            found.append(_link(whose.context(span.run - 1), "parked"))
        if span.name is SpanName.PREDECESSORS:
            found += [_link(_Whose(job).context(1), "predecessor") for job in report.predecessors]
        return found


class _Whose:
    """The ids of one command's spans."""

    def __init__(self, job: Job) -> None:
        command = job.command
        self._key = (command.tenant, job_key(command.source, command.id).decode(), repr(job.accepted_at))
        self.parent = _parent(command.traceparent, command.tracestate)
        self.trace_id = self.parent.trace_id if self.parent else _number(16, *self._key)

    def span_id(self, run: int, number: int) -> int:
        return _number(8, *self._key, run, number)

    def context(self, run: int) -> SpanContext:
        """Of the span of the whole command, which another process may make."""
        state = self.parent.trace_state if self.parent else None
        flags = TraceFlags(TraceFlags.SAMPLED)
        return SpanContext(self.trace_id, self.span_id(run, 0), is_remote=True, trace_flags=flags, trace_state=state)


def _parent(traceparent: str, tracestate: str) -> SpanContext | None:
    """The publisher's span; None without one, and for what an older release has kept and is none."""
    known = tracecontext.read(traceparent, tracestate)
    if not known.parent:
        return None
    _, trace, span, flags = known.parent.split("-")
    state = TraceState.from_header([known.state] if known.state else [])
    return SpanContext(
        int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)), trace_state=state
    )


def _within(context: SpanContext) -> Context:
    return set_span_in_context(NonRecordingSpan(context), Context())


def _link(context: SpanContext, what: str) -> Link:
    return Link(context, {"cleanroomsml.link": what})


def _title(job: Job, span: EndedSpan) -> str:
    """Of a small set: names of operations and phases."""
    match span.name:
        case SpanName.COMMAND:
            return f"process {performs(job.command)}"
        case SpanName.CALL:
            return f"{_AWS_SERVICE}.{performs(job.command)}"
        case _:
            return span.name.value


def _number(size: int, *parts: str | int) -> int:
    """An id that follows from its parts; never 0, which is none."""
    text = "\0".join(str(part) for part in parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=size).digest(), "big") or 1


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1_000_000) * 1000


def _resource(process: str, replica: str, release: str) -> Resource:
    """Who makes the spans; what the OTEL_ variables say of it wins."""
    given = OTELResourceDetector().detect().attributes
    ours = {
        "service.name": SERVICE_NAME,
        "service.version": release,
        "service.instance.id": replica,
        "cleanroomsml.process": process,
    }
    return Resource.create({name: value for name, value in ours.items() if name not in given})
