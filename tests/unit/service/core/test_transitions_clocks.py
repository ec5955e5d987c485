"""Whatever the former owner's clock has said: every wait begins anew, by the time of the owner that is."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.operations import OPERATIONS
from schemas.records import Job, Phase
from service.core import observations as seen
from service.core import timing, transitions
from service.core.effects import Call, Rest, Search
from service.core.job import ended, replace, row
from tests.support import builders as samples
from tests.support.builders import NOW, POLICY, THROTTLED, TIMEOUT

offsets = st.floats(-1e7, 1e7) | st.sampled_from((0.0, POLICY.settle, -POLICY.settle, 86_400.0, -86_400.0))
"""By how much our time differs from the former owner's."""
later = st.floats(0.0, 1e5)
subjects = st.sampled_from([job for job in samples.every_job() if not ended(job)])
LONGEST = max(POLICY.backoff_cap, POLICY.quota_retry, *POLICY.search_delays)


def taken_over(job: Job, ours: float) -> Job:
    """The job as its new owner has it, to whom the takeover is at ``ours``."""
    restored = transitions.step(job, seen.Restored(), ours, POLICY).job
    assert restored is not None
    return restored


def alive(job: Job) -> Job:
    """With times as a former owner would have written them."""
    return replace(job, accepted_at=NOW, since=NOW, due=NOW + 30.0 if job.phase is not Phase.RUNNING else 0.0)


@given(subjects, offsets)
def test_nothing_rests_longer_than_its_longest_wait(job: Job, ours: float) -> None:
    restored = taken_over(alive(job), NOW + ours)
    match transitions.activity(restored, POLICY):
        case Rest(until) | Search(until):
            assert until <= NOW + ours + LONGEST


@given(subjects, offsets, later)
def test_law_2_counts_from_the_takeover(job: Job, ours: float, passed: float) -> None:
    """An empty search permits a repeat only when we have settled ourselves."""
    restored = taken_over(job, NOW + ours)
    if restored.phase is not Phase.UNCERTAIN or row(job.command).previous:
        return
    began = NOW + ours + passed
    step = transitions.step(restored, seen.Found((), began), began + 1.0, POLICY)
    permitted = step.job is not None and transitions.activity(step.job, POLICY) == Call()
    assert not permitted or passed >= POLICY.settle - 1e-5


@given(offsets)
def test_no_limit_has_run_out_at_a_takeover(ours: float) -> None:
    """By a former owner's clock that was hours behind, each of them would have."""
    export, train, tag = (OPERATIONS[name] for name in ("StartAudienceExportJob", "CreateAudienceModel", "TagResource"))
    now = NOW + ours
    accepted = taken_over(samples.job(export, Phase.ACCEPTED, due=NOW), now)
    assert transitions.step(accepted, seen.Found((), now), now + 1.0, POLICY).job.phase is Phase.ACCEPTED  # type: ignore[union-attr]
    running = taken_over(samples.job(train, Phase.RUNNING, resource_id=samples.arn(train)), now)
    assert transitions.step(running, seen.Vanished(), now + 1.0, POLICY).job is running
    for observation in (seen.Postponed(THROTTLED), seen.Lost(TIMEOUT)):
        tried = transitions.step(taken_over(samples.job(tag), now), observation, now + 1.0, POLICY).job
        assert tried is not None
        assert tried.phase is Phase.INTENDED


@given(offsets)
def test_a_start_time_is_left_to_the_wall_clock(ours: float) -> None:
    command = samples.command(OPERATIONS["CreateAudienceModel"], not_before=NOW + 5000.0)
    job = transitions.accept(command, NOW + ours, NOW, POLICY).job
    assert job is not None
    restored = taken_over(job, NOW - ours)
    assert transitions.activity(restored, POLICY) == Rest(NOW + 5000.0, wall=True)
    assert transitions.step(restored, seen.Due(), NOW + 1e8, POLICY).job is restored


@given(st.integers(-(10**8), 10**8), st.integers(-(10**8), 10**8))
def test_one_clock_forgets_nothing(owner: int, kafka: int) -> None:
    outlived = timing.outlived(NOW, NOW + owner, NOW + kafka, POLICY)
    assert outlived == (owner >= POLICY.retention and kafka >= POLICY.retention)
