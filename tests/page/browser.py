"""Chromium, driven over its DevTools protocol: what a person does with a page, and what they see."""

import asyncio
import base64
import itertools
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import aiohttp

CHROMIUM: Final = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
"""Where Chromium is; None where it is not installed."""

_OPTIONS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"),
    *("--remote-debugging-port=0", "--remote-debugging-address=127.0.0.1"),
)


class BrowserError(Exception):
    """The browser did not do what it was asked for."""


class Tab:
    """One page.

    Attributes:
        problems: What the console has said of errors, refusals of the Content-Security-Policy among them.
    """

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.problems: list[str] = []
        self.requests: list[str] = []
        self._socket = socket
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._task = asyncio.create_task(self._hear(), name="devtools")

    async def _hear(self) -> None:
        async for message in self._socket:
            heard = json.loads(message.data)
            if "id" in heard:
                self._answers.pop(heard["id"]).set_result(heard)
            elif heard["method"] in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.problems.append(json.dumps(heard["params"])[:500])
            elif heard["method"] == "Network.requestWillBeSent":
                self.requests.append(heard["params"]["request"]["url"])

    async def send(self, method: str, **params: Any) -> dict[str, Any]:
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": number, "method": method, "params": params})
        answer = await asyncio.wait_for(self._answers[number], 30)
        if "error" in answer:
            raise BrowserError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    async def open(self, url: str) -> None:
        """Goes to an address, and waits until it is loaded."""
        await self.send("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def run(self, script: str) -> Any:
        """The value of a script."""
        answer = await self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise BrowserError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    async def until(self, script: str, within: float = 15.0) -> Any:
        """Waits until a script's value is true."""
        end = asyncio.get_running_loop().time() + within
        while True:
            if value := await self.run(script):
                return value
            if asyncio.get_running_loop().time() > end:
                raise BrowserError(f"not within {within:g} s: {script}; the page: {(await self.text())[:2000]}")
            await asyncio.sleep(0.05)

    async def text(self) -> str:
        """What a person reads."""
        return str(await self.run("document.body.innerText"))

    async def press(self, key: str) -> None:
        """A key is pressed and released."""
        text = {"text": key} if len(key) == 1 else {}
        await self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        await self.send("Input.dispatchKeyEvent", type="keyUp", key=key)

    async def write(self, text: str) -> None:
        """Text is typed."""
        await self.send("Input.insertText", text=text)

    async def shape(
        self, width: int, height: int, *, dark: bool = False, scale: float = 1.0, phone: bool = False
    ) -> None:
        """The window's size, and whether the person prefers dark colours."""
        await self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone
        )
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.send("Emulation.setEmulatedMedia", features=features)

    async def picture(self, *, whole: bool = True) -> bytes:
        """A PNG of the page."""
        taken = await self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        return base64.b64decode(taken["data"])

    async def close(self) -> None:
        await self._socket.close()
        self._task.cancel()
        await asyncio.wait([self._task])


@contextmanager
def browser() -> Iterator[int]:
    """A browser with an empty profile; gives the port of its DevTools."""
    if CHROMIUM is None:
        raise BrowserError("Chromium is not installed")
    with TemporaryDirectory(prefix="page-", ignore_cleanup_errors=True) as profile:
        command = (CHROMIUM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield _port(Path(profile) / "DevToolsActivePort")
        finally:
            process.terminate()
            process.wait()


def _port(file: Path) -> int:
    for _ in range(600):
        if file.exists() and (lines := file.read_text(encoding="utf-8").splitlines()):
            return int(lines[0])
        time.sleep(0.05)
    raise BrowserError("Chromium did not start")


@asynccontextmanager
async def new_tab(port: int) -> AsyncIterator[Tab]:
    """A tab of a browser."""
    async with aiohttp.ClientSession() as session:
        async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
            opened = await answer.json()
        tab = Tab(await session.ws_connect(opened["webSocketDebuggerUrl"], max_msg_size=0))
        for domain in ("Page", "Runtime", "Log", "Network"):
            await tab.send(f"{domain}.enable")
        yield tab
        await tab.close()
        async with session.get(f"http://127.0.0.1:{port}/json/close/{opened['id']}"):
            pass
