"""A record of a commands topic, or an observation about a job, becomes a step in the shard's transaction.

What the service can't cope with costs the one record or the one job that it is about.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Final

from service.core import chains, holding, transitions
from service.core.job import Job, ended, known_row, performs
from service.core.observations import (
    Broken,
    DependencyEnded,
    Due,
    Found,
    HandedOver,
    Lost,
    Observation,
    Outlived,
    Postponed,
    QuotaFull,
    Refused,
    Restored,
    Returned,
    SearchFailed,
    StartReached,
)
from service.runtime import chaining, commands
from service.runtime.errors import DEFECT, RepeatedErrors, location
from service.runtime.inbox import Observed
from service.runtime.ports import InRecord
from service.runtime.processor import ProcessorContext
from service.runtime.transaction import Transaction


class CommandProcessor:
    """Steps the jobs of one partition."""

    def __init__(self, shard: ProcessorContext) -> None:
        self._partition = shard.partition
        self._name = shard.name
        self._store = shard.store
        self._inbox = shard.inbox
        self._activities = shard.activities
        self._standby = shard.standby
        self._context = shard.context
        self._defects = RepeatedErrors()

    def restored(self) -> None:
        """Every open job observes that it has a new owner, in the order in which slots and turns are given."""
        self._report_held(job for _, job in self._store.going())
        # What runs comes first: it has its slots before anything that waits asks for one.
        for key in self._store.running():
            self._learn(key, _RESTORED)
        # Only of the others, whose calls stand in line, the order of their acceptance matters.
        others = sorted(self._store.others(), key=lambda item: (item[1].accepted_at, item[1].turn))
        self._activities.line_up(others)
        for key, _ in others:
            self._learn(key, _RESTORED)
        # One observation each, for many may wait for one; in order of turns, since owners' clocks may differ.
        for key, job in sorted(others, key=lambda item: item[1].turn):
            if chains.waits(job) or (job.awaits and self._over(job.awaits.encode())):
                self._learn(key, DependencyEnded())

    def receive(self, record: InRecord, batch: Transaction) -> None:
        """Reads one command into the batch."""
        stopped: list[bytes] = []

        def revoke(key: bytes) -> bool:
            if unsent := self._activities.revoke(key):
                stopped.append(key)
            return unsent

        elsewhere = partial(self._standby.elsewhere, self._partition)
        try:
            commands.receive(record, self._store, batch, self._context, revoke, elsewhere)
        except Exception:
            for key in stopped:
                self._learn(key, HandedOver())  # its call was stopped for nothing, and is made again
            raise

    def observe(self, key: bytes, observation: Observation, batch: Transaction) -> None:
        """Steps an observation; one that no longer concerns a job has no effect."""
        job = self._store.job(key)
        if job is None or self._activities.keeps(key) or self._untrue(key, observation):
            self._activities.stepped(key, observation)
        elif self._survives(key, job, observation, batch):
            self._activities.stepped(key, observation)
            self._defects.clear(key)
        elif not self._comes_again(key, job, observation, batch):
            self._activities.stepped(key, observation)

    def planned(self, key: bytes) -> None:
        """Informs those who wait for a job, in order, that it has ended, was parked, or does not exist."""
        waiting = self._store.awaiting(key)
        if waiting and self._over(key):
            for each in sorted(waiting, key=self._turn):
                self._learn(each, DependencyEnded())

    def _over(self, key: bytes) -> bool:
        """Whether a job has ended, was parked or does not exist; only a release that knows its operation can say."""
        job = self._store.job(key)
        if job is not None and job.command.operation and known_row(job.command) is None:
            return False
        return job is None or ended(job)

    def forget(self, key: bytes, since: float, batch: Transaction) -> bool:
        """Forgets a command, unless it was reopened after that end, or another one waits for what it makes."""
        job = self._store.job(key)
        if job is None or not ended(job) or job.finished_at != since:
            return True
        if any(self._in_chain(each) for each in self._store.awaiting(key)):
            return False
        self._survives(key, job, Outlived(), batch)
        return True

    def _turn(self, key: bytes) -> int:
        job = self._store.job(key)
        return job.turn if job is not None else 0

    def _in_chain(self, key: bytes) -> bool:
        job = self._store.job(key)
        return job is not None and chains.waits(job)

    def _learn(self, key: bytes, observation: Observation) -> None:
        self._inbox.put(Observed(key, observation))

    def _report_held(self, jobs: Iterable[Job]) -> None:
        """Names each word that is unknown here, once."""
        words: Counter[tuple[str, str]] = Counter()
        for job in jobs:
            with suppress(Exception):  # it is reported when the job is restored
                if why := holding.obstacle(job, self._context.policy):
                    words[why, holding.word(job, why)] += 1
        for (why, word), count in sorted(words.items()):
            self._context.telemetry.problem(
                "jobs_held",
                partition=self._name,
                reason=why,
                word=word[:_LONGEST_WORD],
                jobs=count,
            )

    def _untrue(self, key: bytes, observation: Observation) -> bool:
        """A commit that outlasts a rebalance may permit a call again before its job is given back as not called."""
        return isinstance(observation, HandedOver) and not self._activities.revoke(key)

    def _survives(self, key: bytes, job: Job, observation: Observation, batch: Transaction) -> bool:
        """Takes an observation; one with which the service can't cope costs its own job, and nothing else."""
        try:
            with batch.all_or_nothing():
                self._apply(key, job, observation, batch)
        except Exception as error:
            self._broke(job, observation, error)
            return False
        return True

    def _comes_again(self, key: bytes, job: Job, observation: Observation, batch: Transaction) -> bool:
        """A few times: an answer counts as lost, anything else is observed again in a while. Then the job is to end.

        Returns:
            Whether it will be observed again. Until then the call whose outcome it may be counts as one that has left.
        """
        delay, instead = self._defects.delay(key), _instead(observation)
        if delay is not None and instead is not None and self._survives(key, job, instead, batch):
            return False
        if delay is not None and instead is None and not isinstance(observation, Broken):
            asyncio.get_running_loop().call_later(delay, self._learn, key, observation)
            return True
        # Whose answer this is has called; and before a job is restored, its former owner may have.
        unsent = instead is None and not isinstance(observation, Restored) and self._activities.revoke(key)
        if not self._survives(key, job, Broken(DEFECT, unsent), batch):
            self._activities.keep(key)
            self._store.census.keep(key)
        return False

    def _apply(self, key: bytes, job: Job, observation: Observation, batch: Transaction) -> None:
        if isinstance(observation, DependencyEnded) and chains.waits(job) and known_row(job.command) is not None:
            find, rules = chaining.finder(job, self._store), self._context.limits[batch.topic]
            observation = chaining.predecessors(job, find, rules, batch.wall)
        step = transitions.step(job, observation, batch.now, self._context.policy)
        batch.apply(key, job, step, _error(observation))
        commands.decide(key, self._store, batch, self._context, self._activities.revoke)
        if step.ignored:
            self._context.telemetry.ignored(job.phase, type(observation).__name__)
        elif isinstance(observation, Restored | Due | StartReached):
            batch.acting[key] = None

    def _broke(self, job: Job, observation: Observation, error: Exception) -> None:
        self._context.telemetry.problem(
            "observation_error",
            partition=self._name,
            command_id=job.command.id,
            operation=performs(job.command),
            phase=job.phase.value,
            observation=type(observation).__name__,
            error=location(error),
        )


_RESTORED: Final = Restored()

_LONGEST_WORD: Final = 100
"""Characters of an unknown word that are logged."""


def _error(observation: Observation) -> str:
    """Code of the error that a call has ended with; empty for anything else."""
    return observation.fault.code if isinstance(observation, Postponed | QuotaFull | Refused | Lost) else ""


def _instead(observation: Observation) -> Observation | None:
    """What an answer that breaks the service counts as, so that its job goes on: a lost call, a search broken off."""
    if isinstance(observation, Returned | Refused | Postponed | QuotaFull):
        return Lost(DEFECT)
    return SearchFailed(DEFECT) if isinstance(observation, Found) else None
