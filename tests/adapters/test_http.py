"""Probes, metrics and the status page, over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from service.adapters.http import Liveness, StatusServer
from service.adapters.telemetry import Telemetry
from tests.fakes.clock import ManualClock


class Bench:
    """A server, what it is given to show, and a client."""

    def __init__(self) -> None:
        self.status: dict[str, Any] = {"ready": False, "shards": {}}
        self.clock = ManualClock()
        self.liveness = Liveness(self.clock, limit=30)
        self.telemetry = Telemetry()
        self.server = StatusServer(
            "127.0.0.1", 0, status=lambda: self.status, metrics=self.telemetry.render, liveness=self.liveness
        )
        self.url = ""

    async def get(self, path: str, method: str = "GET") -> tuple[int, str, dict[str, str]]:
        async with aiohttp.ClientSession() as session, session.request(method, self.url + path) as answer:
            return answer.status, await answer.text(), dict(answer.headers)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    bench.url = f"http://127.0.0.1:{await bench.server.start()}"
    yield bench
    await bench.server.stop()
    await bench.server.stop()


async def test_liveness(bench: Bench) -> None:
    bench.liveness.beat("loop")
    bench.liveness.beat("kafka")
    assert (await bench.get("/livez"))[0] == 200
    bench.clock.advance(31)
    bench.liveness.beat("loop")
    status, text, _ = await bench.get("/livez")
    assert status == 503
    assert '"silent": ["kafka"]' in text
    bench.liveness.forget("kafka")
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


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics"])
async def test_get_only(bench: Bench, method: str, path: str) -> None:
    status, _, headers = await bench.get(path, method)
    assert status == 405
    assert headers["Server"] == "cleanroomsml-service"


async def test_unknown_paths(bench: Bench) -> None:
    status, text, headers = await bench.get("/<script>")
    assert status == 404
    assert "<script" not in text
    assert "Content-Security-Policy" in headers


async def test_a_taken_port_is_told(bench: Bench) -> None:
    port = int(bench.url.rsplit(":", 1)[1])
    second = StatusServer("127.0.0.1", port, status=dict, metrics=bytes, liveness=bench.liveness)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    await second.stop()


@pytest.mark.looptime
async def test_watch_measures_lag() -> None:
    lags: list[float] = []
    clock = ManualClock()
    liveness = Liveness(clock, limit=1, lag=lags.append)
    task = asyncio.create_task(liveness.watch())
    await asyncio.sleep(0.25)
    clock.advance(0.9)
    await asyncio.sleep(0.5)
    task.cancel()
    assert lags == [pytest.approx(0.4)]
    assert liveness.silent() == []
