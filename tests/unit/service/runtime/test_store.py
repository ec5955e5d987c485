"""The queue through which a shard's state changes, and that state."""

import pytest

from schemas import records
from schemas.records import Command, CorruptRecord, Job, Phase, ResourceState
from service.core.capacity import ENDED_OVERHEAD
from service.core.job import replace
from service.runtime.store import Store

pytestmark = pytest.mark.looptime


def job(command_id: str, phase: Phase = Phase.INTENDED) -> Job:
    return Job(Command(command_id, "/tests", "CreateAudienceModel", "default", {}, ""), phase, accepted_at=1.0)


def test_a_store_counts_what_goes_on() -> None:
    store = Store()
    for key, record in (
        (b"a", job("a")),
        (b"b", job("b")),
        (b"a", job("a", Phase.RUNNING)),
        (b"c", job("c", Phase.SUCCEEDED)),
        (b"r", state("r")),
    ):
        store.put(key, record)
    assert store.going_on == len(store.open()) == 2
    store.put(b"b", job("b", Phase.FAILED))
    store.put(b"c", None)
    assert store.going_on == len(store.open()) == 1
    store.put(b"a", None)
    store.put(b"a", None)
    assert store.going_on == len(store.open()) == 0


def test_what_waits_is_counted_by_reason_from_when_it_could_have_been_called() -> None:
    """A command that asks to begin later does not wait before that."""
    store = Store()
    late = replace(job("late"), reason="NotBefore", due=9.0, command=replace(job("late").command, not_before=9.0))
    store.put(b"a", replace(job("a"), reason="CallWindow", accepted_at=3.0))
    store.put(b"b", replace(job("b"), reason="CallWindow", accepted_at=2.0))
    store.put(b"late", late)
    store.put(b"held", replace(job("held", Phase.RUNNING), held="UnknownTarget"))
    store.put(b"behind", job("behind", Phase.QUEUED))
    store.put(b"calls", job("calls"))
    assert store.waiting() == {"CallWindow": (2, 2.0), "NotBefore": (1, 9.0), "Predecessor": (1, 1.0)}
    assert store.states()["waiting"] == 4
    store.put(b"b", job("b", Phase.SUCCEEDED))
    store.put(b"a", replace(job("a"), reason="RateBudget", accepted_at=3.0))
    store.put(b"late", None)
    store.load(b"behind", None)
    assert store.waiting() == {"RateBudget": (1, 3.0)}


def test_of_ended_jobs_only_the_bytes_are_kept() -> None:
    store = Store()
    store.put(b"a", job("a"))
    store.put(b"a", job("a", Phase.SUCCEEDED))
    store.put(b"b", job("b", Phase.REJECTED))
    assert not store._jobs
    assert set(map(type, store._ended.values())) == {bytes}
    assert dict(store.jobs()) == {b"a": job("a", Phase.SUCCEEDED), b"b": job("b", Phase.REJECTED)}
    sizes = {key: 1 + len(records.encode(each)) + ENDED_OVERHEAD for key, each in store.jobs()}
    assert (store.ends.lasting, store.ends.fleeting) == (sizes[b"a"], sizes[b"b"])
    store.put(b"a", job("a", Phase.RUNNING))
    store.load(b"b", None)
    assert (store.ends.lasting, store.ends.fleeting) == (0, 0)
    assert store.phases() == {"running": 1}


def state(name: str) -> ResourceState:
    return ResourceState(name, "audience-model", 3, "ACTIVE")


def test_the_last_record_of_a_key_counts() -> None:
    store = Store()
    for record in (job("a"), job("b"), state("r"), job("a", Phase.SUCCEEDED)):
        store.load(records.key_of(record), records.encode(record))
    assert store.job(records.job_key("/tests", "a")) == job("a", Phase.SUCCEEDED)
    assert store.resource(records.resource_key("audience-model", "r")) == state("r")
    assert store.phases() == {"succeeded": 1, "intended": 1}
    assert store.open() == [records.job_key("/tests", "b")]
    assert len(store) == 3


def test_a_tombstone_forgets_and_so_does_one_for_nothing() -> None:
    store = Store()
    for record in (job("a"), state("r")):
        store.load(records.key_of(record), records.encode(record))
        store.load(records.key_of(record), None)
        store.load(b"never there", None)
    assert len(store) == 0
    assert list(store.jobs()) == []


def test_what_is_forgotten_may_come_back() -> None:
    store = Store()
    key = records.job_key("/tests", "a")
    for value in (records.encode(job("a")), None, records.encode(job("a", Phase.QUEUED))):
        store.load(key, value)
    assert store.job(key) == job("a", Phase.QUEUED)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"\\xff",
        b"{}",
        b"[]",
        b"null",
        b'{"record":"job"}',
        b'{"record":"other","v":1}',
        records.encode(job("a"))[:-1],
        records.encode(job("a")).replace(b"intended", b"unheard-of"),
        records.encode(Job(job("a").command, Phase.INTENDED, 1.0, v=records.VERSION + 1)),
    ],
)
def test_what_cannot_be_read_is_never_skipped(value: bytes) -> None:
    store = Store()
    store.load(b"k", value)
    with pytest.raises(CorruptRecord):
        store.require_sound()
    assert len(store) == 0
    store.load(b"k", records.encode(job("a")))
    store.require_sound()
