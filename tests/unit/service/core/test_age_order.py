"""Keys in the order of a time, compared with a sorted list."""

import random
from bisect import bisect_left, bisect_right, insort

import pytest

from service.core.age_order import AgeOrder, Mark


def test_an_empty_order_has_nothing_before_or_after() -> None:
    order = AgeOrder()
    assert (list(order), order.after(None, 5), order.before((1.0, b"a"), 5), len(order)) == ([], [], [], 0)
    order.remove((1.0, b"a"))


@pytest.mark.parametrize("seed", range(4))
def test_it_is_a_sorted_list(seed: int) -> None:
    draw = random.Random(seed)
    order, model = AgeOrder(), list[Mark]()
    for number in range(6000):
        if model and draw.random() < 0.35:
            mark = draw.choice(model)
            model.remove(mark)
            order.remove(mark)
        else:
            mark = (float(draw.randrange(900)), str(number).encode())
            insort(model, mark)
            order.add(mark)
        if number % 101 == 0:
            mark, most = (float(draw.randrange(900)), b"5"), draw.randrange(1, 1200)
            assert (list(order), len(order)) == (model, len(model))
            assert order.after(mark, most) == model[bisect_right(model, mark) :][:most]
            assert order.before(mark, most) == model[: bisect_left(model, mark)][::-1][:most]
            assert (order.after(None, most), order.before(None, most)) == (model[:most], model[::-1][:most])


def test_what_is_not_there_is_not_removed() -> None:
    order = AgeOrder()
    order.add((2.0, b"b"))
    for absent in ((1.0, b"a"), (2.0, b"a"), (3.0, b"b")):
        order.remove(absent)
    assert list(order) == [(2.0, b"b")]
