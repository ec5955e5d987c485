"""What one transaction holds: records, replies, events with their numbers, dead letters and the offset."""

import dataclasses
from contextlib import suppress
from random import Random
from typing import Any

import pytest

from schemas import records
from schemas.records import Job, Phase, ResourceChange, job_key
from service.core import outcomes, spans, transitions
from service.core.capacity import WEIGHT
from service.core.effects import CommandReply, Step
from service.core.job import replace
from service.core.observations import Outlived
from service.runtime.ports import TopicPartition
from service.runtime.store import Store
from service.runtime.transaction import Transaction
from tests.support.cluster import Rig
from tests.support.messages import CHANGELOG, CHANGES, COMMANDS, DEAD_LETTERS, EVENTS, request
from tests.support.process import POLICY
from tests.support.shard_internals import CREATE, Bench

pytestmark = pytest.mark.looptime


async def test_sequences_are_counted_over_batches_and_within_one() -> None:
    b = Bench()
    job = Job(records.Command("c", "/tests", CREATE, "default", {}, ""), Phase.RUNNING, accepted_at=0.0)

    def change(name: str, status: str) -> None:
        made = ResourceChange("audience-model", name, status, job.command, b.batch.now)
        b.batch.number(made)

    b.next(CHANGES)
    for name, status in (("arn:a", "CREATE_PENDING"), ("arn:b", "CREATE_PENDING"), ("arn:a", "CREATE_IN_PROGRESS")):
        change(name, status)
    assert [(event.subject, event.sequence) for event in b.told(EVENTS)] == [("arn:a", 1), ("arn:b", 1), ("arn:a", 2)]
    assert len(b.batch.out()) == 2 + 3  # the state of a resource once, its events each
    b.next(CHANGES)
    change("arn:a", "CREATE_IN_PROGRESS")
    assert b.batch.empty
    change("arn:a", "ACTIVE")
    (event,) = b.told(EVENTS)
    assert (event.sequence, event.data["previousStatus"]) == (3, "CREATE_IN_PROGRESS")


async def test_an_empty_batch_is_empty_and_an_offset_alone_is_not() -> None:
    b = Bench()
    seen = [b.batch.empty]
    b.batch.next_offset = 1
    seen.append(b.batch.empty)
    assert seen == [True, False]
    assert b.batch.out() == []


async def test_a_tombstone_for_what_is_forgotten() -> None:
    b = Bench()
    b.receive(CREATE, request(CREATE))
    b.end()
    job = b.job()
    assert job is not None
    gone = transitions.step(job, Outlived(), job.finished_at + POLICY.retention, POLICY)
    b.batch.apply(job_key("/tests", "c-1"), job, gone)
    (record,) = b.batch.out()
    assert (record.topic, record.key, record.value) == (CHANGELOG, job_key("/tests", "c-1"), None)
    assert b.job() is None


async def test_one_transaction_holds_everything_and_the_offset() -> None:
    """Half of it is never seen: a commit that is lost takes all of it, and all of it comes again."""
    async with Rig(partitions=1) as rig:
        await rig.start()
        await rig.perform(CREATE)
        rig.broker.fail_next_commit(applied=False)
        sent = [rig.send(CREATE) for _ in range(3)] + [rig.send(CREATE, {})]
        await rig.until(lambda: rig.ended() >= set(sent))
        assert len(rig.broker.read_committed(DEAD_LETTERS)) == 1
        assert rig.broker.committed(TopicPartition(COMMANDS, 0)) == 5
        rig.audit()


@pytest.mark.parametrize("wrong", [{"resource_id": 17}, {"status": {"code": 17}}, {"accepted_at": "now"}])
async def test_what_a_next_owner_could_not_read_is_not_written(wrong: dict[str, Any]) -> None:
    b = Bench()
    job = Job(records.Command("c", "/tests", CREATE, "default", {}, ""), Phase.RUNNING, accepted_at=0.0)
    with pytest.raises(records.CorruptRecord):
        b.batch.apply(job_key("/tests", "c"), job, Step(replace(job, **wrong), (CommandReply("accepted"),)))
    assert b.batch.empty


def books(store: Store) -> dict[str, Any]:
    """All that a store keeps beside its records."""
    return {
        "open": store.going_on,
        "callable": store.census.callable,
        "waiting": store.census.waiting(),
        "weights": {key: counted.weight for key, counted in store.census._jobs.items()},
        "awaiting": store._awaiting,
        "ended": (store.ends.lasting, store.ends.fleeting, store.ends._sources),
        "phases": store.phases(),
    }


def fresh(store: Store) -> Store:
    """A store that has read the same records."""
    read = Store()
    for key, job in store.jobs():
        read.load(key, records.encode(job))
    for key, state in store.resources():
        read.load(key, records.encode(state))
    return read


def trace(batch: Transaction) -> Any:
    """What a batch has come to hold; in which order, is all the same."""
    out = sorted((record.topic, record.key or b"", record.value or b"") for record in batch.out())
    return out, set(batch.acting), dict(batch.ended), batch.full, batch._size


class Drawn(Exception):
    """What is being done breaks off."""


def draw_change(draw: Random, b: Bench) -> None:
    name = draw.choice("abcd")
    key, other = job_key("/tests", name), job_key("/tests", draw.choice("abcd"))
    if draw.random() < 0.2:
        change = ResourceChange(
            "audience-model", f"arn:{name}", draw.choice(("ACTIVE", "deleted")), command_of(name), b.batch.now
        )
        b.batch.number(change)
        return
    before = b.store.job(key)
    if before is not None and draw.random() < 0.1:
        b.batch.apply(key, before, Step(None))
        return
    job = before or Job(command_of(name, WEIGHT * draw.randrange(4)), Phase.INTENDED, accepted_at=0.0)
    phase = draw.choice((Phase.INTENDED, Phase.QUEUED, Phase.UNCERTAIN, Phase.RUNNING, Phase.SUCCEEDED))
    over = phase is Phase.SUCCEEDED
    after = replace(
        job,
        phase=phase,
        since=draw.random(),
        awaits=other.decode() if phase is Phase.QUEUED else "",
        finished_at=draw.random() if over else 0.0,
    )
    b.batch.apply(key, before, Step(after, (CommandReply("waiting", {"reason": "x", "position": 0}),)))


def command_of(name: str, size: int = 0) -> records.Command:
    return records.Command(name, "/tests", CREATE, "default", {"name": "x" * size}, "", order=name)


@pytest.mark.parametrize("seed", range(40))
async def test_the_books_are_those_of_the_records_whatever_is_undone(seed: int) -> None:
    """Also of what is undone within what is not, or the other way round."""
    draw, b = Random(seed), Bench()
    for _ in range(30):
        if draw.random() < 0.2:
            b.next(draw.choice((COMMANDS, CHANGES)))
        before, written = books(fresh(b.store)), trace(b.batch)
        breaks, inner = draw.random() < 0.5, draw.random() < 0.3
        try:
            with b.batch.all_or_nothing():
                for _ in range(draw.randrange(1, 4)):
                    draw_change(draw, b)
                if inner:
                    kept = trace(b.batch)
                    with suppress(Drawn), b.batch.all_or_nothing():
                        draw_change(draw, b)
                        raise Drawn
                    assert trace(b.batch) == kept
                if breaks:
                    raise Drawn
        except Drawn:
            assert trace(b.batch) == written
            assert books(b.store) == before
        assert books(b.store) == books(fresh(b.store))
        for key, ends in b.batch.ended.items():
            record = b.store.job(key) or b.store.resource(key)
            assert record is None or not record.finished_at or record.finished_at == ends


def _traced(by: str) -> Bench:
    b = Bench()
    b.context = dataclasses.replace(b.context, traced_by=by)
    b.next()
    return b


async def test_spans_are_reported_after_the_commit_and_not_before() -> None:
    b = _traced("A")
    b.receive(CREATE, request(CREATE))
    before = b.job()
    assert before is not None
    assert before.trace is not None
    b.next().apply(job_key("/tests", "c-1"), before, outcomes.succeeded(before, {"x": 1}, b.batch.now))
    assert b.story.reports == []
    b.batch.committed()
    (report,) = b.story.reports
    assert [span.name for span in report.spans][-1] == "command"
    assert report.partition == TopicPartition(COMMANDS, 1)


async def test_what_leaves_no_trace_in_the_batch_leaves_no_span() -> None:
    b = _traced("A")
    b.receive(CREATE, request(CREATE))
    before = b.job()
    assert before is not None
    b.next()
    with suppress(LookupError), b.batch.all_or_nothing():
        b.batch.apply(job_key("/tests", "c-1"), before, outcomes.succeeded(before, {"x": 1}, b.batch.now))
        raise LookupError
    b.batch.committed()
    assert b.story.reports == []


async def test_without_traces_nothing_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a call of what follows phases, nor a byte more in a record."""

    def follow(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(spans, "follow", follow)
    b = _traced("")
    b.receive(CREATE, request(CREATE))
    b.end()
    assert b.story.reports == []
    assert not any(b"trace" in (record.value or b"") for record in b.out(CHANGELOG))
    job = b.job()
    assert job is not None
    assert b"trace" not in records.encode(job)
