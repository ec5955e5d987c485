"""Dead letters as an operator's command reads them."""

from collections.abc import Callable

from schemas import events
from service.operator.dead_letters.dead_letter import DeadLetter
from service.operator.dead_letters.replay import why_not_replayable

PLACE = events.RecordPosition("commands", 1, 7)


def _letter(build: Callable[..., events.Message], key: bytes) -> DeadLetter:
    made = build(key, b"value", (("ce_id", b"c"),), reason="TooLarge", message="m", position=PLACE, now=0.0)
    return DeadLetter(0, 0, 0.0, made.key, made.value, made.headers)


def test_a_letter_without_its_content_is_not_sent_back() -> None:
    existing = {"commands": {0, 1}}
    assert why_not_replayable(_letter(events.dead_letter, b"k"), existing) == ""
    bare = _letter(events.dead_letter_without_content, b"k")
    assert "too large" in why_not_replayable(bare, existing)
    assert (bare.key, bare.value, bare.topic, bare.source_partition) == (b"k", None, "commands", 1)
    assert bare.dlq_headers["omitted"] == "value, headers"
    long = _letter(events.dead_letter_without_content, b"k" * 2000)
    assert (long.key, long.dlq_headers["omitted"]) == (None, "key, value, headers")
