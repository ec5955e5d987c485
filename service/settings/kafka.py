"""Settings of Kafka: the connection, the topics, and where replies may go."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from service.settings.base import Bytes, Names, Seconds, SettingsGroup, is_ipv6
from service.settings.oauth import OAuth

_SUFFIXES = {
    "commands": "commands",
    "replies": "replies",
    "events": "events",
    "dead_letters": "dead-letters",
    "jobs": "jobs",
    "changes": "changes",
    "resources": "resources",
    "lists": "lists",
}

LongerThanCommit = Annotated[Seconds, Field(gt=15)]
"""A time that a commit under way must not exceed."""

_BROKER: Final = re.compile(r"(\[(?P<ipv6>[0-9A-Fa-f:.]+(%[\w.-]+)?)\]|[\w.-]+)(:(?P<port>[0-9]{1,5}))?", re.ASCII)


def brokers(value: tuple[str, ...]) -> tuple[str, ...]:
    """Refuses what is no address of a broker: the client would take it for a host that does not answer."""
    for each in value:
        found = _BROKER.fullmatch(each)
        wrong = found is None or not 0 < int(found["port"] or 9092) < 65_536
        if wrong or (found and found["ipv6"] and not is_ipv6(found["ipv6"])):
            shown = "an address with an @" if "@" in each else repr(each)
            raise ValueError(f"{shown} is no host:port, such as broker-1:9092 or [fd00::1]:9092, without a protocol")
    return value


TopicName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]{1,249}$")]


class Kafka(SettingsGroup):
    """Connection to Kafka, and identity of the service there."""

    bootstrap_servers: Annotated[Names, AfterValidator(brokers)] = Field(min_length=1)
    """Brokers to ask first, as `host:port`; an IPv6 address in brackets, `[fd00::1]:9092`."""
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How connections are protected and authenticated."""
    ssl_ca_file: Path | None = None
    """Trusted certificates, PEM; the system's own if not set."""
    ssl_cert_file: Path | None = None
    """Client certificate, PEM."""
    ssl_key_file: Path | None = None
    """The client certificate's private key, PEM."""
    ssl_key_password: SecretStr | None = None
    """Password of the private key."""
    ssl_key_password_file: Path | None = None
    """File with the private key's password, instead of `ssl_key_password`."""
    ssl_check_hostname: bool = True
    """Whether a broker's certificate must carry its host name."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    """SASL mechanism; used with the SASL protocols only."""
    sasl_username: str | None = None
    """User name for SASL."""
    sasl_password: SecretStr | None = None
    """Password for SASL."""
    sasl_password_file: Path | None = None
    """File with the password for SASL, instead of `sasl_password`."""
    oauth: OAuth | None = None
    """Where tokens come from; for `OAUTHBEARER` only."""
    principal: Annotated[str, Field(pattern=r"^[A-Za-z]+:.+$")] | None = None
    """Principal in Kafka, such as `User:CN=crml`, for `acls` and `check`; `User:<sasl_username>` if not set."""
    client_id: Annotated[str, Field(min_length=1)] = "cleanroomsml-service"
    """Client id in the brokers' logs and quotas."""
    group_id: Annotated[str, Field(min_length=1)] = "cleanroomsml-service"
    """Consumer group; all replicas share it."""
    instance_id: Annotated[str, Field(min_length=1)] | None = None
    """Static membership: a name that is unique per replica and survives its restart, such as the pod's name."""
    session_timeout: Seconds = 10.0
    """A replica that sends no heartbeat for this time loses its partitions."""
    heartbeat_interval: Seconds = 0.5
    """How often a replica shows that it lives, and learns that another one does not; below a third of the session
    timeout."""
    rebalance_timeout: LongerThanCommit = 60.0
    """How long the group waits for a replica to hand over its partitions; above the 15 s that a commit may take."""
    transaction_timeout: LongerThanCommit = 60.0
    """The broker aborts a transaction that is open for this time; above the 15 s that a commit may take."""
    request_timeout: Seconds = 20.0
    """Timeout of every request to a broker; when it expires, the outcome counts as unknown."""
    replication_factor: Annotated[int, Field(ge=1, le=32)] = 3
    """Replicas of each topic that the service creates."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = []
        if self.heartbeat_interval * 3 > self.session_timeout + 1e-9:
            problems.append("heartbeat_interval must be at most a third of session_timeout")
        if bool(self.ssl_cert_file) != bool(self.ssl_key_file):
            problems.append("ssl_cert_file and ssl_key_file go together")
        problems += self._sasl_problems()
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def known_as(self) -> str:
        """The service's principal for Kafka's authorizer; empty if only the broker knows it."""
        by_name = self.security_protocol.startswith("SASL") and self.sasl_mechanism != "OAUTHBEARER"
        return self.principal or (f"User:{self.sasl_username}" if by_name else "")

    def _sasl_problems(self) -> Iterator[str]:
        tokens = self.sasl_mechanism == "OAUTHBEARER"
        if self.oauth and not (tokens and self.security_protocol.startswith("SASL")):
            yield "oauth is for sasl_mechanism OAUTHBEARER with a SASL protocol; set both, or leave oauth out"
        if not self.security_protocol.startswith("SASL"):
            return
        if tokens and not self.oauth:
            yield "oauth.provider is needed for OAUTHBEARER: where do tokens come from?"
        if not tokens and not (self.sasl_username and self.sasl_password):
            yield f"sasl_username and sasl_password (or sasl_password_file) are needed for {self.sasl_mechanism}"


class Topics(SettingsGroup):
    """Names and configuration of the topics."""

    prefix: TopicName = "cleanroomsml"
    """Prefix of every topic name that is not set separately."""
    commands: TopicName = ""
    """Topic of commands; `<prefix>.commands` if not set."""
    replies: TopicName = ""
    """Topic of replies, unless a command names another one; `<prefix>.replies` if not set."""
    events: TopicName = ""
    """Topic of status changes; `<prefix>.events` if not set."""
    dead_letters: TopicName = ""
    """Topic of records that are not valid commands; `<prefix>.dead-letters` if not set."""
    jobs: TopicName = ""
    """The service's changelog of commands; `<prefix>.jobs` if not set."""
    changes: TopicName = ""
    """The service's queue of changes that get their numbers; `<prefix>.changes` if not set."""
    resources: TopicName = ""
    """The service's changelog of resources; `<prefix>.resources` if not set."""
    lists: TopicName = ""
    """The service's topic of shared Lists, needed with `polling.shared`; `<prefix>.lists` if not set."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Partitions of created topics; a topic of commands and its changelog must have the same number."""
    max_message_bytes: Bytes = 1024 * 1024
    """Largest record that is read or written."""

    @model_validator(mode="before")
    @classmethod
    def _derived(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        prefix = data.get("prefix") or "cleanroomsml"
        return {name: f"{prefix}.{suffix}" for name, suffix in _SUFFIXES.items()} | {
            name: value for name, value in data.items() if value != "" or name not in _SUFFIXES
        }


class Replies(SettingsGroup):
    """Topics that replies may go to."""

    allowed_topics: Names = ()
    """Topics that a command may name in `replyto`, in addition to the default one; tenants have lists of their own."""
