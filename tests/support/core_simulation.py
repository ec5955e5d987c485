"""A seeded random schedule of crashes, zombies and lost replies around the real core, in virtual time.

One shard, owned by one process at a time (:mod:`tests.support.simulated_owner`); a durable log that fences; a model of
AWS. Events are plain callables in a heap, so a seed gives the same schedule each time.
"""

import heapq
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from schemas.operations import OPERATIONS, Repeat
from schemas.records import Command, Job, Phase, decode, job_key
from service.core.job import ended, marker, row
from service.core.timing import Policy
from tests.support.durable_state import TERMINAL_REPLIES, Log, gap_free
from tests.support.model_aws import POLICY_MEMBER, ModelAws, digest
from tests.support.simulated_owner import Owner

POLICY: Final = Policy(
    call_window=2.0,
    settle=10.0,
    search_delays=(0.0, 1.0, 3.0),
    accepted_limit=60.0,
    backoff_base=0.2,
    backoff_cap=3.0,
    quota_retry=5.0,
    read_retry_limit=60.0,
    write_retry_limit=600.0,
    vanish_grace=8.0,
)
LIST_LAG: Final = 5.0
FLIGHT: Final = 1.5  # the longest way of a request to AWS: settle > call_window + FLIGHT + LIST_LAG
HEALED: Final = 60.0  # no fault begins after it
BOUND: Final = 400.0  # everything has ended by then

MODEL: Final = "audience-model-0"
OPERATION_MIX: Final = (
    *("CreateAudienceModel", "StartAudienceExportJob", "CreateTrainingDataset") * 2,
    "DeleteAudienceModel",
    "PutConfiguredAudienceModelPolicy",
    "GetAudienceModel",
)


@dataclass(frozen=True, slots=True)
class Laws:
    """Which rules hold.

    Attributes:
        window_from: Since when an owner counts the call window: from the ``step`` that led to the intent (law 1), from
            the moment it ``learnt`` of the commit (too late by a pause), or ``never``.
        policy: Numbers of the core, ``settle`` among them (law 2).
    """

    window_from: str = "step"
    policy: Policy = POLICY


class World:
    """Time, chance, AWS, the log and who owns the shard."""

    def __init__(self, seed: int, laws: Laws | None = None) -> None:
        self.seed, self.laws = seed, laws or Laws()
        self.random = Random(seed)
        self.now = 0.0
        self.log = Log()
        self.trace: list[tuple[float, str]] = []
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0
        self.faults = self.random.choice((0.03, 0.06, 0.1))
        self.hazards = 5  # crashes and pauses left
        self.aws = ModelAws(self.random, LIST_LAG, self.random.random() < 0.5)
        self.counters: Counter[str] = Counter()
        self.commands: dict[bytes, Command] = {}
        self.inbox: list[Command] = []
        self.owner = Owner(self, 0)
        self._populate()

    # Time

    def at(self, when: float, action: Callable[[], None]) -> None:
        self._number += 1
        heapq.heappush(self._heap, (when, self._number, action))

    def note(self, what: str, count: str = "") -> None:
        self.trace.append((self.now, what))
        if count:
            self.counters[count] += 1

    def chance(self, probability: float) -> bool:
        """A fault's chance; none once the world is healed."""
        return self.now < HEALED and self.random.random() < probability

    def run(self) -> "World":
        """Until nothing happens any more, zombies included, or to the bound."""
        while self._heap and self.now < BOUND:
            self.now, _, action = heapq.heappop(self._heap)
            action()
        return self

    # What there is, and what is asked

    def _populate(self) -> None:
        for number in range(2):
            thing = self.aws.add(OPERATIONS["CreateAudienceModel"], f"old {number}", "made by hand", -100.0)
            assert thing.id in (MODEL, "audience-model-1")
        self.aws.policies[MODEL] = json.dumps("theirs")
        for number in range(self.random.randint(1, 4)):
            command = self._command(number, self.random.choice(OPERATION_MIX))
            self.commands[job_key(command.source, command.id)] = command
            for _ in range(self.random.choice((1, 1, 1, 2))):  # now and then a publisher sends twice
                self.at(self.random.uniform(0.0, 15.0), lambda command=command: self._publish(command))  # type: ignore[misc]
        self.at(self.random.uniform(1.0, 50.0), self._meddle)

    def _command(self, number: int, operation: str) -> Command:
        draw = self.random.random()
        name = "same" if draw < 0.05 else f"name {number}"
        params: dict[str, Any] = {"name": name, "description": "ours", "audienceGenerationJobArn": "job"}
        if operation in ("DeleteAudienceModel", "GetAudienceModel"):
            params = {"audienceModelArn": self.random.choice((MODEL, MODEL, "audience-model-1", "nowhere"))}
        elif operation == "PutConfiguredAudienceModelPolicy":
            previous = digest(self.aws.policies[MODEL])
            document = json.dumps(f"ours {number}")
            params = {"configuredAudienceModelArn": MODEL, POLICY_MEMBER: document, "previousPolicyHash": previous}
        return Command(
            f"c-{number}",
            "/sim",
            operation,
            "main",
            params,
            "0" * 64,
            not_before=self.random.uniform(0.0, 30.0) if self.random.random() < 0.1 else 0.0,
            deadline=self.random.uniform(20.0, 60.0) if self.random.random() < 0.1 else 0.0,
        )

    def _publish(self, command: Command) -> None:
        self.note(f"published {command.id} {command.operation}")
        self.inbox.append(command)
        self.owner.later(0.0, self.owner.poll)

    def _meddle(self) -> None:
        """Somebody else deletes a resource that we watch, or writes the policy."""
        if self.chance(0.1):
            self.aws.policies[MODEL] = json.dumps("somebody else's")
            self.note("policy written by somebody else")
        watched = {job.resource_id for job in self.log.restore().values() if job.phase is Phase.RUNNING}
        for thing in self.aws.things.values():
            if thing.id in watched and self.chance(0.3):
                thing.turn(self.now, [(self.now, "")])
                self.note(f"{thing.id} deleted by somebody else", "foreign deletes")

    # Owners

    def take_over(self) -> None:
        self.log.epoch += 1
        self.owner = Owner(self, self.log.epoch)
        self.note(f"owner {self.log.epoch} takes over", "takeovers")
        self.owner.later(self.random.uniform(0.01, 0.5), self.owner.restore)

    # Judgement

    def verdict(self) -> dict[str, int]:
        """Violations of the invariants, by name; empty when the world is as promised."""
        found: Counter[str] = Counter()
        for key, command in self.commands.items():
            record = self.log.records.get(key)
            job = decode(record) if record else None
            made = self.aws.created[marker(command)]
            found["duplicates"] += max(0, made - 1)
            replies = self.log.replies.get(key, [])
            terminal = [kind for kind in replies if kind in TERMINAL_REPLIES]
            found["stuck"] += not terminal
            found["double completions"] += max(0, len(terminal) - 1) + max(0, replies.count("accepted") - 1)
            found["replies after the end"] += bool(terminal) and replies[-1] not in TERMINAL_REPLIES
            if isinstance(job, Job) and ended(job):
                found["untrue"] += self._untrue(job, made)
                self.counters[f"{job.phase.value}"] += 1
        found["gaps"] = sum(not gap_free(states) for states in self.log.published.values())
        return {name: count for name, count in found.items() if count}

    def _untrue(self, job: Job, made: int) -> bool:
        """True when a reply says what is not so."""
        if job.phase is Phase.PARKED:
            return False
        if row(job.command).repeat is Repeat.MARKED:
            code = job.fault.code if job.fault else ""
            return (made > 0) != (job.phase is Phase.SUCCEEDED or code in ("CREATE_FAILED", "ResourceVanished"))
        if job.command.operation == "DeleteAudienceModel" and job.phase is Phase.SUCCEEDED:
            target = self.aws.things.get(job.resource_id)
            return target is not None and target.there(self.now)
        if job.command.operation == "PutConfiguredAudienceModelPolicy" and job.phase is Phase.SUCCEEDED:
            return not self.aws.put
        return False

    def story(self) -> str:
        """The schedule, to be read when a seed fails."""
        lines = [f"seed {self.seed}", *(f"{when:10.4f}  {what}" for when, what in self.trace)]
        return "\n".join([*lines, f"verdict: {self.verdict()}"])


def simulate(seed: int, laws: Laws | None = None) -> World:
    """One schedule, run to its end."""
    return World(seed, laws).run()
