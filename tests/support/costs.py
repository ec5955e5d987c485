"""What something costs, in measures that are the same on every machine."""

import cProfile
import gc
import sys
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class Count:
    """How often it happened."""

    def __init__(self) -> None:
        self.count = 0


@contextmanager
def calls() -> Iterator[Count]:
    """Counts calls of functions, those of C included, within the block."""
    counted, profile = Count(), cProfile.Profile()
    profile.enable()
    try:
        yield counted
    finally:
        profile.disable()
    counted.count = sum(entry.callcount for entry in profile.getstats())


@contextmanager
def lines() -> Iterator[Count]:
    """Counts lines executed within the block, in what it calls; a loop executes one for each round. This is slow."""
    counted, before = Count(), sys.gettrace()

    def trace(_frame: FrameType, event: str, _argument: Any) -> Any:
        counted.count += event == "line"
        return trace

    sys.settrace(trace)
    try:
        yield counted
    finally:
        sys.settrace(before)


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
