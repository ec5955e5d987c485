"""The spans that a step ends: each phase once, from when to when, whoever the owner is."""

import itertools
from dataclasses import dataclass, field

import pytest

from schemas.operations import COMMANDS
from schemas.records import Job, Phase, SpanTimes, decode, encode
from service.core import chains, outcomes, transitions
from service.core import observations as seen
from service.core.job import CHAINED, GIVEN_BACK, replace
from service.core.spans import OUTCOME_UNKNOWN, EndedSpan, awaited, follow, permitted
from service.core.timing import Policy
from tests.support.builders import (
    CREATING,
    FULL,
    JOBS,
    NOW,
    POLICY,
    READS,
    REMOVALS,
    THROTTLED,
    TIMEOUT,
    arn,
    command,
    every_job,
    job,
    result,
)

CREATE, MODEL, DELETE, GET = CREATING[0], JOBS[0], REMOVALS[0], READS[0]
OWN_COUNT = seen.QuotaFull(replace(FULL, code="ConcurrencyLimit"), position=1)


@dataclass
class Life:
    """One command, step by step, with a clock and a changing owner."""

    job: Job
    process: str = "A"
    at: float = 100.0
    spans: list[EndedSpan] = field(default_factory=list)
    policy: Policy = POLICY

    def __post_init__(self) -> None:
        self.take(None, self.job)

    def take(self, before: Job | None, after: Job, error: str = "") -> None:
        after, spans = follow(before, after, self.at, self.process, error)
        read = decode(encode(after))
        assert isinstance(read, Job)
        self.job = read  # the next step may be another process's
        self.spans += spans

    def learn(self, observation: seen.Observation, later: float = 1.0) -> "Life":
        self.at += later
        fault = getattr(observation, "fault", None)
        after = transitions.step(self.job, observation, NOW + self.at, self.policy).job
        assert after is not None
        if after is not self.job:
            self.take(self.job, after, fault.code if fault is not None else "")
        return self

    def restart(self) -> "Life":
        self.process = chr(ord(self.process) + 1)
        return self.learn(seen.Restored())

    @property
    def tree(self) -> list[tuple[str, float, float]]:
        return [(span.name.value, span.began, span.ended) for span in self.spans]


def resting(operation: object = MODEL) -> Job:
    """As it is accepted without a turn."""
    return job(operation, due=GIVEN_BACK)  # type: ignore[arg-type]


def test_a_job_from_its_acceptance_to_its_end() -> None:
    life = Life(resting())
    assert life.tree == []
    assert life.job.trace == SpanTimes("queued", 100.0, "A", 100.0, "A")
    life.learn(seen.Due()).learn(seen.Returned(result(MODEL)), 2.0)
    assert life.tree == [("queued", 100.0, 101.0), ("call", 101.0, 103.0)]
    assert life.job.trace == SpanTimes("running", 103.0, "A", 100.0, "A", spans=2)
    life.learn(seen.Seen({"status": "CREATE_IN_PROGRESS"}), 10.0)
    assert len(life.spans) == 2
    life.learn(seen.Seen({"status": "ACTIVE"}), 10.0)
    assert life.tree[2:] == [("running", 103.0, 123.0), ("command", 100.0, 123.0)]
    assert [span.number for span in life.spans] == [1, 2, 3, 0]
    assert {span.by for span in life.spans} == {"A"}
    assert not any(span.error for span in life.spans)
    assert life.job.trace is None


def test_what_has_its_turn_at_once_has_not_waited() -> None:
    life = Life(job(GET)).learn(seen.Returned({}), 2.0)
    assert life.tree == [("call", 100.0, 102.0), ("command", 100.0, 102.0)]
    assert life.spans[0].attempt == 1


def test_what_is_refused_at_once_is_a_command_without_phases() -> None:
    step = outcomes.rejected(command(GET), replace(TIMEOUT, code="ValidationFailed"), [], NOW)
    assert step.job is not None
    life = Life(step.job)
    assert life.tree == [("command", 100.0, 100.0)]
    assert life.spans[0].error == "ValidationFailed"


def test_each_try_is_a_call_with_its_error() -> None:
    life = Life(job(CREATE)).learn(seen.Postponed(THROTTLED))
    life.learn(seen.Due(), 100.0).learn(seen.Returned(result(CREATE)))
    assert life.tree[:3] == [("call", 100.0, 101.0), ("queued", 101.0, 201.0), ("call", 201.0, 202.0)]
    assert [span.error for span in life.spans] == ["ThrottlingException", "", "", ""]


@pytest.mark.parametrize("unsent", [seen.HandedOver(), seen.WindowMissed(), OWN_COUNT])
def test_a_call_that_has_not_left_is_none(unsent: seen.Observation) -> None:
    life = Life(resting()).learn(seen.Due()).learn(unsent)
    assert "call" not in [span.name for span in life.spans]
    assert life.job.trace is not None
    assert life.job.trace.called == 0.0


@pytest.mark.parametrize("unsent", [seen.Late(), seen.Delayed()])
def test_a_call_that_is_permitted_anew_begins_then(unsent: seen.Observation) -> None:
    life = Life(resting()).learn(seen.Due()).learn(unsent, 5.0).learn(seen.Returned(result(MODEL)))
    assert life.tree == [("queued", 100.0, 106.0), ("call", 106.0, 107.0)]


@pytest.mark.parametrize("ends", [seen.Cancelled(), seen.DeadlinePassed()])
def test_what_ends_before_its_call_was_waiting(ends: seen.Observation) -> None:
    life = Life(job(MODEL)).learn(ends)
    assert life.tree == [("queued", 100.0, 101.0), ("command", 100.0, 101.0)]
    assert life.spans[1].error in ("Cancelled", "DeadlineExceeded")


def test_a_wait_for_a_slot_is_one_however_often_it_is_tried() -> None:
    life = Life(job(MODEL)).learn(OWN_COUNT, 0.0)
    for _ in range(3):
        life.learn(seen.Due(), 60.0).learn(OWN_COUNT, 0.0)
    assert life.tree == []
    life.learn(seen.Due(), 60.0).learn(seen.Returned(result(MODEL)))
    assert life.tree == [("quota", 100.0, 340.0), ("call", 340.0, 341.0)]
    assert life.spans[0].reason == "ConcurrencyLimit"


def test_a_quota_that_aws_says_is_full_was_called() -> None:
    life = Life(job(MODEL)).learn(seen.QuotaFull(FULL)).learn(seen.Due(), 1000.0).learn(seen.Returned(result(MODEL)))
    assert life.tree == [("call", 100.0, 101.0), ("quota", 101.0, 1101.0), ("call", 1101.0, 1102.0)]
    assert [span.error for span in life.spans] == ["ServiceQuotaExceededException", "", ""]


def test_a_start_time() -> None:
    begun = job(MODEL, command=command(MODEL, not_before=NOW + 500), due=NOW + 500, reason="NotBefore")
    life = Life(begun).learn(seen.StartReached(), 400.0).learn(seen.Returned(result(MODEL)))
    assert life.tree == [("scheduled", 100.0, 500.0), ("call", 500.0, 501.0)]


def test_predecessors() -> None:
    sent = command(MODEL, predecessors=("one", "two"), order="k")
    waiting = chains.begun(job(MODEL, command=sent))
    filled = seen.FilledRequest({"trainingDatasetArn": arn(CREATE)}, {"trainingDatasetArn": arn(CREATE)})
    life = Life(waiting)
    assert list(awaited(life.job)) == ["one", "two"]
    life.learn(seen.Predecessors({}, filled=filled), 50.0)
    assert life.job.command.operation != CHAINED
    assert list(awaited(life.job)) == []
    life.learn(seen.Due()).learn(seen.Returned(result(MODEL)))
    assert life.tree == [("predecessors", 100.0, 150.0), ("queued", 150.0, 151.0), ("call", 151.0, 152.0)]


def test_a_lost_call_is_searched_for_and_made_again() -> None:
    life = Life(job(CREATE)).learn(seen.Lost(TIMEOUT))
    for _ in range(5):
        life.learn(seen.Found((), NOW + life.at), 400.0)
        if life.job.phase is Phase.INTENDED:
            break
    search_ended = life.at
    life.learn(seen.Due()).learn(seen.Returned(result(CREATE)))
    assert [name for name, *_ in life.tree] == ["call", "search", "queued", "call", "command"]
    assert life.tree[1] == ("search", 101.0, search_ended)
    assert [span.attempt for span in life.spans if span.name == "call"] == [1, 2]
    assert life.spans[0].error == "ReadTimeout"


def test_a_restart_in_each_phase_keeps_when_it_began_and_under_whom() -> None:
    life = Life(resting()).restart().learn(seen.Due()).learn(seen.Returned(result(MODEL)))
    life.restart().restart().learn(seen.Seen({"status": "ACTIVE"}), 50.0)
    assert [(span.name.value, span.by) for span in life.spans] == [
        ("queued", "A"),
        ("call", "B"),
        ("running", "B"),
        ("command", "A"),
    ]
    assert all(before.ended == after.began for before, after in itertools.pairwise(life.spans[:3]))


@pytest.mark.parametrize(("operation", "names"), [(CREATE, ["call"]), (DELETE, ["call"]), (GET, ["call"])])
def test_a_call_whose_answer_nobody_heard(operation: object, names: list[str]) -> None:
    """What may be repeated is called again; what is marked is searched for."""
    life = Life(job(operation)).restart()  # type: ignore[arg-type]
    assert [span.name for span in life.spans] == names
    assert (life.spans[0].error, life.spans[0].by) == (OUTCOME_UNKNOWN, "A")
    assert life.job.trace is not None
    assert (life.job.trace.phase == "search") is (operation is CREATE)


def test_a_parked_command_has_a_second_run() -> None:
    parked = outcomes.parked(job(CREATE, Phase.UNCERTAIN), TIMEOUT, NOW, "one search")
    assert parked.job is not None
    life = Life(job(CREATE)).learn(seen.Lost(TIMEOUT))
    before, life.at = life.job, 200.0
    life.take(before, replace(parked.job, trace=before.trace))
    assert life.tree[1:] == [("search", 101.0, 200.0), ("command", 100.0, 200.0)]
    assert life.spans[-1].error == "ReadTimeout"
    assert life.job.trace == SpanTimes("parked", 200.0, "A", 200.0, "A", run=2)
    life.take(life.job, replace(life.job, phase=Phase.INTENDED, due=GIVEN_BACK, attempt=2, fault=None))
    life.learn(seen.Due()).learn(seen.Returned(result(CREATE)))
    second = [(span.name.value, span.number) for span in life.spans if span.run == 2]
    assert second == [("parked", 1), ("queued", 2), ("call", 3), ("command", 0)]


def test_a_clock_that_steps_back_makes_no_span_that_ends_before_it_began() -> None:
    life = Life(job(MODEL)).learn(seen.Returned(result(MODEL)), -50.0).learn(seen.Seen({"status": "ACTIVE"}), -10.0)
    assert all(span.ended >= span.began for span in life.spans)


def test_what_was_written_without_traces_is_followed_from_what_its_record_says() -> None:
    old = job(MODEL, Phase.RUNNING, resource_id=arn(MODEL), accepted_at=NOW, since=NOW + 10)
    after = transitions.step(old, seen.Seen({"status": "ACTIVE"}), NOW + 50, POLICY).job
    assert after is not None
    _, spans = follow(old, after, NOW + 50, "B")
    assert [(span.name.value, span.began, span.by) for span in spans] == [
        ("running", NOW + 10, ""),
        ("command", NOW, ""),
    ]


def test_what_a_process_without_traces_has_moved_on_is_followed_from_there() -> None:
    stale = SpanTimes("queued", 100.0, "A", 100.0, "A", spans=3)
    moved = job(MODEL, Phase.RUNNING, resource_id=arn(MODEL), since=NOW + 10, trace=stale)
    after = transitions.step(moved, seen.Seen({"status": "ACTIVE"}), NOW + 50, POLICY).job
    assert after is not None
    _, spans = follow(moved, after, NOW + 50, "B")
    assert [(span.name.value, span.began, span.number) for span in spans] == [
        ("running", NOW + 10, 4),
        ("command", 100.0, 0),
    ]


def test_every_job_of_every_row_can_be_followed() -> None:
    for each in every_job():
        for observation in (seen.Restored(), seen.Cancelled(), seen.Outlived(), seen.Due()):
            after = transitions.step(each, observation, NOW + 1, POLICY).job
            if after is not None and after is not each:
                followed, spans = follow(each, after, NOW + 1, "B")
                assert all(span.began <= span.ended for span in spans)
                assert replace(followed, trace=None) == replace(after, trace=None)


def test_what_calls_nobody_is_never_permitted() -> None:
    for name in ("CancelCommand", "ResolveCommand", "TrackResource"):
        other = replace(command(MODEL), operation=name, params={})
        assert name in COMMANDS
        assert not permitted(job(MODEL, command=other))
    assert not permitted(job(MODEL, command=replace(command(MODEL), operation="FutureOperation")))
