"""The simulation's owner of a shard: steps, commits, and only then acts; it may die or fall asleep at any point."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.records import Command, Job, ResourceChange, ResourceState, job_key
from service.core import faults, search, timing, transitions
from service.core.effects import Call, Rest, Search, StatusChange, Step, Watch
from service.core.job import Phase, ended, marker, row
from service.core.marker import identify, stamp
from service.core.observations import (
    DeadlinePassed,
    Due,
    Failure,
    Found,
    HandedOver,
    Late,
    Observation,
    Reply,
    Restored,
    Returned,
    SearchFailed,
    Seen,
    StartReached,
    Vanished,
)
from service.core.sequencing import next_state
from tests.support import builders
from tests.support.durable_state import split

if TYPE_CHECKING:
    from tests.support.core_simulation import World

LOST_AFTER = ("ReadTimeout", "ConnectionClosed", "InternalServerException")


@dataclass(slots=True)
class Intent:
    """What permits a call: when the step was taken, and when its commit was learnt of."""

    stepped: float
    learnt: float


class Owner:
    """One process's life."""

    def __init__(self, world: "World", epoch: int) -> None:
        self.world, self.epoch = world, epoch
        self.random = world.random
        self.policy = world.laws.policy
        self.dead = self.asleep = self.busy = self.closing = False
        self.ready = epoch == 0
        self.jobs: dict[bytes, Job] = {}
        self.resources: dict[str, ResourceState] = {}
        self.inbox: deque[tuple[bytes, Observation | Command]] = deque()
        self.turns: dict[bytes, int] = {}
        self.polled = 0
        self._deferred: list[Callable[[], None]] = []

    # Life and death

    def later(self, delay: float, action: Callable[[], None]) -> None:
        """Continues after a while, unless dead; when asleep, on waking."""
        self.world.at(self.world.now + delay, lambda: self._continue(action))

    def _continue(self, action: Callable[[], None]) -> None:
        if self.dead:
            return
        if self.asleep:
            self._deferred.append(action)
        else:
            action()

    def hazard(self, where: str, weight: float = 1.0) -> None:
        """Perhaps dies or falls asleep here; somebody takes over, or wakes it in time."""
        world = self.world
        if not world.hazards or self is not world.owner or not world.chance(world.faults * weight):
            return
        world.hazards -= 1
        if self.random.random() < 0.5:
            world.note(f"owner {self.epoch} dies {where}", "crashes")
            self.dead = True
            world.at(world.now + self.random.uniform(0.1, 3.0), world.take_over)
            return
        world.note(f"owner {self.epoch} falls asleep {where}", "pauses")
        self.asleep = True
        pause = self.random.choice((0.5, 3.0, 20.0, 40.0)) * self.random.uniform(0.5, 1.0)
        world.at(world.now + pause, self._wake)
        if self.random.random() < 0.8:
            world.at(world.now + self.random.uniform(0.05, 2.0), world.take_over)

    def _wake(self) -> None:
        self.world.note(f"owner {self.epoch} wakes")
        self.asleep = False
        deferred, self._deferred = self._deferred, []
        for action in deferred:
            self._continue(action)

    def restore(self) -> None:
        self.jobs = self.world.log.restore()
        self.resources = {resource_id: states[-1] for resource_id, states in self.world.log.published.items()}
        self.ready = True
        for key, job in self.jobs.items():
            if not ended(job):
                self.receive(key, Restored())
        self.poll()

    # Inbox, step, commit, act

    def poll(self) -> None:
        """Fetches commands from the topic."""
        if not self.ready:
            return
        for command in self.world.inbox[self.polled :]:
            self.receive(job_key(command.source, command.id), command)
        self.polled = len(self.world.inbox)

    def receive(self, key: bytes, observed: Observation | Command) -> None:
        self.inbox.append((key, observed))
        self._pump()

    def _pump(self) -> None:
        while self.inbox and not (self.busy or self.dead or self.asleep):
            key, observed = self.inbox.popleft()
            before = self.jobs.get(key)
            if isinstance(observed, Command):
                if before is None:
                    self._begin(
                        key, transitions.accept(observed, self.world.now, self.world.now, self.policy), observed
                    )
                continue
            assert before is not None
            step = transitions.step(before, observed, self.world.now, self.policy)
            if step.ignored:
                self.world.counters["ignored"] += 1
            if step.job is before and not step.events:
                self._resume(key, before, observed)
            else:
                self._begin(key, step, observed)

    def _begin(self, key: bytes, step: Step, observed: object) -> None:
        assert step.job is not None
        job, stepped = step.job, self.world.now
        self.busy = True
        self.world.note(f"  {job.command.id} {type(observed).__name__} -> {job.phase.value} (owner {self.epoch})")
        self.hazard("before its commit")
        self.later(self.random.uniform(0.001, 0.05), lambda: self._commit(key, job, step, stepped))

    def _commit(self, key: bytes, job: Job, step: Step, stepped: float) -> None:
        replies, changes = split(step.events)
        states = self._numbered(changes, job.command)
        if not self.world.log.append(self.epoch, job, replies, states):
            self.world.note(f"owner {self.epoch} is fenced", "fenced")
            self.dead = True
            return
        self.hazard("after its commit", 2.0)
        self.later(self.random.uniform(0.001, 0.02), lambda: self._committed(key, job, stepped))

    def _numbered(self, changes: list[StatusChange], command: Command) -> list[ResourceState]:
        states = []
        for change in changes:
            record = ResourceChange(change.kind, change.resource_id, change.status, command, self.world.now)
            state = next_state(self.resources.get(change.resource_id), record)
            if state is not None:
                self.resources[state.id] = state
                states.append(state)
        return states

    def _committed(self, key: bytes, job: Job, stepped: float) -> None:
        self.jobs[key] = job
        self.busy = False
        self._act(key, job, Intent(stepped, self.world.now))
        if ended(job):
            for other, waiting in self.jobs.items():
                if waiting.phase is Phase.QUEUED:
                    self.receive(other, Due())
        self._pump()

    # Activities

    def _resume(self, key: bytes, job: Job, observed: Observation) -> None:
        """Nothing was committed: what recurs goes on, what was restored begins."""
        activity = transitions.activity(job, self.policy)
        if isinstance(observed, Restored) or (
            isinstance(activity, Watch | Rest) and isinstance(observed, Seen | Vanished | Due)
        ):
            self._act(key, job, Intent(self.world.now, self.world.now))

    def _act(self, key: bytes, job: Job, intent: Intent) -> None:
        turn = self.turns[key] = self.turns.get(key, 0) + 1
        now = self.world.now

        def unless_moved_on(action: Callable[[], None]) -> Callable[[], None]:
            return lambda: action() if self.turns[key] == turn else None

        if self.closing:
            return
        if timing.overdue(job, now):
            self.receive(key, DeadlinePassed())
            return
        match transitions.activity(job, self.policy):
            case Call() if self.world.chance(0.03):
                self._hand_over(key)
            case Call():
                wait = self.random.uniform(0.0, 4.0) if self.world.chance(0.1) else self.random.uniform(0.0, 0.2)
                self.hazard("before its call", 4.0)
                self.later(wait, lambda: self._call(key, job, intent))
            case Search(at):
                self.later(max(0.0, at - now), unless_moved_on(lambda: self._search(key, job)))
            case Watch():
                self.later(self.random.uniform(0.5, 3.0), unless_moved_on(lambda: self._look(key, job)))
            case Rest(until, wall):
                due = unless_moved_on(lambda: self.receive(key, StartReached() if wall else Due()))
                self.later(max(0.0, until - now), due)
                self._wake_twice(key, until - now)
                if timing.may_expire(job):
                    expire = unless_moved_on(lambda: self.receive(key, DeadlinePassed()))
                    self.later(max(0.0, job.command.deadline - now), expire)

    def _wake_twice(self, key: bytes, wait: float) -> None:
        """Now and then both a timer and a free slot wake a job."""
        if self.world.chance(0.2):
            self.later(max(0.0, wait) + 0.1, lambda: self.receive(key, Due()))

    def _hand_over(self, key: bytes) -> None:
        """Leaves in good order: says that nothing was sent, and acts no more."""
        self.world.note(f"owner {self.epoch} hands over", "handovers")
        self.closing = True
        self.receive(key, HandedOver())
        self.world.at(self.world.now + 0.2, self.world.take_over)

    def _may_send(self, intent: Intent) -> bool:
        begun = {"step": intent.stepped, "learnt": intent.learnt, "never": self.world.now}
        return self.world.now - begun[self.world.laws.window_from] <= self.policy.call_window

    def _call(self, key: bytes, job: Job, intent: Intent) -> None:
        if not self._may_send(intent):
            self.world.note(f"{job.command.id} is late (owner {self.epoch})", "late")
            self.receive(key, Late())
            return
        world, draw = self.world, self.random.random()
        zombie = "" if self is world.owner else "zombie "
        world.note(f"{zombie}owner {self.epoch} calls {job.command.operation} for {job.command.id}", f"{zombie}calls")
        if not world.chance(0.4):
            draw = 1.0
        flight = self.random.uniform(0.0, 1.5) if draw < 0.3 else self.random.uniform(0.001, 0.1)
        world.at(world.now + flight, lambda: self._arrive(key, job, draw))
        self.hazard("during its call")

    def _arrive(self, key: bytes, job: Job, draw: float) -> None:
        """The request reaches AWS, or doesn't; what is learnt of it is another matter."""
        params = dict(job.command.params)
        if row(job.command).creates:
            params = stamp(params, marker(job.command))
        outcome = self._fate(draw) or self.world.aws.perform(job.command.operation, params, self.world.now)
        if draw < 0.45:
            outcome = Failure(self.random.choice(LOST_AFTER), "lost after its effect")
        slow = self.random.uniform(0.0, 6.0) if draw < 0.05 else self.random.uniform(0.001, 0.2)
        code = outcome.code if isinstance(outcome, Failure) else "ok"
        self.world.note(f"    {job.command.id}: AWS answers {code}")
        learnt = Returned(outcome.result) if isinstance(outcome, Reply) else faults.observe(outcome)
        self.later(slow, lambda: self.receive(key, learnt))

    def _fate(self, draw: float) -> Failure | None:
        """A failure without any effect."""
        if 0.45 <= draw < 0.6:
            return Failure("ConnectionClosed", "lost before its effect")
        if 0.6 <= draw < 0.75:
            return Failure("ThrottlingException", "slow down", 429)
        if 0.75 <= draw < 0.85:
            return Failure("ServiceQuotaExceededException", "full", 402)
        return Failure("ConnectFailed", "never sent", sent=False) if 0.85 <= draw < 0.95 else None

    def _search(self, key: bytes, job: Job) -> None:
        began = self.world.now
        request = search.search_request(job.command)
        outcome = self.world.aws.perform(request.operation, request.params, began)
        found = self._found(job, outcome, request.pages, began)
        if self.world.chance(0.15):
            found = SearchFailed(faults.fault(Failure("ReadTimeout", "no answer"), retryable=True))
        self.hazard("during its search")
        self.later(self.random.uniform(0.001, 0.5), lambda: self.receive(key, found))

    def _found(self, job: Job, outcome: Reply | Failure, pages: bool, began: float) -> Observation:
        if isinstance(outcome, Failure):
            return Found((), began)
        if pages:
            listed = outcome.result[row(job.command).resource.summaries]
            return Found(builders.matches(job.command, listed), began)
        return Found((outcome.result,), began)

    def _look(self, key: bytes, job: Job) -> None:
        resource = row(job.command).resource
        if resource.get_operation:
            request = search.get_request(resource, job.resource_id)
            outcome = self.world.aws.perform(request.operation, request.params, self.world.now)
            seen = Seen(outcome.result) if isinstance(outcome, Reply) else Vanished()
        else:
            outcome = self.world.aws.perform(resource.list_operation, {}, self.world.now)
            assert isinstance(outcome, Reply)
            listed = outcome.result[resource.summaries]
            mine = [shown for shown in listed if identify(resource, shown) == job.resource_id]
            seen = Seen(mine[0]) if mine else Vanished()
        self.receive(key, seen)
