"""When CPython's cyclic garbage collector runs, and over what.

A collection visits every object that it knows while the event loop stops: half a second with a hundred thousand jobs.
Reference counts free nearly everything without it; only cycles need it. So each full collection is small: what has
survived one is frozen, which means that no later one visits it. It is freed by its reference count all the same. A
cycle among frozen objects would stay, so they are unfrozen and collected at each rebalance, when shards, clients
and tasks end and nothing is served anyway. See docs/adr/0037-short-collections.md.
"""

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

_THRESHOLDS: Final = (3_000, 4, 1)
"""A full collection comes when about 30,000 objects more were made than freed, and visits these: some 10 ms."""
_FULL: Final = 2
_EVERY: Final = 600.0
"""Minimum seconds between two full collections: a rolling update brings a rebalance for each replica."""


class GarbageCollection:
    """The process's collector, tuned for a long-running service with many long-lived objects."""

    def __init__(self) -> None:
        self._checked_at = 0.0

    @contextmanager
    def tuned(self) -> Iterator[None]:
        """Within the block, collections are short. What exists before it, like all modules, is visited no more."""
        before, enabled = gc.get_threshold(), gc.isenabled()
        gc.freeze()  # without a collection: what imports leave behind is little, and it would take 0.1 s of the start
        self._checked_at = time.monotonic()
        gc.set_threshold(*_THRESHOLDS)
        gc.callbacks.append(_freeze_survivors)
        gc.enable()
        try:
            yield
        finally:
            gc.callbacks.remove(_freeze_survivors)
            gc.set_threshold(*before)
            gc.unfreeze()
            if not enabled:
                gc.disable()

    def collect_all(self) -> None:
        """Frees cycles among what was frozen, too, unless it has done so lately. A million objects take 0.3 s."""
        if time.monotonic() - self._checked_at >= _EVERY:
            self._checked_at = time.monotonic()
            gc.unfreeze()
            gc.collect()


def _freeze_survivors(phase: str, info: Mapping[str, Any]) -> None:
    if phase == "stop" and info["generation"] == _FULL:
        gc.freeze()
