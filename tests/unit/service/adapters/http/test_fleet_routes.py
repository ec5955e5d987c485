"""The pages and their JSON over a real socket: for GET only, escaped, bounded, with nothing of a payload."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from yarl import URL

from schemas.records import Phase
from service.adapters.http import fleet_routes
from service.adapters.http.fleet_routes import PATHS, POLICY
from service.core.job import replace
from tests.page.example import SECRET, arn, ended, job, replica
from tests.support.clock import ManualClock
from tests.support.fleet_scene import Scene
from tests.unit.service.adapters.http.test_fleet_pages import outline

MODEL = "CreateAudienceModel"
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    '"><script>alert(1)</script>',
    "' onmouseover='alert(1)",
    "</title></style><script>",
    "javascript:alert(1)",
    "&lt;b&gt;",
    "\u202egnp.exe",
)
PAGES = ("/", "/command?id=c&source=s", "/resource?id=r", "/replica")


class Page:
    def __init__(self, scene: Scene, url: str, session: aiohttp.ClientSession) -> None:
        self.scene = scene
        self.session = session
        self._url = url

    async def get(self, path: str, method: str = "GET") -> tuple[int, str, dict[str, str]]:
        async with self.session.request(method, URL(self._url + path, encoded=True)) as answer:
            return answer.status, await answer.text(), dict(answer.headers)

    async def json(self, path: str) -> Any:
        status, text, headers = await self.get(path)
        assert headers["Content-Type"].startswith("application/json"), text
        return {**json.loads(text), "code": status}


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    scene = Scene(ManualClock())
    async with aiohttp.ClientSession() as session:
        yield Page(scene, await scene.serve(), session)
    await scene.stop()


async def test_however_many_ask_few_answers_are_made_at_a_time(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes its time on the event loop, which calls and heartbeats need; and what waits is bounded."""
    monkeypatch.setattr(fleet_routes, "WAITING", 6)
    active, most, hold = 0, 0, asyncio.Event()
    commands = page.scene.view.commands.commands

    async def held(query: Any) -> Any:
        nonlocal active, most
        active += 1
        most = max(most, active)
        await hold.wait()
        active -= 1
        return await commands(query)

    monkeypatch.setattr(page.scene.view.commands, "commands", held)
    asking = [asyncio.create_task(page.get(path)) for path in ("/", "/api/commands", "/api/commands?state=all") * 3]
    (refused,), rest = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    status, text, _ = await refused
    assert (status, "too many requests wait" in text) == (503, True)
    hold.set()
    assert [(await each)[0] for each in rest] == [200] * 8
    assert most == fleet_routes.ABREAST
    assert (await page.json("/api/overview"))["code"] == 200


async def test_every_address_of_the_index_answers(page: Page) -> None:
    one = job(
        page.scene.clock.wall(), "a/b", MODEL, Phase.RUNNING, 9.0, source="/s", resource_id=arn("audience-model", "m")
    )
    page.scene.put(one)
    filled = {"{source}": "%2Fs", "{id}": "a%2Fb", "{arn}": quote(one.resource_id, safe="")}
    for path in (await page.json("/api"))["addresses"]:
        for member, value in filled.items():
            path = path.replace(member, value)
        if path != "/api/stream":
            assert (await page.json(path))["code"] == 200, path
    assert set((await page.json("/api"))["addresses"]) == set(PATHS)


@pytest.mark.parametrize(
    ("source", "command_id"),
    [("/s", "c"), ("/a/b c", "d%2Fe"), ("s?x=1#y", "ü"), ("%", "a+b"), ("http://x/y", '"'), ("/", "/")],
)
async def test_a_command_by_its_address(page: Page, source: str, command_id: str) -> None:
    page.scene.put(job(page.scene.clock.wall(), command_id, MODEL, Phase.RUNNING, 9.0, source=source))
    found = await page.json(f"/api/commands/{quote(source, safe='')}/{quote(command_id, safe='')}")
    assert (found["code"], found.get("id"), found.get("source")) == (200, command_id, source)
    listed = (await page.get("/"))[1]
    [link] = re.findall(r'<th scope="row"><a href="([^"]*)"', listed)
    assert (await page.get(link.replace("&amp;", "&")))[0] == 200
    absent = await page.json("/api/commands/x/y")
    assert (absent["code"], absent["error"]) == (404, "no such command is known")


async def test_times_are_rfc_3339_and_names_are_camel_case(page: Page) -> None:
    page.scene.put(ended(page.scene.clock.wall(), "c", MODEL, Phase.FAILED, 9.0, 5.0))
    [found] = (await page.json("/api/commands?state=failed"))["commands"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", found["endedAt"])
    assert found["partition"] == {"topic": "cleanroomsml.commands", "number": 0}


async def test_pages_by_cursor(page: Page) -> None:
    now = page.scene.clock.wall()
    page.scene.put(*(job(now, f"c-{number:03}", MODEL, Phase.RUNNING, 500.0 - number) for number in range(120)))
    seen: list[str] = []
    path = "/api/commands?limit=50"
    while path:
        answer = await page.json(path)
        seen += [each["id"] for each in answer["commands"]]
        path = f"/api/commands?limit=50&cursor={answer['cursor']}" if answer["cursor"] else ""
    assert seen == [f"c-{number:03}" for number in range(120)]


@pytest.mark.parametrize(
    "path",
    [
        "/api/commands?limit=201",
        "/api/commands?cursor=x",
        "/api/commands?what=1",
        "/api/commands?q=a&q=b",
        "/api/commands?state=open&state=all",
        "/?state=nonsense",
        "/api/resources/x?order=up",
    ],
)
async def test_what_is_not_understood_is_refused(page: Page, path: str) -> None:
    status, text, headers = await page.get(path)
    assert status == 400
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Traceback" not in text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_get_only(page: Page, method: str) -> None:
    for path in (*PAGES, "/api", "/api/overview", "/api/commands", "/api/commands/s/c", "/api/stream", "/api/targets"):
        assert (await page.get(path, method))[0] == 405, path


async def test_every_answer_protects_itself(page: Page) -> None:
    page.scene.put(job(page.scene.clock.wall(), "c", MODEL, Phase.RUNNING, 9.0, source="s", resource_id="r"))
    for path in (*PAGES, "/api", "/api/commands", "/api/commands/x/y", "/assets/none", "/absent"):
        _, _, headers = await page.get(path)
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert "Set-Cookie" not in headers
    for part in ("script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert part in POLICY


async def test_a_pages_files_come_from_the_service_and_are_kept(page: Page) -> None:
    html = (await page.get("/"))[1]
    addresses = re.findall(r'(?:href|src)="(/assets/[^"]*)"', html)
    types = []
    for address in addresses:
        status, _, headers = await page.get(address)
        assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
        assert headers["X-Content-Type-Options"] == "nosniff"
        types.append(headers["Content-Type"].split(";")[0])
    assert sorted(types) == ["image/svg+xml", "text/css", "text/javascript"]
    assert not re.search(r"<script>|<style|\bon[a-z]+=|style=", html)


@pytest.mark.parametrize("name", HOSTILE)
async def test_what_others_have_chosen_is_text(page: Page, name: str) -> None:
    scene = page.scene
    now = scene.clock.wall()
    fields: dict[str, Any] = {"name": name, "source": name, "correlation_id": name, "status": name, "resource_id": name}
    scene.put(job(now, name, MODEL, Phase.RUNNING, 9.0, **fields))
    scene.put(replace(ended(now, f"p{name}", MODEL, Phase.PARKED, 9.0, 5.0), reply={"searched": name}))
    source = quote(name, safe="")
    for path in (
        "/",
        f"/?q={source}",
        f"/command?source={source}&id={source}",
        f"/resource?id={source}",
        f"/command?id={source}",
    ):
        _, html, _ = await page.get(path)
        assert not re.search(r"<(img|script>|b>)", html), path
        assert all(link.startswith(("/", "#")) for link in outline(html).links)
        assert html.count("<title>") == 1
    assert (await page.json(f"/api/commands/{source}/{source}"))["name"] == name


async def test_nothing_of_a_payload_is_served() -> None:
    scene = replica()
    url = await scene.serve()
    commands = [f"/command?source=%2Fteams%2Fmarketing&id=weekly-2026-48-segment-{number}" for number in range(5)]
    paths = ["/", "/?state=all", *commands, *(path for path in PATHS if "{" not in path and "stream" not in path)]
    async with aiohttp.ClientSession() as session:
        served = Page(scene, url, session)
        for path in paths:
            status, text, _ = await served.get(path)
            assert status == 200
            assert "secret_column" not in text
            assert "sqlParameters" not in text
        found = await served.json(f"/api/commands?state=all&q={quote(SECRET[:12])}")
        assert found["commands"] == []
    await scene.stop()


async def test_changes_are_streamed_and_a_stop_does_not_wait_for_listeners(page: Page) -> None:
    scene = page.scene
    async with page.session.get(page._url + "/api/stream") as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert await answer.content.readuntil(b"\n\n") == b"retry: 2000\n\n"
        scene.put(job(scene.clock.wall(), "c", MODEL, Phase.RUNNING, 9.0))
        assert await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 5) == b"event: change\ndata: 1\n\n"
        began = time.monotonic()
        await scene.stop()
        assert time.monotonic() - began < 3
        assert await answer.content.read() == b""


async def test_many_changes_are_one_notice(page: Page) -> None:
    async with page.session.get(page._url + "/api/stream") as answer:
        await answer.content.readuntil(b"\n\n")
        for number in range(300):
            page.scene.put(job(page.scene.clock.wall(), f"c-{number}", MODEL, Phase.RUNNING, 9.0))
        first = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 5)
        assert first == b"event: change\ndata: 300\n\n"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 1.3)


async def test_listeners_are_bounded_and_leave_their_room(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet_routes, "STREAMS", 2)
    monkeypatch.setattr(fleet_routes, "_KEEP_ALIVE", 0.05)
    url = page._url + "/api/stream"
    async with page.session.get(url) as one, page.session.get(url) as two:
        assert (one.status, two.status) == (200, 200)
        refused = await page.json("/api/stream")
        assert (refused["code"], refused["error"][:21]) == (503, "too many pages listen")
        one.close()
        for _ in range(100):
            await asyncio.sleep(0.05)
            async with page.session.get(url) as again:
                if again.status == 200:
                    break
        assert again.status == 200
