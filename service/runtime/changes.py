"""A record of the changes topic becomes an event with its resource's next number.

Shards of commands topics hand over what changed, in the transaction of the cause; here, one partition per resource,
it is numbered and published exactly once. So a resource's events are gap-free whatever partitions its commands are in.
"""

from schemas import records
from service.core.observations import Observation
from service.core.sequencing import finished_at, is_final, named_after
from service.runtime.ports import InRecord
from service.runtime.processor import ProcessorContext
from service.runtime.transaction import Transaction


class ChangeProcessor:
    """Numbers changes; has resources and no jobs, so nothing is observed or planned."""

    def __init__(self, shard: ProcessorContext) -> None:
        self._store = shard.store

    def restored(self) -> None:
        """Nothing was under way."""

    def receive(self, record: InRecord, batch: Transaction) -> None:
        """Reads one change into the batch.

        Raises:
            NewerRecord: A later release has written it; the partition halts until one reads it, since no event may be
                lost.
            CorruptRecord: Another client wrote to the internal topic.
        """
        batch.number(records.decode_change(record.value or b""))

    def observe(self, key: bytes, observation: Observation, batch: Transaction) -> None:
        """There is no job about which something could be learnt."""

    def planned(self, key: bytes) -> None:
        """No job waits for another."""

    def forget(self, key: bytes, since: float, batch: Transaction) -> bool:
        """Forgets a resource about which nothing more is published, and the numbers of its policy and tags."""
        state = self._store.resource(key)
        if state is not None and is_final(state) and finished_at(state) == since:
            for gone in (key, *filter(self._store.resource, named_after(state))):
                batch.forget(gone)
        return True
