"""What may go wrong by chance: requests to AWS, commits to Kafka. Each draw is counted where it takes effect."""

from collections import Counter
from collections.abc import Callable
from random import Random

from schemas.operations import OPERATIONS, Kind
from service.runtime.ports import Failure, TopicPartition
from tests.simulation.answers import Answers
from tests.simulation.families import Family
from tests.support import api as fake
from tests.support.api import Entry, Fault
from tests.support.cluster import Rig
from tests.support.log import Fate

FLIGHT = 12.0
"""Longest time for which a request is in the network; with the lag of lists less than what settles."""
LAG = 8.0

FAULTS = {
    "refused connection": fake.NOT_SENT,
    "lost request": fake.LOST_REQUEST,
    "lost reply": fake.LOST_REPLY,
    "hang before": fake.HANG_BEFORE,
    "hang after": fake.HANG_AFTER,
    "throttled": fake.THROTTLED,
    "unavailable": fake.UNAVAILABLE,
    "broken after": fake.BROKEN_AFTER,
    "invalid answer": fake.INVALID,
}
DENIED = Fault(Failure("AccessDeniedException", "not authorized to perform this", http_status=403))


class Faults:
    """Chance, as long as it is bad.

    Attributes:
        storm: Everything is throttled.
        denied: Operations that are refused until the world heals.
        denied_for_good: Operations that are refused even then.
        full: Those among them that are refused because a quota is full.
        answers: What is wrong with answers.
    """

    def __init__(
        self,
        rig: Rig,
        seed: int,
        counters: Counter[str],
        note: Callable[[str, str], None],
        families: frozenset[Family],
        fail: Callable[[str], None],
    ) -> None:
        self._random = random = Random(f"{seed}/faults")
        self._note = note
        self.counters = counters
        self.storm = False
        self.denied: set[str] = set()
        self.denied_for_good: set[str] = set()
        self.full: set[str] = set()
        self.answers = Answers(rig.api, seed, counters, note, families, fail)
        self._turns: dict[str, list[Fault]] = {}
        self._badness = random.choice((0.15, 0.4) if Family.PAGES in families else (0.03, 0.15, 0.4))
        self._torn = random.choice((0.0, 0.02, 0.08))
        self._rig = rig
        rig.api.latency = random.choice((0.01, 0.2, 1.0))
        rig.api.connect = random.choice((0.0, 0.0, 1.5))
        rig.broker.latency = random.choice((0.002, 0.02, 0.3))
        lag = random.choice((0.0, 1.0, LAG))
        rig.api.lag = lambda: self._lag(lag)
        rig.api.slowness = self._slowness
        rig.api.chance = self._request
        rig.api.turn = self._turn
        rig.broker.chance = self._commit
        spread = random.choice((0.0, 0.0, 0.05))
        rig.broker.spread = lambda: self._counted("markers apart", self._random.random() * spread)
        rig.broker.opening = lambda: self._random.random() * 0.1
        rig.broker.follow_every, rig.broker.follow_lag = 30.0, random.choice((0.01, 1.0))

    def heal(self) -> None:
        """From now on everything works; what is on its way still arrives."""
        rig, self.storm = self._rig, False
        self.answers.heal()
        self.denied = set(self.denied_for_good)
        rig.api.chance = lambda _: None
        rig.api.slowness = lambda: 0.0
        rig.api.connect = 0.0
        rig.broker.chance = lambda _: None

    def lose_then_refuse(self, token: str) -> None:
        """The answer to a command's first call is lost, and the second call refused."""
        self._turns[token] = [fake.LOST_REPLY, DENIED]

    def _turn(self, entry: Entry) -> Fault | None:
        """The fault of one particular request."""
        if turns := self._turns.get(entry.trace):
            fault = turns.pop(0)
            self._note(
                f"{entry.operation} of {entry.trace} is {'refused' if fault is DENIED else 'lost'}",
                "" if turns else "refused repeat",
            )
            return fault
        if entry.operation in self.denied:
            full = entry.operation in self.full
            self._note(f"{entry.operation} is {'full' if full else 'denied'}", "full for long" if full else "denied")
            return fake.QUOTA if full else DENIED
        return None

    def _counted(self, what: str, value: float) -> float:
        if value:
            self.counters[what] += 1
        return value

    def _lag(self, most: float) -> float:
        return self._counted("list lag", self._random.random() * most)

    def _slowness(self) -> float:
        """Answers overtake each other, and some come when nobody waits for them any more."""
        if self._random.random() < self._badness / 2:
            return self._counted("delayed reply", self._random.uniform(0.0, 12.0))
        return self._random.random() * 0.05

    def _request(self, operation: str) -> Fault | None:
        if self.storm:
            self._note(f"{operation} meets a storm", "storm")
            return fake.THROTTLED
        if self._random.random() >= self._badness:
            return None
        row = OPERATIONS[operation]
        if row.creates and self._random.random() < 0.2:
            self._note(f"{operation} arrives late", "late request")
            return fake.late(self._random.uniform(0.0, FLIGHT))
        if row.kind is Kind.JOB and self._random.random() < 0.1:
            self._note(f"{operation} meets a full quota", "quota")
            return fake.QUOTA
        what = self._random.choice(list(FAULTS))
        self._note(f"{operation} meets: {what}", what)
        return FAULTS[what]

    def _commit(self, partition: TopicPartition) -> Fate | None:
        if self._random.random() >= self._torn:
            return None
        fate = Fate(self._random.choice((None, 0.0, self._random.uniform(0.0, 3.0), self._random.uniform(0.0, 0.05))))
        what = (
            "commit left open" if fate.after is None else "commit decided late" if fate.after else "commit unanswered"
        )
        self._note(f"{partition.topic}-{partition.partition}: {what}", what)
        return fate
