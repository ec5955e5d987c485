"""What may be wrong with AWS's answers: their types, their pages, their age, their truth."""

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from schemas.operations import OPERATIONS, Repeat
from tests.simulation.families import Family
from tests.support.faulty_api import TwinApi

STALE: Final = 8.0
"""Longest time by which a read may be behind."""
GARBAGE: Final[tuple[Any, ...]] = (17, 1.5, True, None, [], [1], {}, {"code": 17}, "")

REPEATED, ENDLESS = 10, 2000
"""Times that one page may be asked for, and pages of one listing that may be read."""
MISSED = 2
"""Most Gets that miss one resource which is there."""

ListPage = Callable[[Mapping[str, Any]], dict[str, Any]]


class Answers:
    """Draws, and counts where it takes effect.

    Attributes:
        elusive: Resources that Gets and deletions miss often.
    """

    def __init__(
        self,
        api: TwinApi,
        seed: int,
        counters: Counter[str],
        note: Callable[[str, str], None],
        families: frozenset[Family],
        fail: Callable[[str], None],
    ) -> None:
        self._fail = fail
        self._random = random = Random(f"{seed}/answers")
        self._api, self._counters, self._note = api, counters, note
        self._healed = False
        self._badness = random.choice((0.05, 0.2, 0.5))
        self._size = random.choice((1, 2, 3))
        self._endless: dict[int, bool] = {}
        self._asked: Counter[tuple[int, int]] = Counter()
        self._missed: Counter[str] = Counter()
        self.elusive: set[str] = set()
        self._listings = 0
        if Family.GARBAGE in families:
            api.distort = self._distort
        if Family.PAGES in families:
            api.paging = self._paging
        if Family.STALE in families:
            api.staleness = self._staleness
        if Family.UNTRUE in families:
            api.denies = self._denies

    def heal(self) -> None:
        """Answers are right from now on, and Lists end; pages stay short."""
        self._healed = True
        self._endless.clear()

    def _hit(self, what: str, badness: float | None = None) -> bool:
        if self._healed or self._random.random() >= (self._badness if badness is None else badness):
            return False
        self._counters[what] += 1
        return True

    # Types

    def _distort(self, operation: str, result: dict[str, Any]) -> dict[str, Any]:
        """One member, at any depth, is something else."""
        if not result or not self._hit("garbage in an answer"):
            return result
        inside: Any = result
        while True:
            names = sorted(inside) if isinstance(inside, dict) else range(len(inside))
            chosen = self._random.choice(names)
            found = inside[chosen]
            if not found or not isinstance(found, dict | list) or self._random.random() < 0.3:
                break
            inside = found
        wrong = [each for each in GARBAGE if type(each) is not type(found)]
        # Without a token a page is the last one: nothing shows that this is untrue.
        value = self._random.choice([each for each in wrong if each is not None or chosen != "nextToken"])
        inside[chosen] = value
        self._note(f"{operation} answers with {chosen} = {value!r}", "")
        return result

    # Pages

    def _paging(self, operation: str, params: Mapping[str, Any], page: ListPage) -> dict[str, Any]:
        """Short pages by offset, which shift when something before is deleted; some are worse.

        A token names its offset, its listing and the number of its page, so that each listing has its own.
        """
        listing, number, start = self._read(params)
        self._asked[listing, number] += 1
        if self._asked[listing, number] > REPEATED or number > ENDLESS:
            self._fail(f"{operation} asks for page {number} of one listing {self._asked[listing, number]} times")
        result = page({**params, "maxResults": self._size, "nextToken": str(start)})
        if number:
            self._counters["another page"] += 1
        following = int(result.pop("nextToken", "-1"))
        if number >= 1 and self._hit("endless pages"):
            self._endless[listing] = self._random.random() < 0.5
        if listing in self._endless:
            if self._endless[listing]:
                return result | {"nextToken": params["nextToken"]}
            following = max(following, start)
        elif following > 0 and self._size > 1 and self._hit("overlapping pages"):
            following -= 1
        return result | {"nextToken": f"{following}.{listing}.{number + 1}"} if following >= 0 else result

    def _read(self, params: Mapping[str, Any]) -> tuple[int, int, int]:
        if "nextToken" in params:
            start, listing, number = (int(part) for part in params["nextToken"].split("."))
            return listing, number, start
        self._listings += 1
        return self._listings, 0, 0

    # Age and truth

    def _staleness(self) -> float:
        return self._random.uniform(0.0, STALE) if self._hit("stale read") else 0.0

    def _denies(self, operation: str, key: str) -> bool:
        """A Get misses what is there, but not as often as confirms an absence; a deletion does, again and again."""
        row = OPERATIONS[operation]
        badness = 0.7 if key in self.elusive else None
        if row.repeat is Repeat.GONE_IS_DONE:
            return self._hit("untrue 404 of a deletion", badness)
        if row.name != row.resource.get_operation:
            return False
        missed = self._missed[key] < MISSED and self._hit("untrue 404", badness)
        self._missed[key] += missed  # never counted anew: the answer in between may be lost
        return missed
