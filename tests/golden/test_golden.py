"""Changelogs as releases wrote them: each must be read by this release, restored, and mean the same when rewritten.

``v<n>/*.jsonl`` are never edited. A line is ``{"key", "value", "activity"}``: a changelog record, and what its job does
after a restore. A release that adds a field or a phase adds a file.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas import records
from schemas.records import VERSION, CorruptRecord, Job, Phase
from service.core import transitions
from service.core.observations import Restored
from service.core.timing import Policy
from service.runtime.store import Store

FILES = sorted(Path(__file__).parent.glob("v*/*.jsonl"))
LATER = 1_790_000_060.0
POLICY = Policy()


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def named(file: Path) -> str:
    return f"{file.parent.name}/{file.stem}"


def raw(line: dict[str, Any]) -> tuple[bytes, bytes | None]:
    value = line["value"]
    return line["key"].encode(), None if value is None else json.dumps(value).encode()


def values(file: Path) -> list[tuple[bytes, bytes]]:
    return [(key, value) for key, value in map(raw, lines(file)) if value is not None]


def test_there_are_files() -> None:
    assert {named(file) for file in FILES} >= {"v1/open", "v1/ended", "v1/resources", "v1/before-newer-fields"}


@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_record_is_read_under_its_own_key(file: Path) -> None:
    for key, value in values(file):
        assert records.key_of(records.decode(value)) == key


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_restore_goes_on_as_it_always_did(file: Path) -> None:
    store, wanted = Store(), {}
    for line in lines(file):
        store.load(*raw(line))
        wanted[line["key"]] = line.get("activity", "")
        if line["value"] is None:
            del wanted[line["key"]]
    store.require_sound()
    doing = {key.decode(): "" for key, _ in store.resources()}
    for key, job in store.jobs():
        step = transitions.step(job, Restored(), LATER, POLICY)
        assert step.job is not None
        doing[key.decode()] = type(transitions.activity(step.job, POLICY)).__name__
    assert doing == wanted


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_rewritten_record_means_the_same(file: Path) -> None:
    for _, value in values(file):
        record = records.decode(value)
        rewritten = records.encode(record)
        assert records.decode(rewritten) == record
        before, after = json.loads(value), json.loads(rewritten)
        assert {name: after.get(name) for name in before} == before, "nothing that was written is lost"


def test_the_files_have_every_kind_and_phase() -> None:
    found = [records.decode(value) for file in FILES for _, value in values(file)]
    assert {job.phase for job in found if isinstance(job, Job)} == set(Phase)
    assert any(not isinstance(record, Job) for record in found)
    assert any(line["value"] is None for file in FILES for line in lines(file)), "a tombstone"


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_newer_version_is_never_guessed_at(file: Path) -> None:
    store = Store()
    key, value = values(file)[0]
    store.load(key, json.dumps({**json.loads(value), "v": VERSION + 1}).encode())
    with pytest.raises(CorruptRecord, match=f"version {VERSION + 1} is newer than {VERSION}"):
        store.require_sound()
