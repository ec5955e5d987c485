"""html-validate and axe on the pages that people open: the service's status, and the sandbox's."""

import asyncio
import json
import shutil
from typing import Any, Final

import pytest

from sandbox.cleanroomsml.options import Options
from sandbox.embedded import running_sandbox
from service.adapters.clock import SystemClock
from service.adapters.http import Liveness, StatusServer
from tests.others import tools
from tests.others.verdict import settle
from tests.page import example

pytestmark = [pytest.mark.others, pytest.mark.timeout(200)]

STATUS: Final[dict[str, Any]] = {
    "ready": True,
    "started": True,
    "shards": {"commands-0": {"state": "running", "offset": 7}, "commands-1": {"state": "halted", "offset": 3}},
    "jobs": {"running": 3, "waiting": 1},
    "targets": {"default": {"region": "eu-west-1", "account": "123456789012"}},
    "halted": {"commands-1": {"reason": "the changelog has lost records"}},
}
EXPLAINED: Final = {"status meta-refresh": "the page shows the present state, and has no script that could ask for it"}


async def looked_at(*urls: str) -> list[dict[str, Any]]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("not installed: chromium")
    text = json.dumps({"chromium": chromium, "pages": urls})
    done = await asyncio.to_thread(tools.run, "node", "pages.js", cwd=tools.node(), text=text)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


async def test_the_pages() -> None:
    liveness = Liveness(SystemClock(), {"loop": 30})
    server = StatusServer("127.0.0.1", 0, status=lambda: STATUS, metrics=bytes, liveness=liveness)
    place = await server.start()
    scene = example.replica()
    fleet = await scene.serve()
    with running_sandbox(Options(port=0, jobs_module="tests.support.quick_jobs")) as url:
        names = {
            "status": f"http://{place}/",
            "sandbox": f"{url}/_sandbox/",
            "fleet": f"{fleet}/?state=all",
            "command": f"{fleet}/command?source=%2Fteams%2Fop&id=twice-1",
        }
        found = dict(zip(names, await looked_at(*names.values()), strict=True))
    await server.stop()
    await scene.stop()
    package = json.loads((tools.HERE / "node" / "package.json").read_text("utf-8"))["dependencies"]
    html = {name: "; ".join(f"{rule}: {what}" for rule, what in page["html"]) for name, page in found.items()}
    settle("html-validate", package["html-validate"], "the pages, as they are served", html)
    axe = {f"{name} {rule}": "" for name, page in found.items() for rule in page["passed"]}
    axe |= {f"{name} {rule}": what for name, page in found.items() for rule, what in page["violations"]}
    settle("axe", package["axe-core"], "the pages in Chromium", axe, EXPLAINED)
