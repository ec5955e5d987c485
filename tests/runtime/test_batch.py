"""What one transaction holds: records, replies, events with their numbers, dead letters and the offset."""

from typing import Any

import pytest

from schemas import records
from schemas.records import Job, Phase, ResourceChange, job_key
from service.core import transitions
from service.core.effects import Step, Told
from service.core.job import replace
from service.core.observations import Outlived
from service.runtime import numbering
from service.runtime.ports import InRecord, TopicPartition
from tests.runtime.insides import CREATE, Bench
from tests.runtime.messages import (
    CHANGELOG,
    CHANGES,
    COMMANDS,
    DEAD_LETTERS,
    EVENTS,
    request,
)
from tests.runtime.node import POLICY
from tests.runtime.rig import Rig

pytestmark = pytest.mark.looptime


async def test_sequences_are_counted_over_batches_and_within_one() -> None:
    b = Bench()
    job = Job(records.Command("c", "/tests", CREATE, "default", {}, ""), Phase.RUNNING, accepted_at=0.0)

    def change(name: str, status: str) -> None:
        made = ResourceChange("audience-model", name, status, job.command, b.batch.now)
        record = InRecord(CHANGES, 1, 0, 0.0, b"", records.encode(made), ())
        numbering.receive(record, b.store, b.batch, b.context, lambda _: False)

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
        b.batch.apply(job_key("/tests", "c"), job, Step(replace(job, **wrong), (Told("accepted"),)))
    assert b.batch.empty
