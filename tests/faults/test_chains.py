"""The campaigns of the load: how many there are, and what they name."""

import random
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.faults import chains
from tests.faults.chains import Link
from tests.faults.ground import Ground
from tests.faults.history import Sent
from tests.faults.load import CHAINS

_WORLD: Any = SimpleNamespace(account="300000000001", role="arn:aws:iam::300000000001:role/sandbox")
GROUND = Ground("", "main", _WORLD, *(f"arn:{kind}" for kind in ("dataset", "model", "configured", "job")))


def names(link: Link) -> frozenset[str]:
    return Sent("", "load", link.id, link.operation, link.data, 0, 0.0, extensions=link.extensions).names


@pytest.mark.parametrize("make", [chains.whole, chains.failing, chains.cancelled, chains.out])
def test_each_names_only_what_was_sent_before_it(make: Any) -> None:
    before: set[str] = set()
    links = cast(list[Link], make(GROUND, "c"))
    for link in links:
        assert names(link) <= before
        before.add(link.id)
    assert len(before) == len(links)
    assert sum(bool(names(link)) for link in links) == 6


def test_one_names_what_nobody_sent() -> None:
    links = chains.unknown(GROUND, "c")
    assert set().union(*map(names, links)) - {link.id for link in links} == {"c-nobody"}


def test_more_than_a_third_of_what_is_drawn_is_in_chains() -> None:
    chance = random.Random(0)
    drawn = [chains.drawn(chance, GROUND, "c") for _ in range(2000)]
    each = CHAINS * sum(map(len, drawn)) / len(drawn)
    assert each / (each + 1 - CHAINS) > 1 / 3


def test_half_of_them_are_whole_and_every_kind_is_drawn() -> None:
    chance, whole = random.Random(0), chains.whole(GROUND, "c")
    drawn = [chains.drawn(chance, GROUND, "c") for _ in range(2000)]
    assert 0.45 < sum(chain == whole for chain in drawn) / len(drawn) < 0.55
    assert any(link.extensions.get("target") == chains.OUT for chain in drawn for link in chain)
    assert any(link.operation == "CancelCommand" for chain in drawn for link in chain)
    assert any("command:c-nobody" in link.data.values() for chain in drawn for link in chain)
    assert any("empty" in str(link.data) for chain in drawn for link in chain)


def test_no_other_tenant_may_use_the_target_that_is_out() -> None:
    chance, other = random.Random(0), Ground("blue", "other", _WORLD, "", "", "", "")
    drawn = [chains.drawn(chance, other, "c") for _ in range(500)]
    assert not any("target" in link.extensions for chain in drawn for link in chain)
