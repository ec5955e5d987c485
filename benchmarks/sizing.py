"""What a replica needs: the real service against a local Kafka and the sandbox, asked through its own metrics.

``python -m benchmarks.sizing [ENDED] [RUNNING]`` prints memory when idle, for each remembered command and for each job
under way, commands a second, and how long a restore takes. CPU time is the service's own (user and system).
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from aiokafka import AIOKafkaProducer

from sandbox.kafka.broker import free_port
from sandbox.stack import REGION, Sandbox

KIB = 1024
SUCCEEDED = r'crml_replies_total\{kind="succeeded"\}'
SETTINGS = {
    "TARGETS__DEFAULT__REGION": REGION,
    "TARGETS__DEFAULT__RATE__READS_PER_SECOND": "100000",
    "TARGETS__DEFAULT__RATE__WRITES_PER_SECOND": "100000",
    "TARGETS__DEFAULT__QUOTAS__AUDIENCE_MODELS": "100000",
    "KAFKA__REPLICATION_FACTOR": "1",
    "LOG__LEVEL": "warning",
}


class Replica:
    """One service process, of this checkout or of one in another folder."""

    def __init__(self, environment: Mapping[str, str], folder: Path | None = None) -> None:
        self.port = free_port()
        self._environment = {**os.environ, **environment, "CRML_HTTP__PORT": str(self.port)}
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def topics(self) -> None:
        words = [sys.executable, "-m", "service", "topics"]
        subprocess.run(words, env=self._environment, cwd=self._folder, check=True, stdout=subprocess.DEVNULL)

    def change(self, **variables: str) -> None:
        """From the next start on."""
        self._environment |= variables

    def start(self) -> float:
        """Seconds from the process's start to ready."""
        began = time.monotonic()
        words = [sys.executable, "-m", "service", "run"]
        self._process = subprocess.Popen(
            words, env=self._environment, cwd=self._folder, stdout=subprocess.DEVNULL if self._folder else None
        )
        while not self._ready():
            time.sleep(0.02)
        return time.monotonic() - began

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)

    def metric(self, name: str) -> float:
        """The sum of a metric's values; ``name`` is a pattern."""
        found = re.findall(rf"^{name} (\S+)$", self._get("/metrics"), re.MULTILINE)
        return sum(map(float, found))

    @property
    def memory(self) -> float:
        return self.metric("process_resident_memory_bytes")

    @property
    def cpu(self) -> float:
        return self.metric("process_cpu_seconds_total")

    def _ready(self) -> bool:
        try:
            return json.loads(self._get("/readyz"))["ready"] is True
        except OSError:
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return str(answer.read().decode())


async def publish(bootstrap: str, commands: list[tuple[str, str, object]]) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        sent = []
        for number, (command_id, operation, data) in enumerate(commands):
            kind = f"cleanroomsml.command.{operation}"
            headers = {"specversion": "1.0", "id": command_id, "source": "/sizing", "type": kind}
            encoded = [("content-type", b"application/json"), *((f"ce_{k}", v.encode()) for k, v in headers.items())]
            value = json.dumps(data).encode()
            sent.append(await producer.send("cleanroomsml.commands", value, str(number).encode(), headers=encoded))
        await asyncio.gather(*sent)


async def until(replica: Replica, pattern: str, number: float) -> None:
    while replica.metric(pattern) < number:  # noqa: ASYNC110 - a process is watched from outside
        await asyncio.sleep(0.2)


def make_dataset(sandbox: Sandbox) -> str:
    import boto3

    keys = {"aws_access_key_id": "123456789012", "aws_secret_access_key": "x"}
    client = boto3.client("cleanroomsml", endpoint_url=sandbox.endpoint_url, region_name=REGION, **keys)
    columns = [{"columnName": column, "columnTypes": [kind]} for column, kind in sandbox.data.columns]
    source = {"glueDataSource": {"databaseName": sandbox.data.database, "tableName": sandbox.data.table}}
    training = [{"type": "INTERACTIONS", "inputConfig": {"schema": columns, "dataSource": source}}]
    made = client.create_training_dataset(name="sizing", roleArn=sandbox.role_arn, trainingData=training)
    return str(made["trainingDatasetArn"])


def arm_stuck(sandbox: Sandbox) -> None:
    body = json.dumps({"fault": "stuck", "operation": "CreateAudienceModel", "count": None}).encode()
    urllib.request.urlopen(f"{sandbox.endpoint_url}/_sandbox/faults", data=body, timeout=10).close()


async def measure(ended: int, running: int) -> None:
    async with Sandbox(serve_options=("--quota-audience-models", str(2 * running + 10))) as sandbox:
        own = {f"CRML_{name}": value for name, value in SETTINGS.items()}
        own["CRML_TARGETS__DEFAULT__ENDPOINT_URL"] = sandbox.endpoint_url
        replica = Replica({**sandbox.environment(), **own})
        replica.topics()
        seconds = replica.start()
        print(f"empty changelog: ready in {seconds:.1f} s, {_mib(replica.memory)}")
        dataset = make_dataset(sandbox)
        await first_call(sandbox, replica, dataset, "first")
        idle = replica.memory
        print(f"  with AWS's client loaded: {_mib(idle)}")
        await work(sandbox, replica, dataset, ended)
        restart(replica)
        await first_call(sandbox, replica, dataset, "again")
        remembered = replica.memory
        print(f"  remembered: {(remembered - idle) / ended / KIB:.1f} KiB for each command")
        await watch(sandbox, replica, dataset, running)
        watched = restart(replica)
        print(f"  under way: {(watched - remembered) / running / KIB:.1f} KiB for each job")
        replica.change(CRML_TARGETS__DEFAULT__RATE__READS_PER_SECOND="0.1")
        await backlog(sandbox, replica, dataset, ended)
        waiting = restart(replica)
        print(f"  waiting for the budget: {(waiting - watched) / ended / KIB:.1f} KiB for each command")
        replica.stop()


async def first_call(sandbox: Sandbox, replica: Replica, dataset: str, name: str) -> None:
    """The first call loads AWS's client, which would else be counted among the jobs."""
    before = replica.metric(SUCCEEDED)
    await publish(sandbox.bootstrap, [(name, "GetTrainingDataset", {"trainingDatasetArn": dataset})])
    await until(replica, SUCCEEDED, before + 1)
    await asyncio.sleep(3)


def restart(replica: Replica) -> float:
    """Memory afterwards, which holds what is kept and nothing of what a burst has left behind."""
    before = replica.memory
    replica.stop()
    seconds = replica.start()
    records = replica.metric(r"crml_restore_records\{[^}]*\}")
    time.sleep(3)
    after = replica.memory
    print(f"restart: ready in {seconds:.1f} s with {records:.0f} records, {_mib(after)} ({_mib(before)} before it)")
    return after


async def work(sandbox: Sandbox, replica: Replica, dataset: str, number: int) -> None:
    """Reads with one call each, from publishing to the last reply."""
    commands = [(f"c{n}", "GetTrainingDataset", {"trainingDatasetArn": dataset}) for n in range(number)]
    warm = number // 10
    before = replica.metric(SUCCEEDED)
    await publish(sandbox.bootstrap, commands[:warm])
    await until(replica, SUCCEEDED, before + warm)
    cpu, began = replica.cpu, time.monotonic()
    await publish(sandbox.bootstrap, commands[warm:])
    await until(replica, SUCCEEDED, before + number)
    spent, took = replica.cpu - cpu, time.monotonic() - began
    print(
        f"{number - warm} commands with one call each: {(number - warm) / spent:.0f} per CPU-second, "
        f"{(number - warm) / took:.0f} a second by the clock, Kafka and sandbox on the same machine"
    )


async def watch(sandbox: Sandbox, replica: Replica, dataset: str, number: int) -> None:
    """Jobs that do not end."""
    arm_stuck(sandbox)
    data = {"trainingDatasetArn": dataset}
    commands = [(f"m{n}", "CreateAudienceModel", {"name": f"m{n}", **data}) for n in range(number)]
    await publish(sandbox.bootstrap, commands)
    await until(replica, r'crml_jobs\{phase="running"\}', number)
    await asyncio.sleep(5)
    cpu, began = replica.cpu, time.monotonic()
    await asyncio.sleep(60)
    share = (replica.cpu - cpu) / (time.monotonic() - began)
    print(f"{number} jobs under way are followed with {share * 100:.1f} % of a core at the default pace")


async def backlog(sandbox: Sandbox, replica: Replica, dataset: str, number: int) -> None:
    """Commands that come faster than they may be carried out."""
    replica.stop()
    replica.start()
    commands = [(f"b{n}", "GetTrainingDataset", {"trainingDatasetArn": dataset}) for n in range(number)]
    await publish(sandbox.bootstrap, commands)
    await until(replica, r'crml_commands_total\{operation="GetTrainingDataset",outcome="accepted"\}', number)
    await asyncio.sleep(5)


def _mib(size: float) -> str:
    return f"{size / KIB / KIB:.0f} MiB"


def main() -> None:
    ended, running = (int(word) for word in (sys.argv[1:] + ["20000", "2000"][len(sys.argv) - 1 :])[:2])
    asyncio.run(measure(ended, running))


if __name__ == "__main__":
    main()
