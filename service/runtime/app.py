"""The root TaskGroup: what is started, and in which order it stops.

Stop: unready, drain the shards, commit, leave the group, then the pollers. The caller stops telemetry and HTTP last.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping

from service.core import holding
from service.runtime.assignment import Assignment
from service.runtime.dispatch import RateLimitedApi
from service.runtime.errors import UNUSABLE
from service.runtime.limiter import Budget, Limiter
from service.runtime.poller import Poller
from service.runtime.ports import Log, Telemetry, TopicPartition
from service.runtime.shard import Shard, State
from service.runtime.sharing import Sharing
from service.runtime.slots import Claim, QueuePosition, SlotRegistry
from service.runtime.standby import Standby


class App:
    """Runs the group membership, the pollers and all other background tasks.

    Args:
        log: Kafka.
        assignment: The shards.
        pollers: By target.
        limiters: By target.
        slots: Of all targets.
        standby: Copies of what other replicas own.
        telemetry: Receives metrics and problems.
        sharing: Of Lists with other replicas, if they are shared.
        caller: What calls AWS, to show which targets do not answer.
        stop_deadline: Seconds that a clean stop may take; then the remaining tasks are cancelled, which is safe.
    """

    def __init__(
        self,
        *,
        log: Log,
        assignment: Assignment,
        pollers: Mapping[str, Poller],
        limiters: Mapping[str, Limiter],
        slots: SlotRegistry,
        standby: Standby,
        telemetry: Telemetry,
        stop_deadline: float,
        sharing: Sharing | None = None,
        caller: RateLimitedApi | None = None,
    ) -> None:
        self._log = log
        self._assignment = assignment
        self._pollers = pollers
        self._limiters = limiters
        self._slots = slots
        self._standby = standby
        self._telemetry = telemetry
        self._stop_deadline = stop_deadline
        self._sharing = sharing
        self._caller = caller

    @property
    def ready(self) -> bool:
        """True when all that can be served is served: a halted partition does not count, unless all are halted."""
        return self._assignment.ready

    @property
    def started(self) -> bool:
        """True once what the group gave first is restored, or halted."""
        return self._assignment.started

    @property
    def shards(self) -> Mapping[TopicPartition, Shard]:
        """The shards of this process."""
        return self._assignment.shards

    @property
    def halted(self) -> Mapping[TopicPartition, str]:
        """Halted partitions, and why."""
        return self._assignment.standing

    @property
    def owned(self) -> Collection[TopicPartition]:
        """Partitions that this process has a shard of."""
        return self._assignment.shards

    @property
    def superseded(self) -> str:
        """Why another process owns this instance id; empty if none does."""
        return self._assignment.superseded

    def readiness(self) -> dict[str, object]:
        """What probes ask for every few seconds: it takes as long with a million jobs as with one."""
        return {
            "ready": self.ready,
            "superseded": self.superseded,
            "started": self._assignment.started,
            "shards": {shard.name: shard.statistics() for shard in self._assignment.shards.values()},
            "halted": {f"{part.topic}-{part.partition}": why for part, why in self._assignment.standing.items()},
        }

    def status(self) -> dict[str, object]:
        """One glance to see what is going on."""
        words = self._caller.unanswered_words() if self._caller else {}
        return {
            **self.readiness(),
            "jobs": self.jobs(),
            "held": self.held(),
            "targets": {
                target: {
                    "answers": words.get(target) or "yes",
                    **limiter.statistics(),
                    "watches": len(self._pollers[target]),
                }
                for target, limiter in self._limiters.items()
            },
            "slots": self.slots(),
            "standby": self._standby.statistics(),
        }

    def jobs(self) -> dict[str, int]:
        """How many jobs stand in each phase."""
        counts: Counter[str] = Counter()
        for shard in self._assignment.shards.values():
            counts.update(shard.phases())
        return dict(counts)

    def held(self) -> dict[str, int]:
        """How many jobs are held because this process can't serve them, by reason."""
        counts = Counter(dict.fromkeys(sorted({*holding.REASONS, UNUSABLE}), 0))
        for shard in self._assignment.shards.values():
            counts.update(shard.held)
        return dict(counts)

    def inboxes(self) -> dict[str, int]:
        """How much waits in each shard's inbox."""
        return {shard.name: shard.waiting for shard in self._assignment.shards.values()}

    def slots(self) -> dict[str, dict[str, int]]:
        """Taken, waiting and limit by ``target/quota``."""
        return self._slots.statistics()

    def copies(self) -> dict[str, int]:
        """Which partitions of other replicas have a copy here: 1 when it is current, 0 while it catches up."""
        return {name: int(bool(copy["current"])) for name, copy in self._standby.statistics().items()}

    def queue_position(self, claim: Claim, most: int = 0) -> QueuePosition | None:
        """Where a command waits for a concurrency slot, over all replicas; None when it waits for none."""
        return self._slots.position(claim, most)

    def poll_times(self, target: str, claim: Claim) -> tuple[float, float] | None:
        """When this replica saw a command's resource last and will poll it next; None when it does not poll it."""
        poller = self._pollers.get(target)
        return poller.times(claim) if poller is not None else None

    def watched(self) -> dict[str, int]:
        """How many resources this replica polls, by target."""
        return {target: len(poller) for target, poller in self._pollers.items()}

    def slow(self) -> dict[str, list[str]]:
        """Budgets, `reads` or `writes`, that throttles have slowed down for long, by target."""
        return {target: slow for target, limiter in self._limiters.items() if (slow := limiter.slow())}

    def oldest_waiting(self) -> dict[str, float]:
        """When the command that waits longest for a slot was accepted, by ``target/quota``."""
        return self._slots.oldest()

    def budgets(self) -> dict[tuple[str, str], Budget]:
        """By target, and reads or writes."""
        return {
            (target, calls): budget
            for target, limiter in self._limiters.items()
            for calls, budget in limiter.budgets().items()
        }

    def oldest_running(self) -> dict[str, float]:
        """Since when the job of each resource kind has been running that began first; owner's time."""
        oldest: dict[str, float] = {}
        for shard in self._assignment.shards.values():
            for kind, since in shard.oldest_running.items():
                oldest[kind] = min(since, oldest.get(kind, since))
        return oldest

    def waiting(self) -> dict[str, tuple[int, float]]:
        """Of the commands that wait, by reason: how many, and since when the first of them could have been called."""
        found: dict[str, tuple[int, float]] = {}
        for shard in self._assignment.shards.values():
            for reason, (count, since) in shard.kept_waiting.items():
                known, first = found.get(reason, (0, since))
                found[reason] = (known + count, min(first, since))
        return found

    def unread(self, ends: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """How many records of each partition that is served here are not consumed yet, by where they end."""
        return {
            partition: max(0, ends[partition] - shard.consumed)
            for partition, shard in self._assignment.shards.items()
            if partition in ends and shard.state in (State.RUNNING, State.PAUSED)
        }

    def unanswered(self) -> dict[str, float]:
        """Seconds for which each target has given no answer."""
        return self._caller.unanswered() if self._caller else dict.fromkeys(self._limiters, 0.0)

    def lags(self) -> dict[str, float]:
        """Seconds by which the most overdue poll is late, by target."""
        return {target: poller.lag() for target, poller in self._pollers.items()}

    async def run(self, stop: asyncio.Event) -> None:
        """Serves until ``stop`` is set, then stops cleanly within the deadline."""
        async with asyncio.TaskGroup() as root:
            self._assignment.begin(root)
            helpers = [root.create_task(poller.run(), name=f"poller:{name}") for name, poller in self._pollers.items()]
            if self._standby.follows:
                helpers.append(root.create_task(self._log.follow(self._standby), name="standby"))
            if self._sharing is not None:
                helpers.append(root.create_task(self._sharing.run(), name="sharing"))
            membership = root.create_task(self._log.membership.consume(self._assignment), name="group")
            await stop.wait()
            try:
                async with asyncio.timeout(self._stop_deadline):
                    await self._assignment.close()
            except TimeoutError:
                self._telemetry.problem("stop_timeout", seconds=self._stop_deadline)
                self._assignment.abandon()
            for task in (membership, *helpers):
                task.cancel()
