"""A real Kafka and the sandbox in one pod, at the pod's address."""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import aiohttp

from sandbox.datasets import movielens
from sandbox.jobs.storage import Storage
from sandbox.kafka.broker import Broker
from sandbox.processes import Child
from sandbox.stack import ACCOUNT, REGION, ROLE_ARN

PREFIX: Final = "cleanroomsml"
KAFKA_PORT: Final = 9092
PASSWORD_PORT: Final = 9096
AWS_PORT: Final = 4599
CONTROLLER_PORT: Final = 9093
USER: Final = "crml"
PASSWORD: Final = "guide"


def listeners(address: str, plain: int, password: int, controller: int, bind: str) -> dict[str, str]:
    """Kafka's settings for two listeners: one for everybody, one that wants the password of `USER`."""
    return {
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://{bind}:{plain},PASSWORD://{bind}:{password},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://{address}:{plain},PASSWORD://{address}:{password}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,PASSWORD:SASL_PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "listener.name.password.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.password.plain.sasl.jaas.config": (
            f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
        ),
    }


async def serve(folder: Path, *, ready: Callable[[Any], None]) -> None:
    """Runs both until the process ends, and tells what commands may name."""
    address = os.environ["POD_IP"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)  # noqa: ASYNC240 - before anything waits
    url = f"http://127.0.0.1:{AWS_PORT}"
    options = ["--host", "0.0.0.0", "--port", str(AWS_PORT), "--floor", os.environ.get("WORLD_FLOOR", "0.5")]
    command = [sys.executable, "-m", "sandbox", "serve", *options, "--data-dir", str(folder / "models")]
    aws = Child(command, log=folder / "aws.log")
    config = listeners(address, KAFKA_PORT, PASSWORD_PORT, CONTROLLER_PORT, bind="0.0.0.0")
    async with Broker(KAFKA_PORT, folder / "kafka", config=config) as broker:
        await _healthy(f"{url}/_sandbox/health")
        taste = movielens.seed_for(movielens.DEMO_TITLE)
        data = movielens.catalogue(Storage(url, REGION, ACCOUNT), taste)
        schema = [{"columnName": column, "columnTypes": [kind]} for column, kind in data.columns]
        source = {"glueDataSource": {"databaseName": data.database, "tableName": data.table}}
        training = [{"type": "INTERACTIONS", "inputConfig": {"schema": schema, "dataSource": source}}]
        ready({"roleArn": ROLE_ARN, "trainingData": training})
        (folder / "ready").touch()
        try:
            await broker.wait_ended()
        finally:
            await aws.stop()


async def _healthy(url: str) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(90):
        while True:
            try:
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
