"""The load's own producer must not be what a fault strikes down."""

import tempfile
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import OutOfOrderSequenceNumber
from aiokafka.structs import TopicPartition

from tests.acceptance.kafka_fixture import running_kafka
from tests.faults.publisher import Publisher


async def test_a_lost_sequence_number_silences_no_partition() -> None:
    with tempfile.TemporaryDirectory() as directory, running_kafka(Path(directory)) as broker:
        admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap)
        await admin.start()
        await admin.create_topics([NewTopic("t", 1, 1)])
        await admin.close()
        publisher = Publisher(broker.bootstrap)
        await publisher.start()
        try:
            await publisher.send("t", b"1", partition=0)
            former = publisher._producer
            former._txn_manager.increment_sequence_number(TopicPartition("t", 0), 1)  # as if a batch was given up
            with pytest.raises(OutOfOrderSequenceNumber):
                await publisher.send("t", b"2", partition=0)
            assert (await publisher.send("t", b"2", partition=0)).offset == 1
            assert publisher._producer is not former
        finally:
            await publisher.stop()
