"""What the twin publishes is numbered, is no news twice, and goes where it is to go."""

from schemas.docs import examples
from schemas.events import Message, ReplyKind
from schemas.records import Command
from schemas.testing import assert_numbered
from schemas.testing.outbox import SERVICE_SOURCE, Outbox

NOW = 1_700_000_000.0
KIND = "audience-model"


def command(reply_to: str = "") -> Command:
    return Command("c-1", "/s", "CreateAudienceModel", "default", {}, "0" * 64, reply_to=reply_to)


def changed(box: Outbox, *statuses: str, subject: str = examples.MODEL, name: str = "") -> list[str]:
    before = len(box.published)
    for status in statuses:
        box.change(command(), KIND, subject, status, NOW, name=name)
    return [one.data["status"] for one in box.published[before:]]


def test_a_reply_goes_to_its_topic() -> None:
    box = Outbox("mine", "eu-west-1")
    box.reply(command(), ReplyKind.ACCEPTED, {}, 1, NOW)
    box.reply(command("theirs"), ReplyKind.ACCEPTED, {}, 1, NOW)
    assert [one.topic for one in box.published] == ["mine.replies", "theirs"]
    assert box.published[0].attributes["source"] == SERVICE_SOURCE
    assert box.published[0].key == "c-1"


def test_changes_are_numbered_by_resource_and_know_the_status_before() -> None:
    box = Outbox("mine", "eu-west-1")
    changed(box, "CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE")
    changed(box, "CREATE_PENDING", subject=examples.MODEL + "2")
    assert [one.attributes["sequence"].lstrip("0") for one in box.published] == ["1", "2", "3", "1"]
    assert_numbered(box.published)


def test_the_same_status_is_no_news_but_an_update_is() -> None:
    box = Outbox("mine", "eu-west-1")
    assert changed(box, "ACTIVE", "ACTIVE", "updated", "updated") == ["ACTIVE", "updated", "updated"]


def test_a_name_is_remembered() -> None:
    box = Outbox("mine", "eu-west-1")
    changed(box, "CREATE_PENDING", name="taste")
    changed(box, "deleted")
    assert [one.data["name"] for one in box.published] == ["taste", "taste"]


def test_a_dead_letter_keeps_the_record_and_says_where_it_was() -> None:
    box = Outbox("mine", "eu-west-1")
    for number in range(2):
        box.bury(Message(b"k", b"\xff", (("h", b"v"),)), "NotCloudEvent", "no headers", NOW)
        letter = box.dead_letters[number]
        assert (letter.key, letter.value) == (b"k", b"\xff")
        headers = dict(letter.headers)
        assert headers["h"] == b"v"
        assert headers["dlq_reason"] == b"NotCloudEvent"
        assert headers["dlq_offset"] == str(number).encode()
    assert box.published == []
