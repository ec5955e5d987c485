"""What something costs, in measures that are the same on every machine."""

import cProfile
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


class Calls:
    """How many functions were called, those of C included; a loop over many things calls something for each."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def calls() -> Iterator[Calls]:
    """Counts within the block."""
    counted, profile = Calls(), cProfile.Profile()
    profile.enable()
    try:
        yield counted
    finally:
        profile.disable()
    counted.count = sum(entry.callcount for entry in profile.getstats())


class Memory:
    """Bytes that were allocated and are still there, and objects among them which the garbage collector visits."""

    def __init__(self) -> None:
        self.bytes = 0
        self.visited = 0


@contextmanager
def memory() -> Iterator[Memory]:
    """Measures what the block leaves behind."""
    kept = Memory()
    gc.collect()
    visited = len(gc.get_objects())
    tracemalloc.start()
    try:
        yield kept
        gc.collect()
        kept.bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    kept.visited = len(gc.get_objects()) - visited
