"""Changelog records: what is written is read, by this release or a later one, or the shard halts."""

import json
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from schemas.records import (
    VERSION,
    Command,
    CorruptRecord,
    Fault,
    Job,
    Phase,
    Record,
    ResourceState,
    SpanTimes,
    decode,
    encode,
    job_key,
    key_of,
    resource_key,
)
from tests.support import costs

texts = st.text(st.characters(codec="utf-8"), max_size=30)
seconds = st.floats(0.0, 4e9)
numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
documents = st.dictionaries(texts, values, max_size=4)
faults = st.builds(
    Fault, texts, texts, st.none() | st.dictionaries(texts, texts, max_size=2), st.booleans(), st.integers(0, 599)
)
commands = st.builds(
    Command,
    id=texts,
    source=texts,
    operation=texts,
    target=texts,
    params=documents,
    digest=texts,
    correlation_id=texts,
    reply_to=texts,
    not_before=seconds,
    deadline=seconds,
    priority=st.integers(0, 9),
    traceparent=texts,
    tracestate=texts,
    until=seconds,
)
times = st.builds(
    SpanTimes, texts, seconds, texts, seconds, texts, st.integers(0, 99), st.integers(0, 99), seconds, texts
)
jobs = st.builds(
    Job,
    command=commands,
    phase=st.sampled_from(Phase),
    accepted_at=seconds,
    tries_from=seconds,
    attempt=st.integers(0, 99),
    retries=st.integers(0, 99),
    tried=seconds,
    since=seconds,
    searches=st.integers(0, 99),
    empty=st.integers(0, 99),
    due=seconds,
    resource_id=texts,
    status=texts,
    reason=texts,
    fault=st.none() | faults,
    finished_at=seconds,
    awaits=texts,
    told=st.integers(0, 99),
    reply=st.none() | documents,
    account=texts,
    overdue=st.booleans(),
    region=texts,
    turn=st.integers(0, 2**53),
    held=texts,
    arrived=seconds,
    trace=st.none() | times,
)
states = st.builds(ResourceState, texts, texts, st.integers(1, 10**9), texts, texts, seconds, seconds)
records = jobs | states


@given(records)
def test_what_is_written_is_read(record: Record) -> None:
    assert decode(encode(record)) == record


def test_the_samples_have_every_field() -> None:
    """A field that is added to a record is added to the property above as well."""
    assert set(Job.__struct_fields__) == {
        *(
            "command",
            "phase",
            "accepted_at",
            "tries_from",
            "attempt",
            "retries",
            "tried",
            "since",
            "searches",
            "empty",
            "due",
            "resource_id",
        ),
        *("status", "reason", "fault", "finished_at", "awaits", "told", "reply", "account", "region", "turn"),
        *("held", "arrived", "filled", "overdue", "trace", "v"),
    }


@given(records, documents)
def test_members_of_a_later_release_are_passed_over(record: Record, more: dict[str, Any]) -> None:
    written = json.loads(encode(record))
    assume(not set(more) & ({*Job.__struct_fields__} | {*ResourceState.__struct_fields__} | {"record"}))
    assert decode(json.dumps({**more, **written}).encode()) == record


@pytest.mark.parametrize("phase", ["halfway", ""])
def test_a_phase_that_only_another_release_knows_is_refused_and_says_what_to_do(phase: str) -> None:
    """It may permit a call or forbid one: nothing can be done with the job, nor without it."""
    written = json.loads(encode(Job(Command("c", "/s", "o", "t", {}, "d"), Phase.INTENDED, 0.0)))
    with pytest.raises(CorruptRecord, match=r"Invalid enum value.*phase.*run the release that wrote it"):
        decode(json.dumps({**written, "phase": phase}).encode())


@given(records, st.integers(VERSION + 1, 2**31))
def test_a_newer_version_is_refused_and_says_what_to_do(record: Record, version: int) -> None:
    written = {**json.loads(encode(record)), "v": version}
    with pytest.raises(CorruptRecord, match=f"version {version} is newer than {VERSION}.*run the release"):
        decode(json.dumps(written).encode())


@pytest.mark.parametrize("shape", [{}, {"record": "job"}, {"record": "lease"}, {"record": "resource", "sequence": "1"}])
def test_a_newer_version_of_another_shape_is_told_as_such(shape: dict[str, Any]) -> None:
    version = VERSION + 1
    with pytest.raises(CorruptRecord, match=f"version {version} is newer than {VERSION}.*run the release"):
        decode(json.dumps({**shape, "v": version}).encode())
    with pytest.raises(CorruptRecord, match="not a changelog record"):
        decode(json.dumps({**shape, "v": VERSION}).encode())


@given(records, st.data())
def test_a_torn_record_is_refused(record: Record, data: st.DataObject) -> None:
    written = encode(record)
    with pytest.raises(CorruptRecord):
        decode(written[: data.draw(st.integers(0, len(written) - 1))])


@given(st.binary())
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(CorruptRecord):
        decode(noise)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"record":"song"}',
        b'{"record":"resource","id":"a","kind":"tags","sequence":"1","status":"updated"}',
        b'{"record":"job","command":{},"phase":"intended","accepted_at":1}',
        b'{"record":"resource","id":"\xff","kind":"tags","sequence":1,"status":"updated"}',
    ],
)
def test_what_is_not_a_record_is_refused(value: bytes) -> None:
    with pytest.raises(CorruptRecord, match="not a changelog record"):
        decode(value)


def test_an_unknown_phase_is_refused() -> None:
    command = Command("c", "s", "o", "t", {}, "d")
    written = encode(Job(command, Phase.QUEUED, 1.0)).replace(b'"queued"', b'"dreaming"')
    with pytest.raises(CorruptRecord, match="dreaming"):
        decode(written)


@given(texts, texts, texts, texts)
@example("/shop", "1", "/library", "1")
@example("/shop", "1", "/shop", "2")
def test_no_two_keys_are_the_same(one: str, two: str, three: str, four: str) -> None:
    assert job_key(one, two) != resource_key(one, two)
    assume((one, two) != (three, four))
    assert job_key(one, two) != job_key(three, four)
    assert resource_key(one, two) != resource_key(three, four)


@given(jobs, states)
def test_a_record_knows_its_key(job: Job, state: ResourceState) -> None:
    assert key_of(job) == job_key(job.command.source, job.command.id)
    assert key_of(state) == resource_key(state.kind, state.id)


def test_a_record_takes_no_more_memory_than_its_bytes() -> None:
    """The encoder's result is as large as its buffer was, and a store keeps many of them."""
    command = Command("c", "/s", "GetAudienceModel", "default", {"name": "x" * 500}, "digest", "correlation")
    job = Job(command, Phase.INTENDED, accepted_at=1.0, since=1.0)
    with costs.memory() as kept:
        encoded = [encode(job) for _ in range(1_000)]
    assert kept.bytes / len(encoded) < len(encoded[0]) + 60
