"""A sandbox in a thread of this process, for tests and demonstrations that use blocking clients."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sandbox.cleanroomsml.options import Options
from sandbox.server import SandboxServer

_START_SECONDS = 90


@contextmanager
def running_sandbox(options: Options | None = None) -> Iterator[str]:
    """Run a sandbox on a free port for the block, and give its URL.

    Raises:
        RuntimeError: It did not start; the cause is attached.
    """
    started: list[str | BaseException] = []
    ready, stop, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def serve() -> None:
        async with SandboxServer(replace(options or Options(), port=0)) as sandbox:
            started.append(sandbox.url)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        except BaseException as error:
            started.append(error)
            raise
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="sandbox")
    thread.start()
    if not ready.wait(_START_SECONDS) or isinstance(started[0], BaseException):
        raise RuntimeError("the sandbox did not start") from (started[0] if started else None)  # type: ignore[misc]
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
