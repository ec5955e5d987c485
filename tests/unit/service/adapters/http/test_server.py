"""Probes, metrics and the status page, over a real socket."""

import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator
from html import escape
from typing import Any

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from sandbox.kafka.broker import free_port
from schemas.records import Phase
from service.adapters.http import ListenError, Liveness, StatusServer
from service.adapters.http.page import LEGEND
from service.adapters.telemetry import PrometheusTelemetry
from service.core.capacity import Pool
from service.runtime.activities import Activities
from service.runtime.app import App
from service.runtime.shard import Shard, State
from service.runtime.slots import SlotRegistry
from service.runtime.standby import Standby
from tests.support.clock import ManualClock


class Bench:
    """A server, what it is given to show, and a client."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {"ready": False, "shards": {}}
        self.clock = ManualClock()
        self.liveness = Liveness(self.clock, {"loop": 30, "kafka": 325})
        self.telemetry = PrometheusTelemetry()
        self.server = StatusServer(
            "127.0.0.1",
            0,
            status=lambda: self.status,
            metrics=self.telemetry.render,
            liveness=self.liveness,
            as_openmetrics=self.telemetry.render_openmetrics,
        )
        self.url = ""

    async def get(self, path: str, method: str = "GET", **headers: str) -> tuple[int, str, dict[str, str]]:
        asked = aiohttp.ClientSession(headers=headers)
        async with asked as session, session.request(method, self.url + path) as answer:
            return answer.status, await answer.text(), dict(answer.headers)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.url = f"http://{await bench.server.start()}"
    yield bench
    await bench.server.stop()
    await bench.server.stop()


async def test_liveness(bench: Bench) -> None:
    bench.liveness.beat("loop")
    bench.liveness.beat("kafka")
    assert (await bench.get("/livez"))[0] == 200
    bench.clock.advance(31)
    bench.liveness.beat("kafka")
    assert json.loads((await bench.get("/livez"))[1])["silent"] == ["loop"]
    bench.clock.advance(326)
    bench.liveness.beat("loop")
    status, text, _ = await bench.get("/livez")
    assert (status, json.loads(text)["silent"]) == (503, ["kafka"])
    bench.liveness.beat("kafka")
    assert (await bench.get("/livez"))[0] == 200


async def test_start_is_over_once(bench: Bench) -> None:
    assert (await bench.get("/startupz"))[0] == 503
    bench.status = {"ready": False, "started": True}
    assert (await bench.get("/startupz"))[:2] == (200, '{"started": true}')
    assert (await bench.get("/readyz"))[0] == 503


async def test_readiness_shows_progress(bench: Bench) -> None:
    bench.status = {"ready": False, "shards": {"commands-0": {"state": "restoring", "restored": 5}}}
    status, text, _ = await bench.get("/readyz")
    assert status == 503
    assert '"restored": 5' in text
    bench.status = {"ready": True}
    assert (await bench.get("/readyz"))[0] == 200


async def test_who_lost_its_place_says_so(bench: Bench) -> None:
    bench.status = {"ready": False, "superseded": "another process has <our> place"}
    status, text, _ = await bench.get("/readyz")
    assert (status, json.loads(text)["superseded"]) == (503, "another process has <our> place")
    assert '<p class="no">another process has &lt;our&gt; place</p>' in (await bench.get("/"))[1]
    bench.status = {"ready": True, "superseded": ""}
    assert "superseded" not in json.loads((await bench.get("/readyz"))[1])


async def test_metrics(bench: Bench) -> None:
    bench.telemetry.reply("accepted")
    status, text, headers = await bench.get("/metrics")
    assert status == 200
    assert 'crml_replies_total{kind="accepted"} 1.0' in text
    assert headers["Content-Type"].startswith("text/plain")


async def test_metrics_as_openmetrics_for_who_asks_for_them(bench: Bench) -> None:
    bench.telemetry.reply("accepted")
    prometheus = "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.4"
    _, text, headers = await bench.get("/metrics", Accept=prometheus)
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = {family.name: family for family in text_string_to_metric_families(text)}  # type: ignore[no-untyped-call]
    samples = families["crml_replies"].samples
    assert {each.labels["kind"]: each.value for each in samples if each.name == "crml_replies_total"}["accepted"] == 1


async def test_the_page_escapes_everything(bench: Bench) -> None:
    evil = '<script>alert("x")</script>'
    bench.status = {
        "ready": True,
        "shards": {evil: {"state": evil, evil: 1}},
        "jobs": {evil: 3},
        "targets": {"default": {"region": "eu-west-1"}, "plain": "text"},
        "empty": {},
    }
    status, text, headers = await bench.get("/")
    assert status == 200
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 4
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Server"] == "cleanroomsml-service"


async def test_the_legend_has_every_word_that_the_page_can_show(bench: Bench) -> None:
    """Names of sections and columns are read from the source of what fills them."""
    fillers = (App.status, Shard.statistics, Activities.statistics, SlotRegistry.statistics, Standby.statistics)
    shown = {name for each in fillers for name in re.findall(r'"(\w+)":', inspect.getsource(each))}
    shown |= {f"{calls}_{what}" for calls in ("reads", "writes") for what in ("per_second", "waiting")}
    shown |= {each.value for kind in (Phase, State, Pool) for each in kind} | {"addresses"}
    assert {"standby", "taken_here", "in_line", "current", "watches", "uncertain"} <= shown
    explained = set(re.findall(r"\w+", " ".join(f"{words} {meaning}" for words, meaning in LEGEND.items())))
    assert shown - explained == set()
    bench.status = {"ready": False}
    _, page, _ = await bench.get("/")
    assert "<h2>legend</h2>" in page
    assert all(escape(meaning) in page for meaning in LEGEND.values())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics"])
async def test_get_only(bench: Bench, method: str, path: str) -> None:
    status, _, headers = await bench.get(path, method)
    assert status == 405
    assert headers["Server"] == "cleanroomsml-service"


HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics", "/absent"])
async def test_every_answer_protects_itself(bench: Bench, path: str) -> None:
    _, _, headers = await bench.get(path)
    assert {name: headers.get(name) for name in HEADERS} == HEADERS
    policy = headers["Content-Security-Policy"]
    for part in ("default-src 'none'", "frame-ancestors 'none'", "form-action 'none'", "base-uri 'none'"):
        assert part in policy


HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "\u202egnp.exe",
    "line\nbreak\r\nX-Injected: 1",
    "\x00\x1b[2J",
]


TAGS = {
    tag for line in ("html head meta title style body main", "h1 h2 span table tr th td p a") for tag in line.split()
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_names_of_others_are_text(bench: Bench, name: str) -> None:
    """A topic or a reason may carry what somebody else has chosen."""
    bench.status = {"ready": True, "shards": {name: {"state": name, name: name}}, "halted": {name: name}}
    _, text, headers = await bench.get("/")
    tags = {tag.strip("/") for tag in re.findall(r"<(/?[a-zA-Z0-9]+)", text)}
    assert tags <= TAGS
    assert text.count("<style>") == text.count("</style>") == 1
    assert not re.search(r"<[^>]*\bon[a-z]+=", text)
    assert set(re.findall(r'href="([^"]*)"', text)) == {"/readyz", "/livez", "/metrics"}
    assert "X-Injected" not in headers
    _, text, headers = await bench.get("/readyz")
    assert headers["Content-Type"].startswith("application/json")
    assert json.loads(text)["halted"] == {name: name}


async def test_the_page_on_a_port_of_its_own(bench: Bench) -> None:
    """Who may scrape and probe sees no page, and who sees the page can't probe."""
    port = free_port()
    apart = StatusServer(
        "127.0.0.1",
        0,
        status=lambda: {"ready": True},
        metrics=lambda: b"m",
        liveness=bench.liveness,
        page=("127.0.0.1", port),
    )
    probes = await apart.start()
    try:
        answers = {}
        own_page = f"127.0.0.1:{port}"
        for own, paths in ((probes, ["/livez", "/readyz", "/metrics", "/"]), (own_page, ["/", "/metrics", "/livez"])):
            bench.url = f"http://{own}"
            answers[own] = [(await bench.get(path))[0] for path in paths]
        assert answers == {probes: [200, 200, 200, 404], own_page: [200, 404, 404]}
    finally:
        await apart.stop()


async def test_unknown_paths(bench: Bench) -> None:
    status, text, headers = await bench.get("/<script>")
    assert status == 404
    assert "<script" not in text
    assert "Content-Security-Policy" in headers


async def test_a_taken_port_is_told(bench: Bench) -> None:
    port = int(bench.url.rsplit(":", 1)[1])
    second = StatusServer("127.0.0.1", port, status=dict, metrics=bytes, liveness=bench.liveness)
    with pytest.raises(ListenError, match=f":{port} is in use by another process; check http.host and http.port$"):
        await second.start()
    await second.stop()


@pytest.mark.parametrize("host", ["no-such-host.invalid", "203.0.113.1", "a..b", "x" * 70])
async def test_a_host_that_is_none_of_ours_is_told(bench: Bench, host: str) -> None:
    apart = StatusServer(host, 0, status=dict, metrics=bytes, liveness=bench.liveness)
    with pytest.raises(ListenError, match="^" + re.escape(host)):
        await apart.start()
    await apart.stop()


async def test_a_listener_on_ipv6(bench: Bench) -> None:
    apart = StatusServer("::1", 0, status=lambda: {"ready": True}, metrics=bytes, liveness=bench.liveness)
    bench.url = f"http://{await apart.start()}"
    assert bench.url.startswith("http://[::1]:")
    assert (await bench.get("/readyz"))[0] == 200
    await apart.stop()


@pytest.mark.parametrize("dual", [True, False])
async def test_every_address(bench: Bench, monkeypatch: pytest.MonkeyPatch, dual: bool) -> None:
    """`::` in a container: probes come by IPv4, by IPv6, or by the one that the kernel has."""
    if not dual:
        monkeypatch.setattr("socket.has_dualstack_ipv6", lambda: False)
    every = StatusServer("::", 0, status=lambda: {"ready": True}, metrics=bytes, liveness=bench.liveness)
    port = (await every.start()).rpartition(":")[2]
    for host in ("127.0.0.1", "[::1]") if dual else ("127.0.0.1",):
        bench.url = f"http://{host}:{port}"
        assert (await bench.get("/readyz"))[0] == 200
    with pytest.raises(ListenError, match="in use"):
        await StatusServer("::", int(port), status=dict, metrics=bytes, liveness=bench.liveness).start()
    await every.stop()


async def test_addresses_of_targets_are_shown(bench: Bench) -> None:
    addresses = {"eu": {"Clean Rooms ML": "https://ml.example", "STS": "https://sts.example"}}
    apart = StatusServer(
        "127.0.0.1", 0, status=lambda: {"ready": True, "addresses": addresses}, metrics=bytes, liveness=bench.liveness
    )
    bench.url = f"http://{await apart.start()}"
    _, page, _ = await bench.get("/")
    _, probe, _ = await bench.get("/readyz")
    await apart.stop()
    assert '<tr><th scope="row">eu</th><td>https://ml.example</td><td>https://sts.example</td></tr>' in page
    assert json.loads(probe)["addresses"] == addresses


@pytest.mark.looptime
async def test_watch_measures_lag() -> None:
    lags: list[float] = []
    clock = ManualClock()
    liveness = Liveness(clock, {"loop": 1}, lag=lags.append)
    task = asyncio.create_task(liveness.watch())
    await asyncio.sleep(0.25)
    clock.advance(0.9)
    await asyncio.sleep(0.5)
    task.cancel()
    assert lags == [pytest.approx(0.4)]
    assert liveness.silent() == []
