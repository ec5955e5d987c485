"""From a document to a Kafka record, checked as the service will check it."""

import json
import time
from collections.abc import Sequence

from schemas import cloudevents, commands
from schemas.cloudevents import Envelope, format_time
from schemas.commands import TopicRules
from schemas.operations import COMMAND_PREFIX
from schemas.shapes import Violation
from service.operator.commands.documents import CommandDocument
from service.operator.repair.command_sender import Outgoing


def outgoing(command: CommandDocument, topic: str) -> Outgoing:
    """The record of a command; its partition follows from its key, by murmur2.

    Args:
        command: With id, key and source.
        topic: The commands topic.
    """
    envelope = Envelope(
        id=command.id,
        source=command.source,
        type=f"{COMMAND_PREFIX}{command.operation}",
        time=format_time(time.time()),
        extensions=command.extensions,
        data=json.dumps(command.data, ensure_ascii=False, allow_nan=False).encode(),
    )
    value, headers = cloudevents.encode(envelope)
    return Outgoing(topic, None, command.id, command.source, command.key.encode(), value, headers)


def violations(record: Outgoing, rules: TopicRules) -> Sequence[Violation]:
    """Everything for which the service would reject the record."""
    read = commands.read(record.key, record.value, record.headers, rules)
    if isinstance(read, commands.NotACommand):
        return (Violation("envelope", read.code, read.message),)
    return read.violations if isinstance(read, commands.Rejected) else ()
