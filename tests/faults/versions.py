"""Changelogs of other releases: those of former ones go on, a record of a later one stops its partition alone."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.records import VERSION
from service.core.timing import Policy
from tests.faults.history import TERMINAL
from tests.faults.lab import Lab
from tests.faults.processes import all_stop
from tests.faults.runner import Mark
from tests.faults.topics import refuses
from tests.faults.workers import Worker, haste, until

GOLDEN = Path(__file__).parents[1] / "golden"
_THEN = 1_790_000_060.0
"""When the golden records were written, by their own clocks."""
_ACCOUNT, _SOURCE = "111122223333", "/shop"
_OPEN = frozenset({"intended", "queued", "uncertain", "accepted", "running"})
_ENDS = Policy().vanish_grace + 20.0
"""What a new owner does not find at AWS ends after this grace, and nothing later than that."""
_REPAIRED = 45.0
"""A halted partition is tried again after 30 s."""

Line = tuple[str, dict[str, Any] | None]


async def older_changelog(lab: Lab, mark: Mark) -> None:
    """The changelogs hold what each former release wrote: all of it is restored, and what was open comes to its end."""
    await all_stop(lab)
    lab.load.pause()
    lines = {file: list(_golden(lab, file)) for file in sorted(GOLDEN.glob("v*/*.jsonl"))}
    state: dict[str, dict[str, Any] | None] = {}
    for written in lines.values():
        await _write(lab, written)
        state |= dict(written)
    jobs = {record["command"]["id"]: record for record in state.values() if record and record["record"] == "job"}
    mark.figures["records"] = sum(map(len, lines.values()))
    worker = lab.workers[0]
    worker.start()
    await worker.ready()
    began = time.monotonic()
    open_ones = {name for name, record in jobs.items() if record["phase"] in _OPEN}
    await until(
        lambda: open_ones <= _ends(lab).keys(),
        _ENDS * haste(),
        lambda: f"no end of {sorted(open_ones - _ends(lab).keys())}",
    )
    mark.figures["open ones ended"] = time.monotonic() - began
    await asyncio.sleep(1)
    for name, number in _ends(lab).items():
        if number > 1 or name not in open_ones:
            mark.broken("I1", name, f"{number} ends of a command that was {jobs[name]['phase']}")
    await _are_remembered(lab, mark, [name for name, record in jobs.items() if record["phase"] not in _OPEN])


async def _are_remembered(lab: Lab, mark: Mark, ended: list[str]) -> None:
    """Another command under the id of one that has ended is a misuse, not a command."""
    lab.load.proceed()
    for name in ended:
        ground = lab.load.grounds[0]
        data = ground.get_dataset("")
        lab.load.publish(ground, "GetTrainingDataset", data, source=_SOURCE, name=name, partition=0)

    def misused() -> set[str]:
        replies = [reply for reply in lab.subscriber.told[lab.topic("replies")] if reply.command[1] == _SOURCE]
        return {each.command[2] for each in replies if each.data.get("error", {}).get("code") == "IdMisuse"}

    await until(lambda: set(ended) <= _ends(lab).keys(), 20, "ended commands do not answer")
    for name in set(ended) - misused():
        mark.broken("I4", name, "a former release's command is not remembered: its id was carried out again")


async def newer_changelog(lab: Lab, mark: Mark) -> None:
    """A record of a later release: its partition halts with the reason, the others go on; a person can skip it."""
    await all_stop(lab)
    key, value = next(line for line in _golden(lab, GOLDEN / "v1" / "open.jsonl") if line[1])
    offset = await _write(lab, [(key, {**(value or {}), "v": VERSION + 1})])
    worker, shard = lab.workers[0], f"{lab.commands['']}-0"
    worker.start()
    await refuses(worker, shard, mark)
    why = str((await worker.status() or {}).get("halted", {}).get(shard, ""))
    if f"version {VERSION + 1} is newer than {VERSION}" not in why:
        mark.broken("I4", shard, f"the reason does not name both versions: {why!r}")
    mark.now()
    healthy = {("", 1), ("blue", 0), ("blue", 1)}
    await until(lambda: healthy <= lab.load.resumption(mark.since).keys(), 20, "other partitions do not go on")
    if ("", 0) in lab.load.resumption(mark.since):
        mark.broken("I4", shard, "a record of a newer version was skipped silently")
    await _skip(worker, lab.changelogs[0], offset)
    began = time.monotonic()
    await worker.ready(_REPAIRED)
    await until(lambda: ("", 0) in lab.load.resumption(mark.since), 20, "the repaired partition does not go on")
    mark.figures["repaired"] = time.monotonic() - began


async def _skip(worker: Worker, topic: str, offset: int) -> None:
    """The operator's command, with the replica's settings."""
    words = ("skip-corrupt", "--topic", topic, "--partition", "0", "--offset", str(offset), "--i-understand")
    code, said = await worker.command(*words)
    assert code == 0, said


def _golden(lab: Lab, file: Path) -> Iterator[Line]:
    """A golden file's lines, as if written a moment ago, for this laboratory's account and target."""
    later = time.time() - _THEN
    for text in file.read_text().splitlines():
        line = json.loads(text.replace(_ACCOUNT, lab.accounts[0]))
        value = _shifted(line["value"], later)
        if value and value["record"] == "job":
            value["command"] |= {"target": "main"}
            if value["command"].get("reply_to"):
                value["command"]["reply_to"] = lab.topic("replies")
        yield line["key"], value


def _shifted(value: Any, by: float) -> Any:
    if isinstance(value, dict):
        return {name: _shifted(each, by) for name, each in value.items()}
    return value + by if isinstance(value, float) and value > 1e9 else value


async def _write(lab: Lab, lines: list[Line]) -> int:
    """Writes to the first partitions of the changelogs while nobody serves them; gives the last offset."""
    async with AIOKafkaProducer(bootstrap_servers=lab.station.broker.bootstrap) as producer:
        for key, value in lines:
            topic = lab.topic("resources") if key.startswith('["resource"') else lab.changelogs[0]
            text = None if value is None else json.dumps(value).encode()
            sent = await producer.send_and_wait(topic, text, key=key.encode(), partition=0)
    return int(sent.offset)


def _ends(lab: Lab) -> Counter[str]:
    """Terminal replies to golden commands, by id."""
    replies = lab.subscriber.told[lab.topic("replies")]
    return Counter(each.command[2] for each in replies if each.kind in TERMINAL and each.command[1] == _SOURCE)
