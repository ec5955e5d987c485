"""How fast a shard takes its changelog in: our records against the same ones as pydantic models, in one run.

``python -m benchmarks.restore [RECORDS]`` prints records per CPU-second, medians of five rounds, and the ratio. Reading
from Kafka is not part of it.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from schemas.records import Command, Job, Phase, encode, key_of
from service.runtime.store import Store

ROUNDS = 5
ARN = "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/{}"


class PydanticCommand(BaseModel):
    id: str
    source: str
    operation: str
    target: str
    params: dict[str, Any]
    digest: str
    correlation_id: str = ""


class PydanticJob(BaseModel):
    record: str
    command: PydanticCommand
    phase: Phase
    accepted_at: float
    since: float = 0.0
    resource_id: str = ""
    status: str = ""
    finished_at: float = 0.0
    told: int = 0
    reply: dict[str, Any] | None = None


def changelog(size: int) -> list[tuple[bytes, bytes]]:
    """Ended jobs, as most of a changelog is."""
    found = []
    for number in range(size):
        command = Command(
            f"order-{number}", "/shop/orders", "CreateAudienceModel", "default", {}, "a" * 64, f"campaign-{number}"
        )
        arn = ARN.format(number)
        result = {"audienceModelArn": arn, "status": "ACTIVE", "name": "spring", "createTime": "2026-01-01T00:00:00Z"}
        job = Job(
            command,
            Phase.SUCCEEDED,
            accepted_at=1.7e9,
            since=1.7e9,
            resource_id=arn,
            status="ACTIVE",
            finished_at=1.7e9,
            told=3,
            reply={"result": result, "attempts": 1, "durationSeconds": 4.2},
        )
        found.append((key_of(job), encode(job)))
    return found


def ours(records: list[tuple[bytes, bytes]]) -> None:
    store = Store()
    for key, value in records:
        store.load(key, value)


def pydantic(records: list[tuple[bytes, bytes]]) -> None:
    store = {}
    for key, value in records:
        store[key] = PydanticJob.model_validate_json(value)


def rate(work: Callable[[list[tuple[bytes, bytes]]], None], records: list[tuple[bytes, bytes]]) -> float:
    began = time.process_time()
    work(records)
    return len(records) / (time.process_time() - began)


def main() -> None:
    records = changelog(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
    rounds = [(rate(ours, records), rate(pydantic, records)) for _ in range(ROUNDS)]
    mine, peer = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    print(f"{len(records)} records of {len(records[0][1])} bytes, medians of {ROUNDS} rounds, per CPU-second")
    print(f"  this store (msgspec)  {mine:>10,.0f}")
    print(f"  pydantic models       {peer:>10,.0f}")
    print(f"  ratio                 {ratio:>10.1f}")


if __name__ == "__main__":
    main()
