"""Spans as the SDK exports them: ids, sampling, times, and a collector that is away stops nothing."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from schemas.records import Job, Phase
from service.adapters.clock import SystemClock
from service.adapters.telemetry.metrics import PrometheusTelemetry
from service.adapters.telemetry.traces import Traces
from service.core.spans import EndedSpan, SpanName
from service.runtime.ports import SpanReport, TopicPartition
from tests.support.builders import CREATING, command, job
from tests.support.otlp import Collector, collecting

PARTITION = TopicPartition("cleanroomsml.commands", 3)
WHOLE = EndedSpan(SpanName.COMMAND, 1, 0, 100.0, 160.5, "p-1")
RUNNING = EndedSpan(SpanName.RUNNING, 1, 2, 110.0, 160.5, "p-0")
TRACE = "0af7651916cd43dd8448eb211c80319c"


def ended(**changes: Any) -> Job:
    return job(CREATING[0], Phase.SUCCEEDED, command=command(CREATING[0], **changes))


def report(*spans: EndedSpan, **changes: Any) -> SpanReport:
    return SpanReport(ended(**changes), spans or (RUNNING, WHOLE), PARTITION)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as found:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", found.address)
        yield found


def made(process: str = "p-1") -> Traces:
    return Traces(
        process, replica="r-1", release="1.2.3", group="g", regions={"main": "eu-west-1"}, clock=SystemClock()
    )


async def exported(collector: Collector, *reports: SpanReport, process: str = "p-1") -> Collector:
    traces = made(process)
    for each in reports:
        traces.spans(each)
    await traces.close(10.0)
    return collector


async def test_a_span_has_the_times_of_the_record(collector: Collector) -> None:
    running, whole = (await exported(collector, report())).spans
    assert (whole.name, whole.span.start_time_unix_nano) == (f"process {CREATING[0].name}", 100_000_000_000)
    assert whole.span.end_time_unix_nano == 160_500_000_000
    assert (running.name, running.parent, running.trace) == ("running", whole.id, whole.trace)
    assert running.attributes["cleanroomsml.began_by"] == "p-0"
    assert "cleanroomsml.began_by" not in whole.attributes


async def test_ids_follow_from_the_command_whoever_makes_the_span(collector: Collector) -> None:
    for process in ("p-1", "p-2"):
        await exported(collector, report(), process=process)
    assert len(collector.spans) == 4
    assert len({(span.trace, span.id, span.parent) for span in collector.spans}) == 2


@pytest.mark.parametrize("other", [{"id": "c-2"}, {"source": "/other"}, {"tenant": "t"}])
async def test_other_commands_have_other_ids(collector: Collector, other: dict[str, str]) -> None:
    await exported(collector, report(WHOLE), report(WHOLE, **other))
    assert len({span.trace for span in collector.spans}) == len({span.id for span in collector.spans}) == 2


async def test_what_is_no_trace_begins_one(collector: Collector) -> None:
    """As a record of an older release may have it."""
    (span,) = (await exported(collector, report(WHOLE, traceparent="tp", tracestate="ts"))).spans
    assert (span.parent, span.span.trace_state) == ("", "")


@pytest.mark.parametrize(
    ("flags", "sampler", "count"),
    [
        ("01", "", 2),
        ("00", "", 0),
        ("03", "", 2),
        ("", "", 2),
        ("", "always_off", 0),
        ("", "parentbased_always_off", 0),
        ("01", "parentbased_always_off", 2),
        ("00", "always_on", 2),
        ("01", "traceidratio:0.0", 0),
    ],
)
async def test_the_flag_and_the_sampler_decide_for_all_spans_of_a_command(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, flags: str, sampler: str, count: int
) -> None:
    name, _, argument = sampler.partition(":")
    if name:
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", name)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", argument)
    parent = f"00-{TRACE}-b7ad6b7169203331-{flags}" if flags else ""
    await exported(collector, report(RUNNING, traceparent=parent), report(WHOLE, traceparent=parent))
    assert len(collector.spans) == count


async def test_a_ratio_keeps_or_drops_a_command_as_a_whole(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    await exported(collector, *(report(each, id=f"c-{number}") for number in range(200) for each in (RUNNING, WHOLE)))
    traces = [span.trace for span in collector.spans]
    assert 50 < len(set(traces)) < 150
    assert len(traces) == 2 * len(set(traces))


async def test_the_standard_variables_name_the_service(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "clean-rooms")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.instance.id=x")
    (span,) = (await exported(collector, report(WHOLE))).spans
    assert span.resource["service.name"] == "clean-rooms"
    assert span.resource["deployment.environment.name"] == "test"
    assert span.resource["service.instance.id"] == "x"
    assert span.resource["service.version"] == "1.2.3"


async def test_a_restore_is_linked_by_what_began_under_another_process(collector: Collector) -> None:
    traces = made()
    telemetry = PrometheusTelemetry(traces=traces)
    telemetry.restored("cleanroomsml.commands-3", 7, 0.5, copied=5)
    telemetry.spans(report())
    await traces.close(10.0)
    restore, running, whole = collector.spans
    assert (restore.name, restore.attributes["cleanroomsml.restore.records"]) == ("restore", 7)
    assert restore.ended - restore.began == pytest.approx(0.5, abs=0.001)
    assert running.links == {"restore": [restore.id]}
    assert whole.links == {}


async def test_a_collector_that_is_slow_or_away_stops_nothing(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full queue drops the oldest spans; a stop waits a bounded time."""
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "50")
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "10")
    collector.delay = threading.Event()
    traces = made()
    began = time.monotonic()
    for number in range(500):
        traces.spans(report(WHOLE, id=f"c-{number}"))
    assert time.monotonic() - began < 5.0  # a full queue waits for nobody; an export would take 20 s
    began = time.monotonic()
    await traces.close(0.3)
    assert time.monotonic() - began < 5.0
    collector.delay.set()
    for thread in threading.enumerate():
        if thread.name == "last-spans":
            thread.join(20.0)


async def test_a_collector_that_refuses_is_survived(collector: Collector) -> None:
    collector.status = 400
    await exported(collector, report())
    assert collector.spans == []
