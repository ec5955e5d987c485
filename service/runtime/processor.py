"""What a shard does with one item of its inbox, by the topic that it serves.

A processor steps items into the transaction that the shard gives it. It waits for nothing and commits nothing: batches,
commits, positions and halting are the shard's, which is the same for every topic.
"""

from dataclasses import dataclass
from typing import Protocol

from service.core.observations import Observation
from service.runtime.activities import Activities
from service.runtime.context import Context
from service.runtime.inbox import Inbox
from service.runtime.ports import InRecord, TopicPartition
from service.runtime.standby import Standby
from service.runtime.store import Store
from service.runtime.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessorContext:
    """What a shard shares with its processor.

    Attributes:
        partition: The partition that is served.
        name: The same, as telemetry names it.
        store: Its state, restored.
        inbox: Through which observations come back.
        activities: What is under way for its jobs.
        standby: Copies of partitions that others own.
        context: Shared by all shards.
    """

    partition: TopicPartition
    name: str
    store: Store
    inbox: Inbox
    activities: Activities
    standby: Standby
    context: Context


class Processor(Protocol):
    """The part of a shard that knows what a record of its topic means."""

    def __init__(self, shard: ProcessorContext) -> None: ...

    def restored(self) -> None:
        """Begins after a restore, before the first item."""
        ...

    def receive(self, record: InRecord, batch: Transaction) -> None:
        """Steps a record; what raises is undone by the shard, and the record becomes a dead letter.

        Raises:
            NewerRecord: A later release has written it; the partition halts.
        """
        ...

    def observe(self, key: bytes, observation: Observation, batch: Transaction) -> None:
        """Steps what was learnt about a job."""
        ...

    def planned(self, key: bytes) -> None:
        """Follows a commit that changed a job, once its activity is planned."""
        ...

    def forget(self, key: bytes, since: float, batch: Transaction) -> bool:
        """Forgets what ended at ``since``, unless it has changed after that.

        Returns:
            False when it must be remembered for longer.
        """
        ...
