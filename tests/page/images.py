"""Takes the pictures of the page that the documents show: ``python -m tests.page.images docs/images``."""

import asyncio
import sys
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.page import example
from tests.page.browser import Tab, browser, new_tab

WIDE: Final = {"width": 1280, "height": 820}
TALL: Final = {"width": 1280, "height": 1440}
PHONE: Final = {"width": 390, "height": 844, "phone": True, "scale": 2.0}
MODEL: Final = quote(example.arn("audience-model", "7c9e-0"), safe="")
PICTURES: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "page-fleet": ("/", TALL),
    "page-fleet-dark": ("/", {**TALL, "dark": True}),
    "page-fleet-phone": ("/", PHONE),
    "page-command": ("/command?source=%2Fteams%2Fmarketing&id=weekly-2026-48-segment-0", WIDE),
    "page-waiting": ("/command?source=%2Fteams%2Fmarketing&id=weekly-2026-48-segment-2", WIDE),
    "page-parked": ("/command?source=%2Fteams%2Fop&id=twice-1", WIDE),
    "page-resource": (f"/resource?id={MODEL}", WIDE),
}
"""By name: the page and the window."""


async def take(tab: Tab, url: str, path: str, shape: dict[str, Any]) -> bytes:
    """A picture of a page that is live."""
    await tab.shape(**shape)
    await tab.open(url + path)
    await tab.until("document.getElementById('connection').textContent === 'live'")
    await asyncio.sleep(1.5)
    return await tab.picture(whole=False)


async def main(folder: Path, port: int) -> None:
    scene = example.replica()
    url = await scene.serve()
    async with new_tab(port) as tab:
        for name, (path, shape) in PICTURES.items():
            (folder / f"{name}.png").write_bytes(await take(tab, url, path, shape))
    await scene.stop()


if __name__ == "__main__":
    with browser() as devtools:
        asyncio.run(main(Path(sys.argv[1]), devtools))
