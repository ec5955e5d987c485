"""Faults of topics: settings changed, records deleted or corrupt, ids that expire."""

import asyncio
import signal
from typing import Any

import confluent_kafka.admin
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, RecordsToDelete

from tests.faults.lab import Lab
from tests.faults.processes import all_stop
from tests.faults.runner import Mark
from tests.faults.workers import Worker, until

_kafka: Any = confluent_kafka.admin  # its types hide what it exports


async def idle(lab: Lab, mark: Mark) -> None:
    """Nothing is committed for longer than the broker remembers a transactional id."""
    lab.load.pause()
    await lab.load.settled(20)
    await asyncio.sleep(9)
    lab.load.proceed()
    mark.now()


async def outlet_too_small(lab: Lab, mark: Mark) -> None:
    """The topic of replies takes no record for some seconds; a transaction's end marker, of 78 bytes, still fits."""
    server, topic = lab.station.broker.bootstrap, lab.topic("replies")
    await asyncio.to_thread(_set, server, topic, "max.message.bytes", "200")
    await asyncio.sleep(6)
    await asyncio.to_thread(_set, server, topic, "max.message.bytes", str(4 * 1024 * 1024))
    mark.now()


async def commands_deleted(lab: Lab, mark: Mark) -> None:
    """Commands are deleted before they were consumed: the partition stands still, and its replica says so."""
    await all_stop(lab)
    topic = lab.commands[""]
    before = len(lab.load.offsets)
    await until(lambda: len(lab.load.offsets) > before + 8, 20, "nothing is published")
    lab.load.pause()
    admin = AIOKafkaAdminClient(bootstrap_servers=lab.station.broker.bootstrap)
    await admin.start()
    partition = TopicPartition(topic, 0)
    await admin.delete_records({partition: RecordsToDelete(before_offset=-1)})
    committed = (await admin.list_consumer_group_offsets(lab.name))[partition].offset
    worker = lab.workers[0]
    worker.start()
    await refuses(worker, f"{topic}-0", mark)
    if (now := (await admin.list_consumer_group_offsets(lab.name))[partition].offset) != committed:
        mark.broken("I1", f"{topic}-0", f"commands were skipped silently: {committed} -> {now}")
    await admin.close()


async def offsets_deleted(lab: Lab, mark: Mark) -> None:
    """The group is deleted while nobody is in it, as its offsets' retention would: nothing is done a second time."""
    await all_stop(lab)
    await asyncio.sleep(1)
    client = _kafka.AdminClient({"bootstrap.servers": lab.station.broker.bootstrap})
    for deleted in client.delete_consumer_groups([lab.name]).values():
        await asyncio.to_thread(deleted.result, 20)
    mark.now()
    await lab.start()


NARROW = "narrow-replies"
"""A topic that takes no reply, since each is larger than its limit."""


async def named_topic_refuses(lab: Lab, mark: Mark) -> None:
    """A topic that commands name for their replies refuses every record, for good."""
    await asyncio.to_thread(_set, lab.station.broker.bootstrap, NARROW, "max.message.bytes", "100")
    mark.now()
    for number in range(12):
        ground = lab.load.grounds[0]
        name = f"narrow-{lab.chance.randrange(10**12)}"
        data, source = ground.create_dataset(name), f"{lab.name}-narrow"
        lab.load.publish(
            ground,
            "CreateTrainingDataset",
            data,
            source=source,
            name=name,
            partition=number % 2,
            extensions={"replyto": NARROW},
        )
        await asyncio.sleep(0.4)


async def partitions_added(lab: Lab, mark: Mark) -> None:
    """A commands topic gets a partition for which there is no changelog: nobody starts with that."""
    admin = AIOKafkaAdminClient(bootstrap_servers=lab.station.broker.bootstrap)
    await admin.start()
    await admin.create_partitions({lab.commands[""]: NewPartitions(total_count=3)})
    await admin.close()
    victim = lab.workers[0]
    victim.send(signal.SIGTERM)
    await victim.ended(20)
    victim.start()
    code = await victim.ended(20)
    if code != 3:
        mark.broken("I3", victim.name, f"exit code {code}, expected 3: {victim.tail(3)}")


async def changelog_corrupt(lab: Lab, mark: Mark) -> None:
    """A record that nobody can read lies in a changelog: its partition stands still, the others go on."""
    await all_stop(lab)
    producer = AIOKafkaProducer(bootstrap_servers=lab.station.broker.bootstrap)
    await producer.start()
    await producer.send_and_wait(lab.changelogs[0], b"\x00garbage", key=b'["a","b"]', partition=0)
    await producer.stop()
    worker = lab.workers[0]
    worker.start()
    await refuses(worker, f"{lab.commands['']}-0", mark)
    healthy = {("", 1), ("blue", 0), ("blue", 1)}
    mark.now()
    await until(lambda: healthy <= lab.load.resumption(mark.since).keys(), 20, "other partitions do not go on")
    if ("", 0) in lab.load.resumption(mark.since):
        mark.broken("I4", f"{lab.commands['']}-0", "a corrupt record was skipped silently")


async def refuses(worker: Worker, shard: str, mark: Mark) -> None:
    """Waits until the replica names the partition in its log; it has to call it halted."""

    def told(line: dict[str, Any]) -> bool:
        return line["level"] in {"warning", "error"} and shard.rpartition("-")[0] in str(line)

    await until(lambda: any(map(told, worker.lines())), 30, f"the log does not name {shard}")
    await asyncio.sleep(3)
    status = await worker.status()
    if status is None or shard not in status["halted"]:
        mark.broken("I4", shard, f"the replica does not call the partition halted: {status}")


def _set(server: str, topic: str, name: str, value: str) -> None:
    entry = _kafka.ConfigEntry(name, value, incremental_operation=_kafka.AlterConfigOpType.SET)
    resource = _kafka.ConfigResource(_kafka.ResourceType.TOPIC, topic, incremental_configs=[entry])
    client = _kafka.AdminClient({"bootstrap.servers": server})  # must outlive its futures
    for future in client.incremental_alter_configs([resource]).values():
        future.result(10)
