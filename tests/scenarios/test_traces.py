"""The spans of commands, as the real exporter sends them to a collector on loopback."""

import asyncio
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from service.adapters.telemetry.traces import Traces
from service.runtime.ports import Failure
from tests.scenarios.test_campaigns import CHAIN, DENIED, campaign
from tests.support import api as fake
from tests.support.clock import LoopClock
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.otlp import Collector, Received, collecting
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "traces.md").read_text(encoding="utf-8")
TRACE, PUBLISHER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PUBLISHER}-01", f"00-{TRACE}-{PUBLISHER}-00"
SECRET = "hunter2-the-lake-password"


@dataclass
class Exporting:
    """Gives every process a tracer with a real exporter."""

    collector: Collector
    made: list[Traces] = field(default_factory=list)

    def tracer(self, process: str, clock: LoopClock) -> Traces:
        traces = Traces(
            process,
            replica="replica-0",
            release="1.2.3",
            group="crml",
            regions={"default": "eu-west-1"},
            clock=clock,
        )
        self.made.append(traces)
        return traces

    def sent(self) -> Collector:
        """The collector, when everything has arrived."""
        for traces in self.made:
            traces._provider.force_flush()
        return self.collector


@pytest.fixture
def exporting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Exporting]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.address)
        found = Exporting(collector)
        yield found
        for traces in found.made:
            traces._provider.shutdown()


def one(spans: list[Received]) -> Received:
    (only,) = spans
    return only


def assert_whole(collector: Collector, whole: Received) -> None:
    """The phases lie within the command, one after the other, and nothing is there twice."""
    phases = collector.phases(whole)
    assert len({span.id for span in collector.spans}) == len(collector.spans)
    assert [phase.attributes["cleanroomsml.phase"] for phase in phases]
    for before, after in itertools.pairwise(phases):
        assert before.ended == after.began, (before.name, after.name)
    assert phases[0].began == whole.began
    assert phases[-1].ended == whole.ended


async def test_a_chain_of_five(exporting: Exporting) -> None:
    async with Rig(tracer=exporting.tracer) as rig:
        rig.api.working = 60.0
        rig.api.latency = 0.5
        await rig.start()
        campaign(rig)
        await rig.end("five")
        found = exporting.sent()
    assert found.tree("one") == [["CleanRoomsML.CreateTrainingDataset"]]  # it had its turn at once
    model = ["predecessors", "queued", "CleanRoomsML.CreateAudienceModel", "running"]
    assert found.tree("two") == [model]
    assert found.tree("three") == [["predecessors", "queued", "CleanRoomsML.CreateConfiguredAudienceModel"]]
    assert found.tree("four") == [["predecessors", "queued", "CleanRoomsML.StartAudienceGenerationJob", "running"]]
    assert found.tree("five") == [
        ["predecessors", "queued", "CleanRoomsML.StartAudienceExportJob", "search", "running"]
    ]
    assert _shown(found) in PAGE
    before = ""
    for name, (operation, member) in CHAIN.items():
        whole = one(found.of(name))
        assert_whole(found, whole)
        assert whole.name == f"process {operation}"
        assert not whole.failed
        call = one([phase for phase in found.phases(whole) if phase.name.startswith("CleanRoomsML.")])
        assert call.ended - call.began == pytest.approx(0.5, abs=0.2)
        if member:
            waited = one([phase for phase in found.phases(whole) if phase.name == "predecessors"])
            assert waited.links == {"predecessor": [one(found.of(before)).id]}
        before = name
    running = found.phases(one(found.of("two")))[-1]
    assert running.ended - running.began >= 60.0


def _shown(collector: Collector) -> str:
    """The trees of a campaign, as the page has them."""
    lines = []
    for name in CHAIN:
        whole = one(collector.of(name))
        lines += [whole.name, *(f"  {phase.name}" for phase in collector.phases(whole))]
    return "```\n" + "\n".join(lines) + "\n```"


async def test_a_trace_is_continued(exporting: Exporting) -> None:
    """Under the publisher's span, in its trace; replies carry on what they did before."""
    async with Rig(tracer=exporting.tracer) as rig:
        await rig.start()
        name = rig.send(
            "CreateTrainingDataset", traceparent=SAMPLED, tracestate="shop=1", correlationid="order-7", key="k"
        )
        await rig.end(name)
        found = exporting.sent()
        carried = {reply.extensions["traceparent"] for reply in rig.replies(name)}
    assert carried == {SAMPLED}
    whole = one(found.of(name))
    assert (whole.trace, whole.parent, whole.span.trace_state) == (TRACE, PUBLISHER, "shop=1")
    assert {span.trace for span in found.phases(whole)} == {TRACE}
    wanted = {
        "messaging.system": "kafka",
        "messaging.operation.type": "process",
        "messaging.destination.name": "cleanroomsml.commands",
        "messaging.message.conversation_id": "order-7",
        "cloudevents.event_source": "/tests",
        "cleanroomsml.outcome": "succeeded",
    }
    assert wanted.items() <= whole.attributes.items()
    call = found.phases(whole)[-1].attributes
    assert (call["rpc.system"], call["rpc.method"]) == ("aws-api", "CreateTrainingDataset")
    assert (call["cloud.region"], call["cleanroomsml.attempt"]) == ("eu-west-1", 1)
    assert whole.resource["service.name"] == "cleanroomsml-service"
    assert whole.resource["service.instance.id"] == "replica-0"


async def test_a_trace_that_its_publisher_does_not_record_is_not_recorded(exporting: Exporting) -> None:
    async with Rig(tracer=exporting.tracer) as rig:
        await rig.start()
        name = rig.send("CreateTrainingDataset", traceparent=UNSAMPLED)
        await rig.end(name)
        assert [span.name for span in exporting.sent().spans if span.name != "restore"] == []


async def test_without_a_trace_a_command_has_one_of_its_own(exporting: Exporting) -> None:
    async with Rig(tracer=exporting.tracer) as rig:
        await rig.start()
        names = [rig.send("CreateTrainingDataset") for _ in range(2)]
        for name in names:
            await rig.end(name)
        found = exporting.sent()
    first, second = (one(found.of(name)) for name in names)
    assert first.parent == second.parent == ""
    assert first.trace != second.trace
    assert {span.trace for span in found.phases(first)} == {first.trace}


async def test_across_a_restart_each_phase_is_one_span(exporting: Exporting) -> None:
    """The owner is killed while AWS works, twice; who ends the phase links it to its own restore."""
    async with Rig(tracer=exporting.tracer, partitions=1) as rig:
        rig.api.working = 60.0
        node = await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        data = request("CreateAudienceModel", trainingDatasetArn=dataset)
        name = rig.send("CreateAudienceModel", data, traceparent=SAMPLED)
        for _ in range(2):
            await rig.until(lambda: rig.phase(name) == "running")
            await asyncio.sleep(10.0)
            node = await rig.restart(node)
        await rig.end(name)
        found = exporting.sent()
    whole = one(found.of(name))
    assert found.tree(name) == [["CleanRoomsML.CreateAudienceModel", "running"]]
    assert_whole(found, whole)
    call, running = found.phases(whole)
    restores = {span.id: span.resource["cleanroomsml.process"] for span in found.named("restore")}
    for span in (whole, running):
        assert span.attributes["cleanroomsml.began_by"] == "node-1"
        assert [restores[each] for each in span.links["restore"]] == ["node-3"]
        assert span.resource["cleanroomsml.process"] == "node-3"
    assert call.links == {}
    assert running.ended - running.began >= 60.0


async def test_a_call_whose_answer_the_owner_did_not_live_to_hear(exporting: Exporting) -> None:
    async with Rig(tracer=exporting.tracer, partitions=1) as rig:
        rig.api.latency = 2.0
        node = await rig.start()
        name = rig.send("CreateTrainingDataset")
        await rig.until(lambda: rig.api.counts()["CreateTrainingDataset"])
        await rig.restart(node)
        await rig.end(name)
        found = exporting.sent()
    assert found.tree(name) == [["CleanRoomsML.CreateTrainingDataset", "search"]]
    whole = one(found.of(name))
    assert_whole(found, whole)
    call, search = found.phases(whole)
    assert call.attributes["error.type"] == "OutcomeUnknown"
    assert call.attributes["cleanroomsml.began_by"] == "node-1"
    assert call.links.keys() == {"restore"}
    assert "cleanroomsml.began_by" not in search.attributes


async def test_a_parked_command_and_what_was_decided(exporting: Exporting) -> None:
    """Parked ends the first run; the decision and what follows are another one, linked to it."""
    async with Rig(tracer=exporting.tracer, policy=replace(POLICY, search_limit=60.0)) as rig:
        await rig.start()
        rig.api.inject("CreateTrainingDataset", fake.LOST_REPLY)
        rig.api.always("ListTrainingDatasets", DENIED)
        name = rig.send("CreateTrainingDataset", command_id="d")
        await rig.until(lambda: rig.phase(name) == "parked")
        parked = exporting.sent()
        assert parked.tree(name) == [["CleanRoomsML.CreateTrainingDataset", "search"]]
        whole = one(parked.of(name))
        assert_whole(parked, whole)
        assert (whole.failed, whole.attributes["cleanroomsml.outcome"]) == (True, "parked")
        assert whole.attributes["error.type"] == "SearchFailed"
        await asyncio.sleep(100.0)
        decision = {"commandSource": "/tests", "commandId": name, "resolution": "fail"}
        await rig.perform("ResolveCommand", decision)
        found = exporting.sent()
    assert found.tree(name) == [["CleanRoomsML.CreateTrainingDataset", "search"], ["parked"]]
    first, second = found.of(name)
    assert second.links == {"parked": [first.id]}
    assert (second.trace, second.attributes["cleanroomsml.outcome"]) == (first.trace, "failed")
    assert_whole(found, second)
    assert second.ended - second.began >= 100.0


async def test_a_wait_for_a_slot_is_one_span_however_often_it_is_tried(exporting: Exporting) -> None:
    quotas = {"audience-models": 1, "audience-generation-jobs": 10, "audience-export-jobs": 20}
    async with Rig(tracer=exporting.tracer, quotas=quotas) as rig:
        rig.api.working = 200.0
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        data = request("CreateAudienceModel", trainingDatasetArn=dataset)
        first, second = (rig.send("CreateAudienceModel", data) for _ in range(2))
        await rig.end(first, 900.0)
        await rig.end(second, 900.0)
        found = exporting.sent()
    trees = sorted(tree for name in (first, second) for tree in found.tree(name))
    assert trees == [
        ["CleanRoomsML.CreateAudienceModel", "running"],
        ["queued", "quota", "CleanRoomsML.CreateAudienceModel", "running"],
    ]
    quota = one(found.named("quota"))
    assert quota.ended - quota.began >= 180.0
    assert quota.attributes["cleanroomsml.reason"] == "ConcurrencyLimit"


async def test_nothing_of_a_payload_leaves(exporting: Exporting) -> None:
    """Neither of a request that is performed, nor of one that is refused, nor AWS's words about it."""
    async with Rig(tracer=exporting.tracer) as rig:
        await rig.start()
        data = request("CreateTrainingDataset", description=SECRET)
        rig.api.inject("CreateTrainingDataset", fake.Fault(Failure("ValidationException", SECRET, 400)))
        for payload in (data, {**data, "roleArn": SECRET}):
            await rig.end(rig.send("CreateTrainingDataset", payload, key=SECRET))
        found = exporting.sent()
    assert len([span for span in found.spans if span.failed]) >= 3
    assert not any(SECRET.encode() in body for body in found.bodies)


async def test_a_step_whose_commit_fails_makes_no_span(exporting: Exporting) -> None:
    """Its next owner makes the same step and the span, under the same id."""
    async with Rig(tracer=exporting.tracer, partitions=1) as rig:
        node = await rig.start()
        name = rig.send("CreateTrainingDataset")
        await rig.until(lambda: rig.phase(name) == "intended", step=0.001)
        rig.broker.fail_next_commit(applied=False)
        await rig.until(lambda: node.story.told("shard_closed_dirty"))
        assert not [report for report in node.story.reports if report.job.command.id == name][1:]
        await rig.end(name)
        found = exporting.sent()
    whole = one(found.of(name))
    assert_whole(found, whole)
    assert found.tree(name)[0].count("CleanRoomsML.CreateTrainingDataset") == 1
