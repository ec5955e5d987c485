"""An event loop for simulations: time is virtual, and a seed decides which of the callbacks that are ready runs next.

It has no selector, no threads and no sockets. What it runs depends on its seed and on what is started in it, on
nothing else: tasks are hashed by their number, so that sets of tasks have an order too. Code that runs on behalf of a
process (see :data:`OWNER`) stands still while that process is frozen, as under SIGSTOP: its timers come late, and what
others do for it meanwhile is done.
"""

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from random import Random
from typing import Any, Final, TypeVar

T = TypeVar("T")

OWNER: Final[ContextVar[str]] = ContextVar("owner", default="")
"""The process on whose behalf code runs; empty for the world outside."""


class Stuck(Exception):
    """Nothing will ever happen again, or everything happens without end."""


class NumberedTask(asyncio.Task[Any]):
    """A task whose hash does not depend on where it lies in memory."""

    def __init__(self, number: int, *args: Any, **options: Any) -> None:
        self.number = number
        super().__init__(*args, **options)

    def __hash__(self) -> int:
        return self.number


class SimulatedLoop(asyncio.AbstractEventLoop):
    """The loop.

    Args:
        random: Draws who runs next.
        disorder: How often that is not the one who has waited longest, from 0 to 1.
        step_limit: Steps after which a simulation counts as running in circles.
    """

    def __init__(self, random: Random, disorder: float = 0.0, step_limit: int = 1_000_000) -> None:
        self.steps = 0
        self.problems: list[dict[str, Any]] = []
        self._random, self._disorder, self._step_limit = random, disorder, step_limit
        self._now = 0.0
        self._numbers = 0
        self._ready: list[asyncio.Handle] = []
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._frozen: set[str] = set()
        self._standing: dict[str, list[asyncio.Handle]] = defaultdict(list)
        self._closed = False

    # What a simulation does to it

    def freeze(self, owner: str) -> None:
        """Stops the process."""
        self._frozen.add(owner)

    def thaw(self, owner: str) -> None:
        """Lets the process go on."""
        self._frozen.discard(owner)
        self._ready.extend(self._standing.pop(owner, ()))

    def put_off(self, owner: str, seconds: float) -> None:
        """Lets the process's timers be late by so much, as those of a machine that was suspended are."""
        self._timers = [
            (when + seconds if handle._context.get(OWNER) == owner else when, number, handle)  # type: ignore[attr-defined]
            for when, number, handle in self._timers
        ]
        heapq.heapify(self._timers)

    def fail(self, error: Exception) -> None:
        """Ends the simulation with this error, wherever it was found."""
        self.call_exception_handler({"message": str(error), "exception": error})

    # What asyncio asks of a loop

    def time(self) -> float:
        return self._now

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: Context | None = None
    ) -> asyncio.Task[T]:
        self._numbers += 1
        return NumberedTask(self._numbers, coro, loop=self, name=name or f"task-{self._numbers}", context=context)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        self.problems.append(context)

    def run_until_complete(self, main: Coroutine[Any, Any, T]) -> T:  # type: ignore[override]
        """Runs a coroutine to its end.

        Raises:
            Stuck: It has none.
            Exception: What it raised, or :meth:`fail` was given, or nobody retrieved from a task.
        """
        asyncio._set_running_loop(self)
        try:
            task = self.create_task(main, name="main")
            while not task.done() and not self.problems:
                self._step()
            if self.problems:
                raise self.problems[0].get("exception") or Stuck(str(self.problems[0]))
            return task.result()
        finally:
            self._cancel_all()
            asyncio._set_running_loop(None)

    def close(self) -> None:
        self._closed = True
        self._ready.clear()
        self._timers.clear()
        self._standing.clear()

    def _cancel_all(self) -> None:
        """Ends what a failed simulation has left."""
        for owner in list(self._frozen):
            self.thaw(owner)
        left = asyncio.all_tasks(self)
        for task in left:
            task.cancel()
        until = self.steps + 100_000
        while any(not task.done() for task in left) and self.steps < until and (self._ready or self._timers):
            self._step()

    def _step(self) -> None:
        """Runs one callback."""
        self.steps += 1
        if self.steps > self._step_limit:
            raise Stuck(f"no end after {self.steps} steps, at {self._now:.3f} s")
        handle = self._next()
        if self._frozen:
            owner = handle._context.get(OWNER) or ""  # type: ignore[attr-defined]
            if owner in self._frozen:
                self._standing[owner].append(handle)
                return
        handle._run()

    def _next(self) -> asyncio.Handle:
        ready = self._ready
        while True:
            self._pass_time()
            which = 0
            if len(ready) > 1 and self._disorder and self._random.random() < self._disorder:
                which = self._random.randrange(len(ready))
            handle = ready.pop(which)
            if not handle.cancelled():
                return handle

    def _pass_time(self) -> None:
        """Makes ready what is due; time passes only when nothing else is left to do."""
        timers = self._timers
        if not self._ready:
            while timers and timers[0][2].cancelled():
                heapq.heappop(timers)
            if not timers:
                raise Stuck(f"nothing is left to do, at {self._now:.3f} s")
            self._now = max(self._now, timers[0][0])
        while timers and timers[0][0] <= self._now:
            self._ready.append(heapq.heappop(timers)[2])

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Asked by asyncio; cancelled timers are passed over when their time comes."""
