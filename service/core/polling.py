"""Due watches -> the cheapest set of List and Get calls.

A List page shows up to 100 statuses for the price of one call, but finished resources fill pages too (there is no
status filter), so the price of a List is that of everything ever made. Whichever is fewer calls wins; on a tie Get,
because it shows details as well.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import Final

from schemas.operations import RESOURCES
from service.core.reconciliation import PAGE

UNKNOWN_SIZE: Final = 1
"""How many resources a kind is taken to have before it was first listed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask for in one tick.

    Attributes:
        lists: Resource kinds to list.
        gets: (kind, resource id) to describe one by one.
    """

    lists: tuple[str, ...]
    gets: tuple[tuple[str, str], ...]


def plan(due: Mapping[str, Iterable[str]], listed: Mapping[str, int]) -> Plan:
    """Chooses for each kind.

    Args:
        due: Resource ids to look at, by resource kind.
        listed: How many resources the last complete List of a kind showed.
    """
    lists: list[str] = []
    gets: list[tuple[str, str]] = []
    for kind, ids in due.items():
        wanted = list(ids)
        if not wanted:
            continue
        if _list_is_cheaper(kind, len(wanted), listed.get(kind, UNKNOWN_SIZE)):
            lists.append(kind)
        else:
            gets.extend((kind, resource_id) for resource_id in wanted)
    return Plan(tuple(lists), tuple(gets))


def _list_is_cheaper(kind: str, wanted: int, listed: int) -> bool:
    resource = RESOURCES[kind]
    if not resource.get_operation:
        return True
    if not resource.list_operation:
        return False
    return max(1, ceil(listed / PAGE)) < wanted
