"""The rows: each is one command, measures the service and its peers in one run, and has goals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from benchmarks.figures import OURS, Figure, Figures, Scale
from benchmarks.notes import NOTES


class Found:
    """The figures of a run, by name."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._medians = {(each.what, each.who): each.median for each in figures}

    def __call__(self, what: str, who: str = OURS) -> float:
        return self._medians[what, who]

    def ratio(self, what: str, who: str) -> float:
        """Of the service to another one."""
        return self(what) / self(what, who)


@dataclass(frozen=True)
class Goal:
    """What a row is to reach.

    Attributes:
        words: In the table.
        value: Of a run.
        limit: Which the value must not exceed; or reach, if ``least``.
    """

    words: str
    value: Callable[[Found], float]
    limit: float
    least: bool = False

    def reached(self, found: Found) -> bool:
        value = self.value(found)
        return value >= self.limit if self.least else value <= self.limit


@dataclass(frozen=True)
class Row:
    """A benchmark.

    Attributes:
        name: Of the command: ``python -m benchmarks NAME``.
        title: In the page.
        work: Module and function.
        goals: What it is to reach.
        note: Below its table: what the figures mean, and for a missed goal why, and what would reach it.
    """

    name: str
    title: str
    work: str
    goals: tuple[Goal, ...] = ()
    note: str = ""

    def run(self, scale: Scale) -> Figures:
        module, _, function = self.work.partition(":")
        found: Figures = getattr(import_module(f"benchmarks.{module}"), function)(scale)
        return found


GET, TAG, CREATE = (f"{name} per CPU-second" for name in ("GetAudienceModel", "TagResource", "CreateAudienceModel"))
LOOP = "closed loop of 400 outstanding"
ENDED = "1,000,000 ended jobs and as many resources, CPU"


def at_most(words: str, what: str, limit: float, who: str = OURS) -> Goal:
    return Goal(words, lambda found: found(what, who), limit)


def ratio(words: str, what: str, who: str, limit: float) -> Goal:
    return Goal(words, lambda found: found.ratio(what, who), limit, least=True)


ROWS: tuple[Row, ...] = (
    Row(
        "calls",
        "API calls to follow jobs",
        "polling:calls",
        (
            at_most("1,000 jobs, calls a minute: at most 24", "jobs: 1,000 begun evenly over an interval", 24),
            at_most("32 jobs: at most 6", "jobs: 32 begun evenly over an interval", 6),
            at_most("10,000 jobs: at most 240", "jobs: 10,000 begun evenly over an interval", 240),
            Goal(
                "10 jobs, 1,000 finished beside: no more than Gets, as a ratio",
                lambda found: 1 / found.ratio("jobs: 10 evenly, 1,000 finished resources beside", "a Get for each job"),
                1.0,
            ),
        ),
        NOTES["calls"],
    ),
    Row(
        "replicas",
        "The same with several replicas",
        "polling:replicas",
        (
            Goal(
                "4 replicas to one: at most 1.1",
                lambda found: found("1,000 jobs, 4 replicas") / found("1,000 jobs, 1 replica"),
                1.1,
            ),
        ),
        NOTES["replicas"],
    ),
    Row(
        "ends",
        "From a job's end to its event",
        "polling:ends",
        (
            at_most("mean, ends within 2 h: at most 6 s", "1,000 jobs end within 2 h: mean", 6),
            at_most("99 %: at most 12 s", "1,000 jobs end within 2 h: 99 %", 12),
            at_most("mean, ends within 1 h: at most 6 s", "1,000 jobs end within 1 h: mean", 6),
        ),
        NOTES["ends"],
    ),
    Row(
        "following",
        "CPU while idle and while jobs are followed",
        "following:run",
        (
            at_most("idle: at most 0.6 % of a core", "idle: share of a core", 0.6),
            at_most("1,000 jobs: at most 0.9 %", "1,000 jobs followed: share of a core", 0.9),
        ),
        NOTES["following"],
    ),
    Row(
        "memory",
        "Memory for each job",
        "memory:run",
        (
            at_most("a running job: at most 1,600 B", "a running job, resident memory", 1_600),
            Goal(
                "an ended command beside its reply: at most 1,000 B",
                lambda found: (
                    found("an ended command, resident memory") - found("its reply, in an ended command's record")
                ),
                1_000,
            ),
        ),
        NOTES["memory"],
    ),
    Row(
        "pauses",
        "Pauses by garbage collection",
        "pauses:run",
        tuple(
            Goal(
                f"{size} jobs: longest below 20 ms",
                lambda found, size=size: max(  # type: ignore[misc]
                    found(f"{size} running jobs: longest collection {when}") for when in ("in a restore", "afterwards")
                ),
                20,
            )
            for size in ("100,000", "1,000,000")
        ),
        NOTES["pauses"],
    ),
    Row(
        "restore",
        "Restore",
        "restore:run",
        (
            at_most("1M ended and 1M resources: at most 9 s of CPU", ENDED, 9),
            at_most("100,000 running: at most 3 s", "100,000 running jobs, CPU", 3),
            Goal(
                "1M running to 100,000: at most 11 times",
                lambda found: found("1,000,000 running jobs, CPU") / found("100,000 running jobs, CPU"),
                11,
            ),
        ),
        NOTES["restore"],
    ),
    Row(
        "flood",
        "A flood of writes",
        "commands:flood",
        (
            ratio("to a closed loop: at least 0.9", "API takes 0 s: TagResource per CPU-second", LOOP, 0.9),
            at_most("intents for each call: at most 1.05", "API takes 0 s: intents for each call", 1.05),
            at_most("the same at 50 ms", "API takes 0.05 s: intents for each call", 1.05),
            at_most("the same at 1 s", "API takes 1 s: intents for each call", 1.05),
            at_most(
                "API hangs: no more than it has connections",
                "API hangs for 20 s: intents of 2,000 commands, 50 connections",
                50,
            ),
        ),
        NOTES["flood"],
    ),
    Row(
        "gets",
        "Reads per CPU-second",
        "commands:gets",
        (
            ratio("to FastStream's handler: at least 4", GET, "FastStream handler", 4),
            ratio("to its batches: at least 1.2", GET, "FastStream batch", 1.2),
        ),
        NOTES["gets"],
    ),
    Row(
        "writes",
        "Writes per CPU-second",
        "commands:writes",
        (
            ratio("TagResource to FastStream's batches: at least 1.0", TAG, "FastStream batch", 1.0),
            ratio("CreateAudienceModel to FastStream's batches: at least 0.6", CREATE, "FastStream batch", 0.6),
        ),
        NOTES["writes"],
    ),
    Row(
        "latency",
        "Latency",
        "latency:run",
        (
            *(
                at_most(
                    f"{rate}/s, {share} %: at most {limit} ms",
                    f"{rate} commands a second: command to reply, {share} %",
                    limit,
                )
                for rate, share, limit in ((10, 50, 12), (10, 99, 50), (500, 50, 40), (500, 99, 150))
            ),
            at_most("transaction at 500/s, 99 %: at most 30 ms", "500 commands a second: transaction, 99 %", 30),
        ),
        NOTES["latency"],
    ),
    Row(
        "probes",
        "Probes",
        "probes:run",
        (
            at_most("/readyz, 1M jobs: at most 1 ms", "1,000,000 jobs: /readyz, /startupz", 1),
            at_most("/metrics, 1M jobs: at most 10 ms", "1,000,000 jobs: /metrics", 10),
        ),
    ),
    Row(
        "start",
        "Start",
        "start:run",
        (at_most("to ready: at most 1.3 s by the clock", "start to ready, by the clock", 1.3),),
        NOTES["start"],
    ),
    Row(
        "targets",
        "A thousand targets",
        "targets:run",
        (
            at_most("idle target: at most 30 KiB", "memory of an idle target, of 1,000", 30),
            Goal(
                "busy ones beside a hung one: at least 0.9 of their rate",
                lambda found: (
                    found("reads per CPU-second at 20, one target hangs beside")
                    / found("reads per CPU-second at 20, all answer")
                ),
                0.9,
                least=True,
            ),
            at_most("Lists while nothing is followed: none", "Lists while nothing is followed", 0),
        ),
    ),
    Row("takeover", "Take-over from a copy", "takeover:run"),
    Row("growth", "Growth", "growth:run", (), NOTES["growth"]),
    Row("layers", "Where the microseconds of a command go", "layers:run", (), NOTES["layers"]),
    Row("sizing", "Memory of a process", "sizing:run"),
)
BY_NAME = {row.name: row for row in ROWS}
