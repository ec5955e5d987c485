"""Families of bad days: each can be drawn or left out by its name, so that one can be run alone."""

from collections.abc import Collection
from enum import StrEnum
from random import Random
from typing import Final


class Family(StrEnum):
    """What may go wrong beyond crashes, torn transactions and lost requests, which belong to every day."""

    CLOCKS = "clocks"
    """Wall clocks step by minutes to days, forward and back, also in a process that starts."""
    SUSPENDS = "suspends"
    """A machine is suspended: its timers stop, its clocks go on."""
    TARGETS = "targets"
    """Processes know different targets: one is removed, renamed, or another account by now, and comes back."""
    RELEASES = "releases"
    """Processes of releases that know fewer operations, resource kinds or words for statuses."""
    TENANTS = "tenants"
    """Several tenants; processes that know one more or one less."""
    DENIED = "denied"
    """One operation is refused, or its quota is full, until the world heals, or for ever."""
    GARBAGE = "garbage"
    """Members of answers have the wrong type."""
    PAGES = "pages"
    """Short pages that shift, overlap, repeat their token or never end."""
    OFFSETS = "offsets"
    """The group's offsets are lost, topics lose records or are made anew; an operator repairs it."""
    SIZES = "sizes"
    """Records as large as they can be, in every shape."""
    ORDER = "order"
    """Writes in ordered keys."""
    SERVICE = "service"
    """The service's own commands in every form, resolutions too."""
    REPLY_TOPICS = "reply-topics"
    """A reply topic that a command names refuses every record."""
    TIMES = "times"
    """Deadlines and start times of all commands, also in line and behind a spent budget."""
    SLOW_COMMITS = "slow-commits"
    """Commits take longer than the call window, for a while or until the world heals."""
    UNTRUE = "untrue"
    """A Get, or a deletion, says that a resource which exists is not there."""
    REPEATS = "repeats"
    """The first answer of a repeatable write is lost, and the repeat refused."""
    STALE = "stale"
    """Reads go back to what was."""
    UNDELETED = "undeleted"
    """Deletions that fail, also of what failed to be deleted before, or are taken back."""
    FULL = "full"
    """Few open commands are allowed, and some wait without end."""
    CHAINS = "chains"
    """Commands that name others, sent at once; some name what they must not."""
    LATER = "later"
    """Life goes on after everything was forgotten."""


ON: Final[frozenset[Family]] = frozenset(Family)
"""Families that are drawn unless others are asked for."""

EFFECTS: Final[dict[Family, tuple[str, ...]]] = {
    Family.OFFSETS: ("halted", "opened in vain", "topic replaced under its reader"),
    Family.CHAINS: ("waiting: Predecessor", "linked", "PredecessorFailed", "UnknownPredecessor"),
    Family.DENIED: ("denied", "full for long", "resolved"),
    Family.GARBAGE: ("garbage in an answer",),
    Family.LATER: ("later",),
    Family.PAGES: ("another page", "endless pages", "overlapping pages"),
    Family.REPEATS: ("refused repeat",),
    Family.STALE: ("stale read",),
    Family.UNDELETED: ("taken back", "undeletable"),
    Family.UNTRUE: ("untrue 404", "untrue 404 of a deletion"),
    Family.TARGETS: ("waiting: UnknownTarget", "waiting: TargetChanged"),
    Family.RELEASES: ("waiting: UnknownOperation", "waiting: UnknownResourceKind"),
    Family.SLOW_COMMITS: ("waiting: CallWindow", "slow to the end"),
}
"""What is counted where it takes effect, beside the family's actions."""


def drawn(seed: int, of: Collection[Family]) -> frozenset[Family]:
    """Which of them a seed has: none to three, or all that are left when few are asked for."""
    random, left = Random(f"{seed}/families"), sorted(of)
    return frozenset(random.sample(left, min(len(left), random.choice((0, 1, 2, 2, 3)))))
