"""Batches whose header names are not UTF-8 are read whole; all others the usual way."""

from typing import Any

import pytest
from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords

from service.adapters.kafka.aiokafka_patches import lenient_headers
from service.adapters.kafka.aiokafka_patches.lenient_headers import LenientRecords

PLACEHOLDER, BAD = b"PLACEHOLDER", b"bad\xff\xfe names"


def batch(first: int, names: list[str], compression: int = 0) -> bytes:
    """A batch with one header a record; the placeholder becomes a name that is not UTF-8, of the same length."""
    builder = DefaultRecordBatchBuilder(
        magic=2,
        compression_type=compression,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=100_000,
    )
    for number, name in enumerate(names):
        key, value = f"k{first + number}".encode(), f"v{first + number}".encode()
        assert builder.append(number, 1000 + number, key, value, [(name, b"content")]) is not None
    data = bytearray(builder.build())
    data[0:8] = first.to_bytes(8, "big")
    return bytes(data).replace(PLACEHOLDER, BAD)


def read(data: bytes) -> list[Any]:
    records, found = LenientRecords(data), []
    while records.has_next():
        found += [(each.offset, each.key, each.value, each.headers) for each in records.next_batch()]
    return found


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_record_in_a_batch_costs_no_other_and_keeps_its_own_content(place: int) -> None:
    names = ["a", "b", "c"]
    names[place] = PLACEHOLDER.decode()
    wanted = ["a", "b", "c"]
    wanted[place] = "bad\\xff\\xfe names"
    data = batch(7, names)
    with pytest.raises(UnicodeDecodeError):
        list(MemoryRecords(data).next_batch())
    assert read(data) == [
        (7 + number, f"k{7 + number}".encode(), f"v{7 + number}".encode(), [(name, b"content")])
        for number, name in enumerate(wanted)
    ]


def test_several_batches_follow_each_other() -> None:
    data = batch(0, ["a", PLACEHOLDER.decode()]) + batch(2, ["b"]) + batch(3, [PLACEHOLDER.decode()])
    assert [offset for offset, *_ in read(data)] == [0, 1, 2, 3]


def test_a_good_batch_is_read_as_aiokafka_reads_it() -> None:
    data = batch(0, ["a", "b"])
    usual = [(each.offset, each.key, each.value, each.headers) for each in MemoryRecords(data).next_batch()]
    assert read(data) == usual


def test_a_batch_still_says_what_the_fetcher_asks() -> None:
    found = LenientRecords(batch(5, [PLACEHOLDER.decode(), "b"])).next_batch()
    assert (found.base_offset, found.next_offset, found.is_control_batch, found.is_transactional) == (
        5,
        7,
        False,
        False,
    )
    assert found.validate_crc() is False  # the test has changed the bytes; the fetcher would refuse it


def test_nothing_is_no_batch() -> None:
    records = LenientRecords(b"")
    assert not records.has_next()
    assert records.next_batch() is None


def test_another_error_than_a_name_is_not_hidden() -> None:
    data = bytearray(batch(0, ["a"]))
    data[61] = 0x7F  # the length of the record
    with pytest.raises(Exception, match=r".+") as raised:
        read(bytes(data))
    assert not isinstance(raised.value, UnicodeDecodeError)


def test_installing_replaces_the_fetchers_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetcher, "MemoryRecords", fetcher.MemoryRecords)
    lenient_headers.install()
    lenient_headers.install()
    assert fetcher.MemoryRecords is LenientRecords
