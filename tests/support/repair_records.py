"""Records as a reader finds them, and jobs as a changelog holds them; plain functions."""

import json
from typing import Any

from schemas import events
from schemas.cloudevents import Envelope, encode
from schemas.commands import TopicRules, read
from schemas.events import ReplyKind
from schemas.operations import COMMAND_PREFIX
from schemas.permissions import open_grant
from schemas.records import Command, Job, ResourceState
from service.adapters.kafka.topic_reader import TopicRecord
from service.operator.repair.changelog_snapshot import OwnedJob
from service.runtime.ports import TopicPartition
from tests.support import messages

NOW = 1_790_000_000.0
LIMITS = TopicRules(open_grant(("default",), {"replies"}), "default")
PLACE = TopicPartition("commands", 1)


def sent(offset: int, operation: str, command_id: str, data: Any = None, **extensions: str) -> TopicRecord:
    """A command in its topic."""
    members = messages.request(operation) if data is None else data
    envelope = Envelope(
        id=command_id,
        source="/tests",
        type=f"{COMMAND_PREFIX}{operation}",
        time="",
        extensions=extensions,
        data=json.dumps(members).encode(),
    )
    value, headers = encode(envelope)
    return TopicRecord(PLACE, offset, NOW - 1000 + offset, command_id.encode(), value, headers)


def command(record: TopicRecord) -> Command:
    """As the service reads it, valid or not."""
    outcome = read(record.key, record.value, record.headers, LIMITS)
    found = outcome if isinstance(outcome, Command) else getattr(outcome, "command", None)
    assert isinstance(found, Command), outcome
    return found


def told(record: TopicRecord, number: int, kind: str, **data: Any) -> TopicRecord:
    """A reply in its topic."""
    message = events.reply(
        command(record), ReplyKind(kind), data, number=number, now=NOW - 500 + number, source="service"
    )
    return TopicRecord(
        TopicPartition("replies", 0), number, NOW - 500 + number, message.key, message.value, message.headers
    )


def changed(state: ResourceState, of: Command) -> TopicRecord:
    """An event in its topic."""
    message = events.status_changed(
        resource=state,
        previous_status=None,
        command=of,
        region="eu-west-1",
        status_details=None,
        description=None,
        now=NOW,
        source="service",
    )
    return TopicRecord(TopicPartition("events", 0), 0, NOW, message.key, message.value, message.headers)


def held(job: Job) -> OwnedJob:
    """A job in its partition."""
    return OwnedJob(PLACE, job)
