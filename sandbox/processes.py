"""Our own programs as child processes."""

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sandbox.kafka.java import Tied

ROOT: Final = Path(__file__).resolve().parents[1]
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05
_LOG_LINES: Final = 15


class Child:
    """A process in a group of its own, with its output in a file; it does not outlive this process."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
        without: Sequence[str] = (),
    ) -> None:
        """Start it.

        Args:
            command: program and arguments.
            log: file for its standard output and error.
            environment: variables to set beside those of this process.
            without: variables to remove.
        """
        removed = [word for name in without for word in ("-u", name)]
        added = [f"{name}={value}" for name, value in (environment or {}).items()]
        prefix = ["/usr/bin/env", *removed, *added] if removed or added else []
        self.log = log
        self._tied = Tied([*prefix, *command], directory=ROOT, output=log)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._tied.pid

    def poll(self) -> int | None:
        """Return the exit code, None while it runs."""
        return self._tied.poll()

    async def wait_ended(self) -> int:
        """Wait until it ends and return its exit code."""
        while (code := self._tied.poll()) is None:  # noqa: ASYNC110 - Tied has no event to wait for
            await asyncio.sleep(_POLL_SECONDS)
        return code

    async def stop(self, bound: float = _STOP_SECONDS) -> None:
        """Stop it cleanly, by force after a bound; nothing of its process group is left."""
        try:
            self._tied.send(signal.SIGTERM)
            with suppress(TimeoutError):
                async with asyncio.timeout(bound):
                    await self.wait_ended()
        finally:
            self._tied.close()

    def last_log(self, lines: int = _LOG_LINES) -> str:
        """Return the last lines of its output."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
