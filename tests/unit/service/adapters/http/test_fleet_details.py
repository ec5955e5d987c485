"""The pages of one command and of one resource."""

from schemas.records import Phase
from service.adapters.http import fleet_details
from service.adapters.http.fleet_questions import query
from tests.page.example import ended, replica
from tests.support.clock import ManualClock
from tests.support.fleet_scene import Scene
from tests.unit.service.adapters.http.test_fleet_pages import outline


async def test_a_commands_page() -> None:
    scene = replica()
    answer = await scene.view.commands.command("/teams/op", "twice-1")
    assert answer is not None
    html = "".join(fleet_details.command_page(answer, scene.view.identity().now))
    outline(html)
    assert "parked resolve twice-1 --source /teams/op --retry" in html
    assert html.index("Decide") < html.index("Timeline")
    waiting = await scene.view.commands.command("/teams/marketing", "weekly-2026-48-segment-3")
    assert waiting is not None
    shown = outline("".join(fleet_details.command_page(waiting, scene.view.identity().now)))
    assert "/command?source=%2Fteams%2Fmarketing&id=weekly-2026-48-segment-0" in shown.links
    assert "/?state=all&q=campaign-48" in shown.links


async def test_a_resources_page() -> None:
    scene = Scene(ManualClock())
    made = ended(scene.clock.wall(), "made", "CreateTrainingDataset", Phase.SUCCEEDED, 10.0, 1.0)
    scene.put(made)
    answer = await scene.view.commands.resource(made.resource_id, query({"state": "all"}))
    assert answer is not None
    html = "".join(fleet_details.resource_page(answer, scene.view.identity().now))
    outline(html)
    assert "No event was published about it" in html
    assert ">made</a>" in html
