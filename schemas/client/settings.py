"""What a client needs to know: who sends, the brokers, the topics, and how connections are protected."""

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from ..cloudevents import MAX_ID

TokenSource = Callable[[], Coroutine[Any, Any, str]]
"""Gives a token for SASL OAUTHBEARER that is good for some minutes at least; asked before each authentication."""

_DEFAULT_PREFIX: Final = "cleanroomsml"
_PROTOCOLS: Final = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
_ADDRESS: Final = re.compile(r"(?:[^\s:\[\]]+|\[[0-9A-Fa-f:.%a-z]+\])(?::([0-9]{1,5}))?")
_MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@dataclass(frozen=True, kw_only=True)
class ClientSettings:
    """Settings of a client; all times in seconds.

    The security members are those of the service's Kafka settings. ``OAUTHBEARER`` takes one of ``oauth_region`` (MSK
    with IAM, by botocore's credentials), ``oauth_token_file`` (a token that another process renews) and
    ``oauth_token``.

    Attributes:
        bootstrap_servers: ``host:port``, separated by commas.
        source: CloudEvents source of every command: who sends. Idempotency keys are unique within it.
        prefix: First part of the topics' names.
        tenant: The tenant whose commands these are; empty for the default one. It decides the commands topic.
        commands: Commands topic, if its name is another one.
        replies: Topic of replies, if its name is another one.
        events: Topic of events, if its name is another one.
        reply_to: Topic of one's own for replies, which the service must allow; each command names it.
        follow_events: Whether the events topic is read too: it needs a right of its own.
        client_id: Shown in the brokers' logs and quotas.
        security_protocol: ``PLAINTEXT``, ``SSL``, ``SASL_PLAINTEXT`` or ``SASL_SSL``.
        ssl_ca_file: Trusted certificates, PEM; the system's own if not set.
        ssl_cert_file: Client certificate, PEM.
        ssl_key_file: The client certificate's private key, PEM.
        ssl_key_password: Password of the private key.
        ssl_check_hostname: Whether a broker's certificate must carry its host name.
        sasl_mechanism: ``PLAIN``, ``SCRAM-SHA-256``, ``SCRAM-SHA-512`` or ``OAUTHBEARER``.
        sasl_username: User name for SASL.
        sasl_password: Password for SASL.
        oauth_region: Region of an MSK cluster with IAM.
        oauth_token_file: File with a token.
        oauth_token: Gives a token.
        security: Options of every aiokafka client instead of all those above, for programs that have them already.
        connect_timeout: For connecting.
        send_timeout: For writing a command, with all its repeats.
        request_timeout: A broker that does not answer in this time counts as gone.
        stop_timeout: For a client's regular stop, before its sockets are cut.
    """

    bootstrap_servers: str
    source: str
    prefix: str = _DEFAULT_PREFIX
    tenant: str = ""
    commands: str = ""
    replies: str = ""
    events: str = ""
    reply_to: str = ""
    follow_events: bool = True
    client_id: str = "cleanroomsml-client"
    security_protocol: str = "PLAINTEXT"
    ssl_ca_file: Path | None = None
    ssl_cert_file: Path | None = None
    ssl_key_file: Path | None = None
    ssl_key_password: str | None = field(default=None, repr=False)
    ssl_check_hostname: bool = True
    sasl_mechanism: str = "SCRAM-SHA-512"
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    oauth_region: str | None = None
    oauth_token_file: Path | None = None
    oauth_token: TokenSource | None = field(default=None, repr=False)
    security: Mapping[str, Any] | None = field(default=None, repr=False)
    connect_timeout: float = 30.0
    send_timeout: float = 60.0
    request_timeout: float = 10.0
    stop_timeout: float = 5.0

    @property
    def commands_topic(self) -> str:
        """Where commands go: a tenant's own topic, or the default one."""
        tenant = f".{self.tenant}" if self.tenant else ""
        return self.commands or f"{self.prefix}{tenant}.commands"

    @property
    def followed_topics(self) -> tuple[str, ...]:
        """What is read: replies, one's own topic of replies, events."""
        replies = self.replies or f"{self.prefix}.replies"
        events = (self.events or f"{self.prefix}.events",) if self.follow_events else ()
        return (*dict.fromkeys((replies, *([self.reply_to] if self.reply_to else []), *events)),)

    def __post_init__(self) -> None:
        problems = [*self._sasl_problems()]
        if self.security_protocol not in _PROTOCOLS:
            problems.append(f"security_protocol must be one of: {', '.join(_PROTOCOLS)}")
        if self.bootstrap_servers.strip():  # the twin's clients have none
            problems += self._address_problems()
        if not 0 < len(self.source) <= MAX_ID:
            problems.append(f"source must have 1 to {MAX_ID} characters")
        if bool(self.ssl_cert_file) != bool(self.ssl_key_file):
            problems.append("ssl_cert_file and ssl_key_file go together")
        if problems:
            raise ValueError("; ".join(problems))

    def _address_problems(self) -> Iterator[str]:
        for each in map(str.strip, self.bootstrap_servers.split(",")):
            found = _ADDRESS.fullmatch(each)
            if found is None or int(found[1] or 0) > 65_535:
                yield f"bootstrap_servers: found {each!r}; expected host:port"

    def _sasl_problems(self) -> Iterator[str]:
        sources = [each for each in (self.oauth_region, self.oauth_token_file, self.oauth_token) if each]
        if not self.security_protocol.startswith("SASL"):
            if sources:
                yield "tokens are for sasl_mechanism OAUTHBEARER with a SASL protocol"
        elif self.sasl_mechanism not in _MECHANISMS:
            yield f"sasl_mechanism must be one of: {', '.join(_MECHANISMS)}"
        elif self.sasl_mechanism == "OAUTHBEARER" and len(sources) != 1:
            yield "OAUTHBEARER needs one of oauth_region, oauth_token_file and oauth_token"
        elif self.sasl_mechanism != "OAUTHBEARER" and not (self.sasl_username and self.sasl_password):
            yield f"sasl_username and sasl_password are needed for {self.sasl_mechanism}"
