"""A real Kafka which lets nobody in without proof, and grants nobody anything by itself.

A listener for each way in, and one without any for the test itself, which is the super user.
"""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import confluent_kafka.admin

from sandbox.kafka import Broker, free_port
from service.acls import Acl
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
        self._settle("create_acls", [_acl(_kafka.AclBinding, row) for row in rows])

    def revoke(self, rows: Iterable[Acl]) -> None:
        self._settle("delete_acls", [_acl(_kafka.AclBindingFilter, row) for row in rows])

    def user(self, name: str, password: str) -> None:
        """Somebody who comes by SCRAM."""
        info = _kafka.ScramCredentialInfo(_kafka.ScramMechanism.SCRAM_SHA_512, 4096)
        change = _kafka.UserScramCredentialUpsertion(name, info, password.encode())
        self._settle("alter_user_scram_credentials", [change])

    def _settle(self, method: str, wanted: list[Any]) -> None:
        client = _kafka.AdminClient({"bootstrap.servers": self.broker.bootstrap})  # must outlive its futures
        for future in getattr(client, method)(wanted).values():
            future.result(20)


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
    }
    allowed = f"-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls={keys}"
    broker = Broker(port, directory / "kafka", config=config, options=[allowed])
    outside(broker.start())
    try:
        yield Fortress(broker, ports, authority, issuer)
    finally:
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
