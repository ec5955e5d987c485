"""A shard's insides without its tasks: records in, a transaction out."""

from typing import Any

from schemas.records import Job, job_key
from service.core import outcomes
from service.runtime import commands
from service.runtime.ports import InRecord, OutRecord, TopicPartition
from service.runtime.store import Store
from service.runtime.transaction import Transaction
from tests.support.clock import LoopClock
from tests.support.messages import COMMANDS, REPLIES, Heard, command, heard
from tests.support.process import Options, make_context
from tests.support.recording_telemetry import Story

CREATE = "CreateTrainingDataset"


class Bench:
    """A shard's insides without its tasks."""

    def __init__(self) -> None:
        self.story = Story()
        self.context = make_context(self.story, LoopClock(), Options())
        self.store = Store()
        self.offset = 0
        self.batch = self.next()

    def next(self, topic: str = COMMANDS) -> Transaction:
        self.batch = Transaction(TopicPartition(topic, 1), self.store, self.context)
        return self.batch

    def receive(self, operation: str, data: Any, command_id: str = "c-1", **extensions: str) -> None:
        self.raw(*command(operation, command_id, data, **extensions))

    def raw(self, key: bytes | None, value: bytes | None, headers: Any = ()) -> None:
        self.offset += 1
        record = InRecord(COMMANDS, 1, self.offset, 0.0, key, value, headers)
        commands.receive(record, self.store, self.batch, self.context)

    def out(self, topic: str) -> list[OutRecord]:
        return [record for record in self.batch.out() if record.topic == topic]

    def told(self, topic: str = REPLIES) -> list[Heard]:
        return [heard(OutRecord(r.topic, r.key, r.value, r.headers, 0)) for r in self.out(topic)]

    def job(self, command_id: str = "c-1") -> Job | None:
        return self.store.job(job_key("/tests", command_id))

    def end(self) -> None:
        """The job ends well, in a batch of its own."""
        job = self.job()
        assert job is not None
        self.next().apply(job_key("/tests", "c-1"), job, outcomes.succeeded(job, {"x": 1}, self.batch.now))
        self.next()
