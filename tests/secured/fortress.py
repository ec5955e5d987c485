"""A real Kafka which lets nobody in without proof, and grants nobody anything by itself.

A listener for each way in, and one without any for the test itself, which is the super user.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import confluent_kafka
import confluent_kafka.admin

from sandbox.kafka.broker import Broker, free_port
from service.operator.access.kafka_acls import Acl
from tests.acceptance.kafka_fixture import outside
from tests.secured.authority import Authority, Issuer

_kafka: Any = confluent_kafka.admin  # its types hide what it exports

MTLS, SCRAM, SHORT, OAUTH = "MTLS", "SCRAM", "SHORT", "OAUTH"
SESSION_MS = 3000
"""How long a session lives on the listener SHORT."""
AUDIENCE = "kafka"

_JAAS = "org.apache.kafka.common.security."
_TYPES = {
    "topic": _kafka.ResourceType.TOPIC,
    "group": _kafka.ResourceType.GROUP,
    "transactionalId": _kafka.ResourceType.TRANSACTIONAL_ID,
}
_PATTERNS = {"literal": _kafka.ResourcePatternType.LITERAL, "prefixed": _kafka.ResourcePatternType.PREFIXED}
_OPERATIONS = {
    "Read": _kafka.AclOperation.READ,
    "Write": _kafka.AclOperation.WRITE,
    "Create": _kafka.AclOperation.CREATE,
    "Describe": _kafka.AclOperation.DESCRIBE,
    "DescribeConfigs": _kafka.AclOperation.DESCRIBE_CONFIGS,
}


@dataclass
class Fortress:
    """The broker, its ways in, and its keys.

    Attributes:
        broker: Its own address is the test's way in.
        ports: By listener.
        authority: Signed the broker's certificate, and signs clients'.
        issuer: Its tokens are believed.
    """

    broker: Broker
    ports: dict[str, int]
    authority: Authority
    issuer: Issuer

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def grant(self, rows: Iterable[Acl]) -> None:
        """Returns when the broker goes by it, which is a moment after the controller has noted it."""
        wanted = [_acl(_kafka.AclBinding, row) for row in rows]
        if wanted:
            self._settle(self._admin.create_acls(wanted))
            last = _kafka.AclBindingFilter(*_members(wanted[-1]))
            _until(lambda: self._admin.describe_acls(last).result(60))

    def user(self, name: str, password: str) -> None:
        """Somebody who comes by SCRAM."""
        info = _kafka.ScramCredentialInfo(_kafka.ScramMechanism.SCRAM_SHA_512, 4096)
        change = _kafka.UserScramCredentialUpsertion(name, info, password.encode())
        self._settle(self._admin.alter_user_scram_credentials([change]))
        _until(lambda: self._admin.describe_user_scram_credentials([name])[name].result(60).scram_credential_infos)

    def produce(
        self, topic: str, partition: int, key: bytes, value: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        """A record of the super user."""
        refusals: list[object] = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.broker.bootstrap})
        producer.produce(
            topic,
            value,
            key,
            partition,
            headers=dict(headers or {}),
            on_delivery=lambda error, _: refusals.append(error),
        )
        producer.flush(30)
        assert refusals == [None]

    def commit(self, group: str, topic: str, partition: int) -> None:
        """A group's offset, as if it had been there."""
        place = confluent_kafka.TopicPartition(topic, partition, 0)
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.broker.bootstrap, "group.id": group})
        consumer.commit(offsets=[place], asynchronous=False)
        consumer.close()

    def remove(self, topic: str) -> None:
        """Deletes a topic, and returns when nobody sees it any more."""
        self._settle(self._admin.delete_topics([topic]))
        _until(lambda: topic not in self._admin.list_topics(timeout=60).topics)

    def leave(self) -> None:
        """The test's own client goes before the broker does, or it would complain."""
        self.__dict__.pop("_admin", None)

    @cached_property
    def _admin(self) -> Any:
        return _kafka.AdminClient({"bootstrap.servers": self.broker.bootstrap})

    def _settle(self, futures: Mapping[Any, Any]) -> None:
        for future in futures.values():
            future.result(60)


def _until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not _answered(true):
        assert time.monotonic() < deadline, "the broker does not know of it after 30 s"
        time.sleep(0.02)


def _answered(true: Callable[[], Any]) -> bool:
    try:
        return bool(true())
    except confluent_kafka.KafkaException as error:
        if error.args[0].code() == confluent_kafka.KafkaError.RESOURCE_NOT_FOUND:
            return False
        raise


def _members(binding: Any) -> tuple[Any, ...]:
    return (
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )


def _acl(make: Any, row: Acl) -> Any:
    return make(
        _TYPES[row.resource_type],
        row.name,
        _PATTERNS[row.pattern_type],
        row.principal,
        "*",
        _OPERATIONS[row.operation],
        _kafka.AclPermissionType.ALLOW,
    )


@contextlib.contextmanager
def running_fortress(directory: Path) -> Iterator[Fortress]:
    """Runs one until the end of the block."""
    authority, issuer = Authority(directory), Issuer(directory)
    port, controller = free_port(), free_port()
    ports = {name: free_port() for name in (MTLS, SCRAM, SHORT, OAUTH)}
    listeners = [f"PLAINTEXT://127.0.0.1:{port}", *(f"{name}://127.0.0.1:{ports[name]}" for name in ports)]
    keys = f"file://{issuer.keys}"
    config = {
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": ",".join([*listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
        "advertised.listeners": ",".join(listeners),
        "listener.security.protocol.map": ",".join(
            ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", "MTLS:SSL"]
            + [f"{name}:SASL_SSL" for name in (SCRAM, SHORT, OAUTH)]
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
        **_tls(authority),
        **{
            f"listener.name.{name.lower()}.{mechanism}.sasl.jaas.config": f"{_JAAS}{module} required;"
            for name, mechanism, module in (
                (SCRAM, "scram-sha-512", "scram.ScramLoginModule"),
                (SHORT, "scram-sha-512", "scram.ScramLoginModule"),
                (OAUTH, "oauthbearer", "oauthbearer.OAuthBearerLoginModule"),
            )
        },
        "listener.name.mtls.ssl.client.auth": "required",
        "listener.name.scram.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.short.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.short.scram-sha-512.connections.max.reauth.ms": str(SESSION_MS),
        "listener.name.oauth.sasl.enabled.mechanisms": "OAUTHBEARER",
        "listener.name.oauth.oauthbearer.connections.max.reauth.ms": "3600000",
        "listener.name.oauth.oauthbearer.sasl.server.callback.handler.class": (
            f"{_JAAS}oauthbearer.OAuthBearerValidatorCallbackHandler"
        ),
        "sasl.oauthbearer.jwks.endpoint.url": keys,
        "sasl.oauthbearer.expected.audience": AUDIENCE,
        "sasl.oauthbearer.expected.issuer": issuer.name,
        # Kafka 4.1.0's default one looks at the form of a token only, and lets forged ones in.
        "sasl.oauthbearer.jwt.validator.class": f"{_JAAS}oauthbearer.BrokerJwtValidator",
    }
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys}"
    broker = Broker(port, directory / "kafka", config=config, options=[allowed])
    outside(broker.start())
    fortress = Fortress(broker, ports, authority, issuer)
    try:
        yield fortress
    finally:
        fortress.leave()
        outside(broker.stop())


def _tls(authority: Authority) -> dict[str, str]:
    certificate, key = authority.issue("broker")
    both = certificate.with_name("broker-store.pem")
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(both),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
    }
