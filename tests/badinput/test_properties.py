"""Whatever comes in: no crash, no blocking, no call of AWS, and exactly one outcome for each record."""

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import looptime
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from schemas import commands
from schemas.commands import NotACommand, Rejected
from schemas.operations import OPERATIONS, Kind
from schemas.records import Command
from service.runtime.ports import TopicPartition
from tests.badinput.generated import any_record
from tests.badinput.records import LIMITS, Record, headers, identified
from tests.support.cluster import Rig
from tests.support.messages import COMMANDS, DEAD_LETTERS

MIB = 1024 * 1024
BOUND = 0.05
"""Seconds of CPU time, which hides the pauses of a shared machine; docs/howto/publish-and-subscribe.md states it."""

QUIET = {
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "phases": (Phase.explicit, Phase.generate, Phase.shrink),
}

DECODED, SHARDS, PER_SHARD = 7_000, 60, 50
"""In the quick run 10,000 records: 7,000 through the decoder alone, 3,000 through shards."""


def _judge(record: Record) -> Command | Rejected | NotACommand:
    found = commands.read(record.key, record.value, record.headers, LIMITS)
    if isinstance(found, NotACommand):
        assert found.code
        assert found.message
        return found
    command = found.command if isinstance(found, Rejected) else found
    assert 0 < len(command.id) <= 255
    assert 0 < len(command.source) <= 255
    if isinstance(found, Rejected):
        assert found.violations
        assert command.params == {}
        assert all(each.path and each.rule and each.message for each in found.violations)
        json.dumps([found.message, *(each.message for each in found.violations)]).encode()
    else:
        assert command.operation
        assert command.target in {"default", "other"}
    return found


@given(any_record)
@settings(max_examples=DECODED, **QUIET)  # type: ignore[arg-type]
def test_the_decoder_has_an_outcome_for_everything(record: Record) -> None:
    _judge(identified(record, "c-1"))


@pytest.mark.long
@given(any_record)
@settings(max_examples=20 * DECODED, **QUIET)  # type: ignore[arg-type]
@pytest.mark.timeout(1200)
def test_the_decoder_has_an_outcome_for_everything_at_length(record: Record) -> None:
    _judge(identified(record, "c-1"))


@given(st.lists(any_record, min_size=PER_SHARD, max_size=PER_SHARD))
@settings(max_examples=SHARDS, **QUIET)  # type: ignore[arg-type]
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_a_shard_has_one_outcome_for_each_record(records: list[Record]) -> None:
    _on_virtual_time(_play(records))


@pytest.mark.long
@given(st.lists(any_record, min_size=PER_SHARD, max_size=PER_SHARD))
@settings(max_examples=20 * SHARDS, **QUIET)  # type: ignore[arg-type]
@pytest.mark.timeout(1200)
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_a_shard_has_one_outcome_for_each_record_at_length(records: list[Record]) -> None:
    _on_virtual_time(_play(records))


def _on_virtual_time(work: Coroutine[Any, Any, None]) -> None:
    loop = looptime.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()
        asyncio.set_event_loop(None)


async def _play(generated: list[Record]) -> None:
    records = [identified(record, f"g-{number}") for number, record in enumerate(generated)]
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        limits = node.context.limits[COMMANDS]
        judged = [commands.read(one.key, one.value, one.headers, limits) for one in records]
        for one in records:
            rig.broker.produce(COMMANDS, one.key, one.value, one.headers, 0)
        partition = TopicPartition(COMMANDS, 0)
        await rig.until(lambda: (rig.broker.committed(partition) or 0) >= len(records))
        assert [what for what in node.story.problems if not _is_the_fakes(what, judged)] == []

        letters = {_offset(letter.headers): letter for letter in rig.broker.read_committed(DEAD_LETTERS)}
        assert set(letters) == {n for n, found in enumerate(judged) if not isinstance(found, Command)}
        for number, letter in letters.items():
            assert (letter.key, letter.value) == (records[number].key, records[number].value)
        _assert_replies(rig, judged)
        if not any(isinstance(found, Command) for found in judged):
            assert rig.api.log == []
        asked = {found.operation for found in judged if isinstance(found, Command)}
        assert all(OPERATIONS[one.operation].kind is Kind.READ or one.operation in asked for one in rig.api.log)


def _is_the_fakes(problem: tuple[str, Mapping[str, object]], judged: list[Command | Rejected | NotACommand]) -> bool:
    """The fake account's page tokens are numbers; any other token breaks it."""
    _, details = problem
    paged = {found.id for found in judged if isinstance(found, Command) and "nextToken" in found.params}
    return details.get("command_id") in paged and "ValueError" in str(details.get("error"))


def _assert_replies(rig: Rig, judged: list[Command | Rejected | NotACommand]) -> None:
    """Whoever can be named was answered; a rejected command once and with nothing else."""
    first: dict[tuple[str, str], Command | Rejected] = {}
    for found in judged:
        if isinstance(found, NotACommand):
            continue
        command = found.command if isinstance(found, Rejected) else found
        first.setdefault((command.source, command.id), found)
    for (source, command_id), found in first.items():
        replies = [reply for reply in rig.replies(command_id) if reply.data["commandSource"] == source]
        kinds = [reply.kind for reply in replies]
        assert ("accepted" in kinds) == isinstance(found, Command), (command_id, kinds)
        if isinstance(found, Rejected):
            assert set(kinds) == {"rejected"}, (command_id, kinds)


def _offset(own: Any) -> int:
    return int(dict(own)["dlq_offset"])


def _fill(unit: bytes, opening: bytes = b"", closing: bytes = b"") -> bytes:
    return opening + unit * ((MIB - len(opening) - len(closing)) // len(unit)) + closing


HOSTILE: dict[str, Callable[[], bytes]] = {
    "arrays": lambda: _fill(b"["),
    "objects": lambda: _fill(b'{"a":'),
    "elements": lambda: _fill(b"0,", b"[", b"0]"),
    "members": lambda: b"{" + b",".join(b'"%d":0' % n for n in range(100_000)) + b"}",
    "empty objects": lambda: _fill(b"{},", b"[", b"{}]"),
    "one string": lambda: _fill(b"x", b'{"nextToken":"', b'"}'),
    "one string of escapes": lambda: _fill(b"\\u0041", b'{"nextToken":"', b'"}'),
    "one string of surrogates": lambda: _fill(b"\\ud83d\\ude00", b'{"nextToken":"', b'"}'),
    "unterminated strings": lambda: _fill(b'"'),
    "backslashes": lambda: _fill(b"\\", b'"'),
    "digits": lambda: _fill(b"9", b'{"maxResults":', b"}"),
    "fraction": lambda: _fill(b"9", b'{"maxResults":0.', b"}"),
    "exponent": lambda: _fill(b"9", b'{"maxResults":1e', b"}"),
    "white space": lambda: _fill(b" "),
    "white space in an object": lambda: _fill(b"\n", b"{", b"}"),
    "one name": lambda: _fill(b"k", b'{"', b'":1}'),
    "two-byte letters": lambda: _fill("é".encode(), b'{"nextToken":"', b'"}'),
    "broken UTF-8 at the end": lambda: _fill(b"x", b'{"nextToken":"', b"\xff"),
    "zeros": lambda: _fill(b"\0"),
    "minus signs": lambda: _fill(b"-", b"["),
    "many names in one object": lambda: b"{" + b",".join(b'"%d":0' % n for n in range(1_900)) + b"}",
    "policy of names": lambda: _fill(b"\\u0022", b'{"configuredAudienceModelPolicy":"', b'"}'),
}
OPERATIONS_ASKED = ("ListAudienceModels", "PutConfiguredAudienceModelPolicy", "CreateTrainingDataset")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_mebibyte_costs_little(name: str) -> None:
    value = HOSTILE[name]()
    assert len(value) <= MIB
    for operation in OPERATIONS_ASKED:
        assert _cheapest(value, headers(operation)) < BOUND
    event = (("content-type", b"application/cloudevents+json"),)
    assert _cheapest(value, event) < BOUND


def _cheapest(value: bytes, own: Any) -> float:
    """Process time of the best of five: neighbours on the same core make the others slower."""
    took = []
    for _ in range(5):
        began = time.process_time()
        _judge(Record(value, own))
        took.append(time.process_time() - began)
    return min(took)
