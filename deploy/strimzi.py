"""Topics as Strimzi's topic operator takes them."""

from collections.abc import Iterable
from typing import Any

from service.adapters.kafka.topics import TopicSpec, config_at_creation

CLUSTER = "kafka"
"""Name of the Kafka resource, by Strimzi's label; users.yaml has the same."""


def topics(specs: Iterable[TopicSpec], replication: int) -> list[dict[str, Any]]:
    """A KafkaTopic for each."""
    return [
        {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaTopic",
            "metadata": {"name": spec.name, "labels": {"strimzi.io/cluster": CLUSTER}},
            "spec": {
                "partitions": spec.partitions,
                "replicas": replication,
                "config": config_at_creation(spec, replication),
            },
        }
        for spec in specs
    ]
