"""What the Kafka adapter needs to know, and the one function that turns it into aiokafka's client options."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Connection, names and limits; all times in seconds, all sizes in bytes.

    Users set all but the deadlines, which tests shorten.

    Attributes:
        bootstrap_servers: ``host:port``, separated by commas.
        group_id: Of the consumer group.
        application: First part of every transactional id, which reads ``<application>-<topic>-<partition>``.
        client_id: Shown in the broker's logs and quotas.
        group_instance_id: Makes the membership static; unique in the group, such as a StatefulSet's pod name.
        principal: The service's principal for Kafka's authorizer; empty if only the broker knows it.
        by_iam: Whether rights are granted in AWS's IAM instead of by ACLs.
        security: Passed on to every client: ``security_protocol``, ``ssl_context``, ``sasl_mechanism``, ...
        heartbeat_interval: How often a member shows that it lives, and learns that the group rebalances; a third of
            the session timeout at most.
        session_timeout: A member without a heartbeat for this time is dead.
        rebalance_timeout: How long others wait for a member to drain and join; above ``commit_deadline``.
        transaction_timeout: The broker aborts a transaction that is open for this time.
        request_timeout: A broker that does not answer a producer or a reader in time counts as gone.
        open_deadline: For fencing a partition.
        read_deadline: For reading an offset.
        commit_deadline: For a transaction; below ``transaction_timeout``.
        stop_deadline: For a client's polite stop, before its sockets are cut.
        stall_deadline: For a restore that makes no progress.
        admin_deadline: For creating and verifying topics.
        batch_bytes: A produce request's share per partition; below the topics' ``max.message.bytes``.
        record_bytes: Larger records are refused before they are sent.
    """

    bootstrap_servers: str
    group_id: str
    application: str = "cleanroomsml"
    client_id: str = "cleanroomsml-service"
    group_instance_id: str | None = None
    principal: str = ""
    by_iam: bool = False
    security: Mapping[str, Any] = field(default_factory=dict)
    heartbeat_interval: float = 0.5
    session_timeout: float = 10.0
    rebalance_timeout: float = 20.0
    transaction_timeout: float = 60.0
    request_timeout: float = 10.0
    open_deadline: float = 30.0
    read_deadline: float = 15.0
    commit_deadline: float = 15.0
    stop_deadline: float = 5.0
    stall_deadline: float = 30.0
    admin_deadline: float = 30.0
    batch_bytes: int = 512 * 1024
    record_bytes: int = 1_000_000

    def __post_init__(self) -> None:
        if not self.commit_deadline < self.transaction_timeout:
            raise ValueError("commit_deadline must be below transaction_timeout")
        if not self.commit_deadline < self.rebalance_timeout:
            raise ValueError("commit_deadline must be below rebalance_timeout: a commit is drained in a rebalance")

    @property
    def poll_deadline(self) -> float:
        """A rebalance holds a poll up until every member has drained and joined; longer means a stuck coordinator."""
        return self.rebalance_timeout * 2 + self.session_timeout + self.request_timeout


def client_options(settings: KafkaSettings, role: str, request_timeout: float | None = None) -> dict[str, Any]:
    """Options that every aiokafka client takes, security included.

    Args:
        settings: The adapter's.
        role: Appended to the client id.
        request_timeout: Instead of the settings' one.
    """
    return {
        "bootstrap_servers": settings.bootstrap_servers,
        "client_id": f"{settings.client_id}-{role}",
        "request_timeout_ms": milliseconds(request_timeout or settings.request_timeout),
        **settings.security,
    }


def milliseconds(seconds: float) -> int:
    """Seconds as aiokafka wants them."""
    return round(seconds * 1000)
