"""Collections of the garbage collector are short, and what is unreachable is freed all the same."""

import gc
import time
import weakref
from collections.abc import Iterator

import pytest

from service.adapters.garbage_collection import GarbageCollection


class Node:
    """Something that can be part of a cycle."""

    def __init__(self) -> None:
        self.other: object = None


@pytest.fixture
def garbage() -> Iterator[GarbageCollection]:
    before = gc.get_threshold()
    collection = GarbageCollection()
    with collection.tuned():
        yield collection
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def visited() -> int:
    """How many objects the next full collection visits."""
    return len(gc.get_objects())


def test_what_existed_before_is_not_visited(garbage: GarbageCollection) -> None:
    assert visited() < 1_000 < gc.get_freeze_count()


def test_a_full_collection_does_not_visit_what_an_earlier_one_has(garbage: GarbageCollection) -> None:
    kept = [Node() for _ in range(20_000)]
    assert visited() > len(kept)
    gc.collect()
    assert visited() < 1_000
    assert len(kept) == 20_000


def test_full_collections_come_by_themselves_and_soon(garbage: GarbageCollection) -> None:
    """Else the next one would visit all that has come since."""
    kept, most = [], 0
    for _ in range(500_000):
        kept.append(Node())
        if len(kept) % 10_000 == 0:
            most = max(most, visited())
    assert most < 150_000


def test_what_is_frozen_is_freed_when_nothing_refers_to_it(garbage: GarbageCollection) -> None:
    node = Node()
    gone = weakref.ref(node)
    gc.collect()
    del node
    assert gone() is None


def pass_time(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + seconds)


def test_a_frozen_cycle_is_freed_when_everything_is_looked_through(
    garbage: GarbageCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node()
    node.other = node
    gone = weakref.ref(node)
    gc.collect()
    del node
    gc.collect()
    assert gone() is not None
    pass_time(monkeypatch, 3600.0)
    garbage.collect_all()
    assert gone() is None
    assert visited() < 1_000


def test_rebalances_close_together_are_looked_through_once(
    garbage: GarbageCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    collected = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    garbage.collect_all()
    assert not collected, "it has just begun"
    pass_time(monkeypatch, 3600.0)
    garbage.collect_all()
    garbage.collect_all()
    assert len(collected) == 1
