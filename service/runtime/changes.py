"""A record of the changes topic becomes an event with its resource's next number.

Shards of commands topics hand over what changed, in the transaction of the cause; here, one partition per resource,
it is numbered and published exactly once. So a resource's events are gap-free whatever partitions its commands are in.
"""

from schemas import records
from service.runtime.cancelling import Revoke
from service.runtime.commands import Elsewhere
from service.runtime.context import Context
from service.runtime.ports import InRecord
from service.runtime.store import Store
from service.runtime.transaction import Transaction


def receive(
    record: InRecord,
    store: Store,
    batch: Transaction,
    context: Context,
    revoke: Revoke = lambda _: False,
    elsewhere: Elsewhere = lambda _: "",
) -> None:
    """Reads one change into the batch.

    Raises:
        NewerRecord: A later release has written it; the partition halts until one reads it, since no event may be lost.
        CorruptRecord: Another client wrote to the internal topic.
    """
    batch.number(records.decode_change(record.value or b""))
