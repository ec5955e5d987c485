"""The pages' content: sections in order, links that lead on, headings for who listens instead of looking."""

import re
from dataclasses import replace
from html.parser import HTMLParser

from schemas.records import Phase
from service.adapters.http import fleet_pages
from service.adapters.http.assets import Assets
from service.adapters.http.fleet_questions import query
from service.runtime.group_snapshot import GroupSnapshot, Replica
from tests.page.example import ended, job, replica
from tests.support.clock import ManualClock
from tests.support.fleet_scene import Scene


class Outline(HTMLParser):
    """Tags that are open, ids, labels and links; refuses what is not nested."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.keys: list[tuple[int, str]] = []
        self.links: list[str] = []
        self.headings: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in ("input", "link", "meta", "wbr"):
            self.open.append(tag)
        if (found := given.get("id")) is not None:
            self.ids.append(found)
        if tag == "a":
            self.links.append(given.get("href") or "")
        if tag in ("h1", "h2", "h3"):
            self.headings.append(tag)
        assert "style" not in given
        assert not [name for name in given if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(html: str) -> Outline:
    found = Outline()
    found.feed(html)
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    return found


def text(html: str) -> str:
    """What is read, without tags."""
    return re.sub(r"<[^>]+>", "", html)


async def page(scene: Scene, **asked: str) -> str:
    view = scene.view
    commands = await view.commands.commands(query(asked))
    content = fleet_pages.fleet(view.overview(), commands, view.targets(), view.partitions(), asked, view.names)
    return fleet_pages.document("Fleet", view.identity(), Assets().addresses, *content)


async def test_the_page_is_sound_and_what_needs_a_person_comes_first() -> None:
    html = await page(replica())
    found = outline(html)
    assert found.headings[0] == "h1"
    assert html.index("Needs a person") < html.index("Commands</h2>") < html.index("Targets</h2>")
    assert 'lang="en"' in html
    assert "<caption" in html
    assert html.count('scope="col"') == 6 + 6
    for label in re.findall(r"<(?:input|select)[^>]*>", html):
        assert 'type="hidden"' in label or html.rindex("<label", 0, html.index(label)) > 0


async def test_every_number_leads_to_its_list() -> None:
    found = outline(await page(replica(), q="a", state="waiting"))
    states = ("open", "accepted", "waiting", "started", "parked", "succeeded", "failed", "rejected")
    for state in states:
        assert any(link.startswith("/?") and f"state={state}" in link and "q=a" in link for link in found.links)
    assert "/?state=waiting&target=default" in found.links


async def test_calm_is_said() -> None:
    assert "Nothing needs your attention." in await page(Scene(ManualClock()))


async def test_a_silent_kafka_is_said_first_and_in_words() -> None:
    scene = Scene(ManualClock())
    now = scene.clock.wall()
    known = GroupSnapshot("Stable", (Replica("crml-9", "m", frozenset()),), asked_at=now - 60)
    scene.group = known
    calm = text(await page(scene))
    assert "1 replica; Kafka calls the group Stable (asked 1 min ago)" in calm
    assert "Nothing needs your attention." in calm
    scene.group = replace(known, unanswered=48.0)
    shown = text(await page(scene))
    assert "Needs a person (1)" in shown
    assert "no answer from Kafka for 48 s" in shown
    assert "Kafka has not answered this replica for 48 s: owners, group and lag are as it said 1 min ago" in shown
    assert "Nothing needs your attention." not in shown


async def test_an_empty_list_says_whether_anything_has_ended() -> None:
    scene = Scene(ManualClock())
    await scene.assignment.assigned(frozenset())
    assert "No command was sent yet" in await page(scene)
    scene.put(
        *(ended(scene.clock.wall(), f"c-{each}", "CreateAudienceModel", Phase.SUCCEEDED, 9, 1) for each in (1, 2))
    )
    assert "Nothing is under way; 2 have ended." in await page(scene)
    assert "No command matches." in await page(scene, operation="GetAudienceModel")
    assert "No command matches." in await page(scene, state="parked")


async def test_what_is_missing_is_said() -> None:
    scene = Scene(ManualClock())
    assert "Some partitions are still being read here" in await page(scene)  # it has not joined the group
    await scene.assignment.assigned(frozenset())
    assert "still being read" not in await page(scene)
    assert "No command matches." in await page(scene, q="x")


async def test_a_next_page_keeps_the_filters() -> None:
    scene = Scene(ManualClock())
    now = scene.clock.wall()
    scene.put(*(job(now, f"c-{number}", "CreateAudienceModel", Phase.RUNNING, 10.0) for number in range(60)))
    [following] = [link for link in outline(await page(scene, q="c-", state="started")).links if "cursor" in link]
    assert following.startswith("/?q=c-&state=started&cursor=")
    last = await page(scene, q="c-", state="started", cursor=following.rsplit("=", 1)[1])
    assert "Back to the first page" in last


async def test_filters_are_offered_where_there_is_a_choice() -> None:
    alone = await page(Scene(ManualClock()))
    assert 'name="target"' not in alone
    assert 'name="tenant"' not in alone
    several = await page(Scene(ManualClock(), accounts=replica().accounts, tenants=("red", "blue")), tenant="red")
    assert 'name="target"' in several
    assert '<option value="red" selected>' in several
