"""The fleet page in Chromium: what a person sees, does with it, and what never runs in it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from schemas.records import Phase
from service.adapters.http import FleetRoutes, Liveness, StatusServer
from service.core.job import replace
from tests.page import example
from tests.page.browser import CHROMIUM, Tab, browser, new_tab
from tests.support.cluster import Rig
from tests.support.fleet_scene import Scene
from tests.support.messages import request
from tests.support.process import Node
from tests.unit.service.runtime.test_fleet_commands import view_of
from tests.unit.service.runtime.test_standby import caught_up, owned, pair

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="not installed: chromium"),
]

MODEL = "CreateAudienceModel"
LIVE = "document.getElementById('connection').textContent === 'live'"
ROWS = "document.querySelectorAll('.commands tbody tr[data-key]').length"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with browser() as devtools:
        yield devtools


@pytest.fixture
async def tab(port: int) -> AsyncIterator[Tab]:
    async with new_tab(port) as opened:
        yield opened


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = example.replica()
    yield scene
    await scene.stop()


def state_of(command_id: str) -> str:
    """Script: the word in a command's row."""
    row = f"[...document.querySelectorAll('.commands tbody tr')].find((row) => row.innerText.includes('{command_id}'))"
    return f"(({row}) || document.body).querySelector('.pill')?.innerText.trim()"


async def test_a_change_is_shown_without_a_reload(tab: Tab, scene: Scene) -> None:
    """Focus, what is typed, what is open and the position stay; rows that did not change are the same elements."""
    await tab.open(await scene.serve())
    await tab.until(LIVE)
    before = await tab.run("performance.getEntriesByType('navigation').length")
    await tab.run(
        "document.querySelector('#partition-list').open = true;"
        "window.kept = document.querySelector('.commands tbody tr');"
        "document.querySelector('.commands tbody tr:nth-child(3) a').focus();"
        "window.focused = document.activeElement; window.scrollTo(0, 200); true"
    )
    now = scene.clock.wall()
    started = example.job(now, "weekly-2026-48-segment-2", MODEL, Phase.RUNNING, 1500.0, status="CREATE_PENDING")
    began = time.monotonic()
    scene.put(started)
    await tab.until(f"{state_of('weekly-2026-48-segment-2')} === '▶ started'")
    assert time.monotonic() - began < 3
    scene.put(example.job(now, "brand-new", MODEL, Phase.INTENDED, 0.0))
    await tab.until("document.body.innerText.includes('brand-new')")
    assert await tab.run("window.kept === document.querySelector('.commands tbody tr')")
    assert await tab.run("window.focused === document.activeElement && document.querySelector('#partition-list').open")
    assert await tab.run("window.scrollY") == 200
    assert await tab.run("performance.getEntriesByType('navigation').length") == before
    scene.put(replace(started, phase=Phase.SUCCEEDED, finished_at=now))
    await tab.until("!document.querySelector('.commands').innerText.includes('segment-2')")
    assert tab.problems == []


async def test_ages_go_on_counting(tab: Tab, scene: Scene) -> None:
    scene.put(example.job(scene.clock.wall(), "young", MODEL, Phase.RUNNING, 5.0))
    await tab.open(await scene.serve())
    row = "[...document.querySelectorAll('tr')].find((row) => row.innerText.includes('young'))"
    ages = f"{row}.querySelector('time').innerText"
    first = await tab.run(ages)
    await tab.until(f"{ages} !== '{first}'", within=4)
    assert re.fullmatch(r"\d+ s", first)


async def test_a_filter_applies_as_it_is_typed_and_is_in_the_address(tab: Tab, scene: Scene) -> None:
    url = await scene.serve()
    await tab.open(url)
    await tab.until(LIVE)
    everything = await tab.run(ROWS)
    await tab.press("/")
    await tab.write("SEGMENT-3")
    await tab.until(f"{ROWS} === 1")
    assert await tab.run("location.search") == "?state=open&q=SEGMENT-3&order=oldest"
    assert await tab.run("document.activeElement.id") == "q"
    scene.put(example.job(scene.clock.wall(), "weekly-2026-49-segment-3", MODEL, Phase.INTENDED, 0.0))
    await tab.until(f"{ROWS} === 2")  # the filter goes on
    assert await tab.run("document.getElementById('q').value") == "SEGMENT-3"
    await tab.press("Escape")
    await tab.until(f"{ROWS} === {everything + 1}")
    await tab.run(
        "const choice = document.querySelector('select[name=operation]'); choice.value = 'StartAudienceExportJob';"
        "choice.dispatchEvent(new Event('input', {bubbles: true})); true"
    )
    await tab.until(f"{ROWS} === 1 && document.querySelector('.commands').innerText.includes('order-7')")
    for text, shown in (("campaign-47", "weekly-2026-47-segment-0"), ("7c9e-1", "weekly-2026-48-segment-1")):
        await tab.open(f"{url}/?state=all&q={text}")
        assert shown in await tab.text()
    assert tab.problems == []


async def test_ten_thousand_commands(tab: Tab, scene: Scene) -> None:
    now = scene.clock.wall()
    for partition in range(2):
        scene.put(
            *(
                example.job(now, f"many-{number}", MODEL, Phase.RUNNING, 5000.0 + number)
                for number in range(partition, 10_000, 2)
            ),
            partition=partition,
        )
    await tab.open(await scene.serve())
    await tab.until(LIVE)
    assert await tab.run("document.querySelector('.tab.started .count').innerText") == "10,003"
    assert await tab.run(ROWS) == 50
    painted = await tab.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    assert painted < 2000
    await tab.press("/")
    await tab.write("many-4321")
    await tab.until(f"{ROWS} === 1")
    await tab.press("Escape")
    await tab.until(f"{ROWS} === 50")
    first = await tab.run("document.querySelector('.commands tbody th').innerText")
    await tab.run("document.querySelector('.more a').click()")
    await tab.until(f"document.querySelector('.commands tbody th')?.innerText !== {first!r} && {ROWS} === 50")
    assert tab.problems == []


@pytest.mark.parametrize(
    "name", ["<img src=x onerror=\"document.title='taken'\">", "<script>document.title='taken'</script>", "</td></tr>"]
)
async def test_a_hostile_name_is_text(tab: Tab, scene: Scene, name: str) -> None:
    scene.put(example.job(scene.clock.wall(), "evil", MODEL, Phase.RUNNING, 9.0, name=name, correlation_id=name))
    url = await scene.serve()
    for path in ("/?q=evil", "/command?source=%2Fteams%2Fmarketing&id=evil"):
        await tab.open(url + path)
        await tab.until(LIVE)
        scene.history.moved()
        await asyncio.sleep(1.3)  # the script has patched it in once more
        assert name in await tab.text()
        assert "taken" not in await tab.run("document.title")
        assert await tab.run("document.querySelectorAll('img, script:not([src])').length") == 0
    assert tab.problems == []


async def test_no_inline_script_would_run(tab: Tab, scene: Scene) -> None:
    """Even if something were not escaped: the policy is enforced by the browser."""
    await tab.open(await scene.serve())
    await tab.run(
        "const script = document.createElement('script'); script.textContent = 'window.ran = 1';"
        "document.body.append(script);"
        "const image = document.createElement('div'); image.innerHTML = '<img src=x onerror=\"window.ran = 1\">';"
        "document.body.append(image); true"
    )
    await asyncio.sleep(0.5)
    assert await tab.run("window.ran") is None
    assert any("Content Security Policy" in problem for problem in tab.problems)


async def test_everything_comes_from_the_replica(tab: Tab, scene: Scene) -> None:
    url = await scene.serve()
    await tab.open(url)
    await tab.until(LIVE)
    assert {"/".join(each.split("/")[:3]) for each in tab.requests} == {url}


@pytest.mark.parametrize(
    "path", ["/", "/?state=all", "/command?source=%2Fteams%2Fop&id=twice-1", "/resource", "/replica"]
)
async def test_a_phone_needs_no_sideways_scrolling(tab: Tab, scene: Scene, path: str) -> None:
    scene.put(
        example.job(scene.clock.wall(), "x" * 255, MODEL, Phase.RUNNING, 9.0, source="/" + "y" * 200, name="w" * 255)
    )
    if path == "/resource":
        path = f"/resource?id={example.arn('audience-model', '7c9e-0')}"
    await tab.shape(390, 844, phone=True)
    await tab.open(await scene.serve() + path)
    if path != "/replica":
        await tab.run("document.querySelectorAll('details').forEach((each) => { each.open = true; }); true")
    assert await tab.run("[document.documentElement.scrollWidth, window.innerWidth]") == [390, 390]


CONTRAST = """
(() => {
  const channel = (value) => { const c = value / 255; return c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4; };
  const parse = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => .2126 * channel(r) + .7152 * channel(g) + .0722 * channel(b);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour.length < 4 || colour[3] > .9) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const node of document.querySelectorAll('body *')) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim());
    if (!own || !node.offsetParent || node.closest('.visually-hidden, .skip, option')) continue;
    const [one, two] = [light(parse(getComputedStyle(node).color)), light(ground(node))].sort((a, b) => b - a);
    const ratio = (one + .05) / (two + .05);
    if (ratio < 4.5) poor.push(`${node.className || node.localName}: ${ratio.toFixed(2)}`);
  }
  return poor;
})()
"""


@pytest.mark.parametrize("dark", [False, True])
async def test_every_text_can_be_read_by_day_and_by_night(tab: Tab, scene: Scene, dark: bool) -> None:
    """Contrast of at least 4.5 to 1, as WCAG 2 asks for."""
    await tab.shape(1280, 900, dark=dark)
    url = await scene.serve()
    for path in ("/?state=all", "/command?source=%2Fteams%2Fop&id=twice-1"):
        await tab.open(url + path)
        await tab.until(LIVE)
        assert await tab.run(CONTRAST) == []
    ground = await tab.run("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
    assert (ground < 64) is dark


async def test_the_keyboard_reaches_everything_in_order(tab: Tab, scene: Scene) -> None:
    await tab.open(await scene.serve())
    await tab.until(LIVE)
    reached: list[str] = []
    for _ in range(16):
        await tab.press("Tab")
        reached.append(await tab.run("document.activeElement.innerText || document.activeElement.name || ''"))
    assert reached[:2] == ["Skip to the content", "Clean Rooms ML"]
    assert "twice-1" in reached
    assert [each for each in reached if each.startswith("under way")]
    visible = "getComputedStyle(document.activeElement).outlineStyle !== 'none'"
    assert await tab.run(visible)


async def test_assistive_technology_finds_names_and_structure(tab: Tab, scene: Scene) -> None:
    await tab.open(await scene.serve())
    await tab.until(LIVE)
    await tab.send("Accessibility.enable")
    nodes = (await tab.send("Accessibility.getFullAXTree"))["nodes"]
    found: dict[str, set[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            found.setdefault(node["role"]["value"], set()).add(node.get("name", {}).get("value", ""))
    assert {"banner", "main", "navigation", "search", "table", "columnheader", "rowheader"} <= found.keys()
    assert {"Search", "Operation", "Target", "Order"} <= found["searchbox"] | found["combobox"]
    for role in ("link", "button", "searchbox", "combobox", "columnheader"):
        assert "" not in found[role], role
    assert "11 commands, oldest first, then the latest ends" in found["table"]
    assert "status" in found  # the connection's state is announced


async def test_without_a_script_it_is_a_page(tab: Tab, scene: Scene) -> None:
    await tab.send("Emulation.setScriptExecutionDisabled", value=True)
    url = await scene.serve()
    await tab.send("Page.navigate", url=f"{url}/?q=segment-3")
    await asyncio.sleep(1)
    await tab.send("Emulation.setScriptExecutionDisabled", value=False)
    text = await tab.text()
    assert "weekly-2026-48-segment-3" in text
    assert "weekly-2026-48-segment-2" not in text
    assert "not live: reload to refresh" in text
    assert "Apply" in text


async def test_a_replica_that_dies_says_since_when_and_comes_back(tab: Tab) -> None:
    scene = example.replica()
    url = await scene.serve()
    await tab.open(url)
    await tab.until(LIVE)
    rows = await tab.run(ROWS)
    await scene.stop()
    await tab.until("document.getElementById('connection').className === 'lost'")
    assert "no answer from this replica since" in await tab.text()
    assert await tab.run(ROWS) == rows  # what was known stays
    again = example.replica()
    now = again.clock.wall()
    again.put(example.job(now, "after-the-restart", MODEL, Phase.RUNNING, 1.0))
    assert await again.serve(int(url.rsplit(":", 1)[1])) == url
    await tab.until(LIVE)
    await tab.until("document.body.innerText.includes('after-the-restart')")
    await again.stop()


class Served:
    """The page of a process that runs over the fakes."""

    def __init__(self, node: Node, name: str) -> None:
        scene = view_of(node)
        scene.view._identity = replace_name(scene.view._identity, name)
        scene.view.commands._replica = name
        scene.view.history = node.history
        liveness = Liveness(node.clock, {})
        self.server = StatusServer(
            "127.0.0.1", 0, status=dict, metrics=bytes, liveness=liveness, fleet=FleetRoutes(scene.view)
        )


def replace_name(identity: Any, name: str) -> Any:
    return type(identity)(
        replica=name, version=identity.version, group=identity.group, accounts=identity.accounts, tenants=()
    )


async def test_when_a_replica_dies_another_one_shows_all_commands_and_takes_over(tab: Tab) -> None:
    """Two whole processes over the fakes, in real time, with the commands of both on each page."""
    async with Rig() as rig:
        rig.api.working = 600.0
        first, second = await pair(rig)
        await caught_up(rig, first)
        await caught_up(rig, second)
        dataset = {"trainingDatasetArn": await rig.made("CreateTrainingDataset")}
        page = Served(second, "crml-1")
        url = f"http://{await page.server.start()}"
        await tab.open(url)
        await tab.until(LIVE)
        sent = [rig.send(MODEL, request(MODEL, **dataset), partition=owned(node)[0]) for node in (first, second)]
        for command_id in sent:
            await tab.until(f"{state_of(command_id)} === '▶ started'")
        assert "owner unknown" in await tab.text()  # no Kafka that could be asked
        await first.crash()
        await tab.until("!document.body.innerText.includes('owner unknown')")
        for command_id in sent:
            await tab.until(f"{state_of(command_id)} === '▶ started'")
        assert await tab.run(ROWS) == 2
        await page.server.stop()
