"""A sandbox in a thread of this process, for tests and demonstrations that use blocking clients."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
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
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(_START_SECONDS):
                sandbox = await stack.enter_async_context(SandboxServer(replace(options or Options(), port=0)))
            started.append(sandbox.url)
            ready.set()
            await stop.wait()

    def run() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(serve())
        except BaseException as error:
            if ready.is_set():
                raise
            started.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run, name="sandbox")
    thread.start()
    try:
        ready.wait()
        if isinstance(started[0], BaseException):
            raise RuntimeError("the sandbox did not start") from started[0]  # noqa: TRY004 - no argument is wrong
        yield started[0]
    finally:
        with suppress(RuntimeError):  # the loop is closed where the start has failed
            loop.call_soon_threadsafe(stop.set)
        thread.join()
