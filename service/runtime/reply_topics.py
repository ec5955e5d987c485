"""Topics that commands named for their replies, as one shard knows them.

A publisher chose them, so one that is missing or refuses records must not stop other publishers' commands: its replies
go to the tenant's own topic.
"""

from service.runtime.context import Context
from service.runtime.ports import LogError, PartitionLog
from service.runtime.transaction import Transaction


class ReplyTopics:
    """Keeps replies away from topics that would fail the transaction.

    Args:
        partition: The shard's, as telemetry names it.
        context: Has the topics that have refused records.
    """

    def __init__(self, partition: str, context: Context) -> None:
        self._partition = partition
        self._context = context
        self._existing: frozenset[str] = frozenset()
        self._missing: set[str] = set()

    async def redirect(self, log: PartitionLog, batch: Transaction) -> None:
        """A topic that a command named may have gone since; asked once, the first failure ends what is remembered."""
        avoided = self._context.detours.avoided(batch.named, self._context.clock.monotonic())
        batch.redirect_replies(avoided)
        if unseen := set(batch.named) - avoided - self._existing:
            self._existing |= await log.existing(unseen)
            missing = unseen - self._existing
            batch.redirect_replies(missing)
            for topic in sorted(missing - self._missing):
                self._context.telemetry.problem("reply_topic_missing", partition=self._partition, topic=topic)
            self._missing = missing

    def avoid(self, error: LogError, batch: Transaction) -> set[str]:
        """Takes note of topics that refused records; returns them if nothing but a publisher's choice is to blame."""
        chosen = error.topics & set(batch.named)
        for topic in sorted(chosen):
            seconds = self._context.detours.refused(topic, self._context.clock.monotonic())
            self._context.telemetry.problem(
                "reply_topic_refused",
                partition=self._partition,
                topic=topic,
                error=str(error),
                tried_again_in=seconds,
            )
        return set(chosen) if chosen == error.topics else set()
