"""The service's own command line with points at its ports, for tests: production code has none.

A file named by ``FAULTS_POINT`` holds ``<point> <pattern> <signal>``. Whoever passes that point with a matching
operation (after a commit also: operation and id, as ``<operation>/<id>``) removes the file and sends itself the signal.
The points:

before-call     the intent is committed, the request is not written yet
after-call      AWS has answered, nothing is committed yet
after-commit    a terminal reply is committed, nobody in this process knows it yet

``FAULTS_SKEW`` is added to the wall clock, in seconds. SIGUSR1 blocks the event loop for ``FAULTS_STALL`` seconds.
"""

import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from service import bootstrap
from service.adapters.aws.api import AwsApi
from service.adapters.clock import SystemClock
from service.adapters.kafka.log import KafkaLog
from service.adapters.kafka.partition import KafkaPartitionLog
from service.cli import entry as command_line
from service.runtime.ports import Failure, OutRecord, PartitionLog, Reply, TopicPartition

_POINT = Path(os.environ.get("FAULTS_POINT", "/nonexistent"))
_SKEW = float(os.environ.get("FAULTS_SKEW", "0"))
_STALL = float(os.environ.get("FAULTS_STALL", "8"))
_TERMINAL = ("succeeded", "failed")


def passing(point: str, *names: str) -> None:
    """Stops or kills this process when somebody wants that here, for something of one of these names."""
    with suppress(FileNotFoundError, ValueError):
        wanted, pattern, number = _POINT.read_text().split()
        if wanted == point and any(fnmatchcase(name, pattern) for name in names):
            _POINT.unlink()
            os.kill(os.getpid(), signal.Signals[number])


class PointedApi(AwsApi):
    """AWS, with a point before and after each call that changes something."""

    async def call(
        self,
        target: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        may_send: Callable[[], bool] | None = None,
        **more: Any,
    ) -> Reply | Failure:
        if may_send is None:
            return await super().call(target, operation, params, **more)
        passing("before-call", operation)
        outcome = await super().call(target, operation, params, may_send=may_send, **more)
        passing("after-call", operation)
        return outcome


class PointedPartition:
    """A partition's log, with a point after the commit of an end."""

    def __init__(self, inner: PartitionLog) -> None:
        self._inner = inner
        self.restore, self.offsets, self.close = inner.restore, inner.offsets, inner.close
        self.existing = inner.existing

    async def commit(self, records: Sequence[OutRecord], next_offset: int | None) -> None:
        await self._inner.commit(records, next_offset)
        for record in records:
            kind = dict(record.headers).get("ce_type") or b""
            if kind.decode().rsplit(".", 1)[-1] in _TERMINAL:
                data = json.loads(record.value or b"{}")
                operation = data.get("operation", "")
                passing("after-commit", operation, f"{operation}/{data.get('commandId')}")


class PointedLog(KafkaLog):
    """Kafka, with pointed partitions."""

    async def open(self, partition: TopicPartition) -> KafkaPartitionLog:
        return cast(KafkaPartitionLog, PointedPartition(await super().open(partition)))


class SkewedClock(SystemClock):
    """A clock that is wrong."""

    def wall(self) -> float:
        return super().wall() + _SKEW


def main() -> None:
    """Runs the service."""
    signal.signal(signal.SIGUSR1, lambda *_: time.sleep(_STALL))
    with patch.multiple(bootstrap, AwsApi=PointedApi, KafkaLog=PointedLog, SystemClock=SkewedClock):
        command_line.main()


if __name__ == "__main__":
    main()
