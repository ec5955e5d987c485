"""The page at /_sandbox/, looked at in headless Chromium: light and dark, with hostile names."""

import contextlib
import html
import http.client
import os
import re
import shutil
import struct
import subprocess
import zlib
from pathlib import Path
from typing import get_args
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
import pytest

from sandbox.cleanroomsml import resources
from sandbox.cleanroomsml.options import Profile
from tests.support.sandbox_account import World

HOSTILE = "<img src=x onerror=\"document.title='taken'\">"
MESSAGE = re.compile(r"CONSOLE[^\n]*")


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("Chromium is not installed")
    return found


def look(chromium: str, url: str, folder: Path, *options: str) -> tuple[str, str]:
    """The document as it is after the scripts have run for some seconds, and what the console says."""
    words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--window-size=1280,900"]
    logs = ["--enable-logging=stderr", "--virtual-time-budget=4000", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [chromium, *words, *logs, *options, url],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
        env=os.environ | {"HOME": str(folder)},
    )
    return done.stdout, "\n".join(MESSAGE.findall(done.stderr))


@pytest.fixture
def finished(world: World) -> str:
    """A finished job among resources with hostile names; its ARN."""
    configured = world.configured(world.active_model(name=HOSTILE), description="</td><script>1</script>")
    job = world.job(configured, world.put_seed(), name="likers of Blade Runner")
    world.until_job(job)
    world.export(job)
    world.until_export(job)
    world.fault("stuck", "CreateAudienceModel")
    world.model(world.dataset(name="other films"), name="still training")
    failing = world.dataset(name="too little", table="empty")
    world.until_model(world.model(failing, name="failed"))
    return job


@pytest.mark.timeout(300)
def test_the_page_shows_resources_the_curve_and_the_log(
    chromium: str, world: World, finished: str, tmp_path: Path
) -> None:
    address = f"{world.url}/_sandbox/#{quote(finished, safe='')}"
    document, console = look(chromium, address, tmp_path, "--dump-dom")
    assert console == "", "no error, and nothing that the content security policy had to forbid"
    assert "<title>Clean Rooms ML sandbox</title>" in document, "no name was run as a script"
    assert html.escape(HOSTILE, quote=False) in document
    assert "<img" not in document
    curve = re.search(r'<svg[^>]*id="curve".*?</svg>', document, re.DOTALL)
    assert curve, "the chosen job has a curve"
    assert curve[0].count("<circle") == 5
    assert re.findall(r">(\d+ %)<", curve[0]) == ["1 %", "2 %", "5 %", "10 %", "20 %"]
    heights = [float(each) for each in re.findall(r'<circle[^>]*cy="([\d.]+)"', curve[0])]
    assert heights == sorted(heights), "relevance falls, so the points go down"
    assert re.search(r"CREATE_PENDING .*?CREATE_IN_PROGRESS .*?ACTIVE", document, re.DOTALL)
    for text in ("still training", "CREATE_FAILED", "StartAudienceExportJob", "ok, profile demo"):
        assert text in document
    assert "dataSource" not in document, "the seed is nobody's business"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots(chromium: str, world: World, finished: str, tmp_path: Path, scheme: str) -> None:
    picture = Path(os.environ.get("SANDBOX_PAGE_PICTURES") or tmp_path) / f"{scheme}.png"
    dark = ["--blink-settings=preferredColorScheme=0"] if scheme == "dark" else []
    address = f"{world.url}/_sandbox/#{quote(finished, safe='')}"
    look(chromium, address, tmp_path, f"--screenshot={picture}", *dark)
    dark_pixels, pixels = darkness(picture)
    assert pixels == 1280 * 900
    assert dark_pixels > 0.8 * pixels if scheme == "dark" else dark_pixels < 0.2 * pixels


Bytes = npt.NDArray[np.uint8]


def darkness(picture: Path) -> tuple[int, int]:
    """How many pixels of a PNG file are dark, and how many there are; only the first of a pixel's bytes is read."""
    content = picture.read_bytes()
    width, height, _depth, colour = struct.unpack(">IIBB", content[16:26])
    size = {2: 3, 6: 4}[colour]
    chunks = re.finditer(rb"IDAT", content)
    lengths = [(found.end(), int.from_bytes(content[found.start() - 4 : found.start()])) for found in chunks]
    data = zlib.decompress(b"".join(content[at : at + length] for at, length in lengths))
    rows = np.frombuffer(data, np.uint8).reshape(height, 1 + width * size)
    above, dark = np.zeros(width, np.uint8), 0
    for row in rows:
        above = unfiltered(int(row[0]), row[1::size], above)
        dark += int((above < 100).sum())
    return dark, width * height


def unfiltered(kind: int, line: Bytes, above: Bytes) -> Bytes:
    """One channel of a row of a PNG file; channels are filtered apart from each other."""
    if kind < 3:
        found: Bytes = (line, np.cumsum(line, dtype=np.uint8), line + above)[kind]
        return found
    row, left, corner = [], 0, 0
    for value, up in zip(line.tolist(), above.tolist(), strict=True):
        left = (value + ((left + up) // 2 if kind == 3 else paeth(left, up, corner))) & 0xFF
        corner = up
        row.append(left)
    return np.array(row, np.uint8)


def paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    return min((left, above, corner), key=lambda each: abs(guess - each))


def test_the_legend_has_every_word_and_colour_of_the_page() -> None:
    page = Path("sandbox/cleanroomsml/page.html").read_text(encoding="utf-8")
    script = Path("sandbox/cleanroomsml/page.js").read_text(encoding="utf-8")
    legend = page.partition('id="legend"')[2].partition("</section>")[0]
    statuses = {resources.ACTIVE, resources.FAILED, *resources.RUNNING, *resources.REMOVING, resources.DELETE_FAILED}
    colours = set(re.findall(r'"(good|bad|busy)"', script))
    assert len(statuses) == 7
    assert colours == {"good", "bad", "busy"}
    assert not {each for each in statuses if each not in legend}
    assert {each for each in colours if f'<dt class="{each}">' in legend} == colours
    for word in ("no answer", "fault", "Attempt", "ok", "degraded", "profile", *get_args(Profile)):
        assert word in legend, word


def test_the_address_without_a_slash_leads_to_the_page(world: World) -> None:
    connection = http.client.HTTPConnection(world.url.removeprefix("http://"), timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/_sandbox")
        answer = connection.getresponse()
        answer.read()
        assert (answer.status, answer.headers["Location"]) == (301, "/_sandbox/")
        connection.request("GET", "/_sandbox/")
        answer = connection.getresponse()
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert b"Clean Rooms ML sandbox" in answer.read()
