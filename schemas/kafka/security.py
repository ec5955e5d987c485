"""Options of aiokafka's clients for TLS and SASL."""

import ssl
from pathlib import Path
from typing import Any

from aiokafka.helpers import create_ssl_context

from . import reauthentication


def ssl_context(
    *,
    ca_file: Path | None = None,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    key_password: str | None = None,
    check_hostname: bool = True,
) -> ssl.SSLContext:
    """The TLS context of a connection to Kafka.

    Args:
        ca_file: Trusted certificates, PEM; the system's own if not set.
        cert_file: Client certificate, PEM.
        key_file: The client certificate's private key, PEM.
        key_password: Password of the private key.
        check_hostname: Whether a broker's certificate must carry its host name.

    Raises:
        OSError: A file can't be used.
    """
    context: ssl.SSLContext = create_ssl_context(
        cafile=str(ca_file) if ca_file else None,
        certfile=str(cert_file) if cert_file else None,
        keyfile=str(key_file) if key_file else None,
        password=key_password,
    )
    context.check_hostname = check_hostname
    return context


def sasl_options(
    mechanism: str, *, username: str | None = None, password: str | None = None, tokens: Any = None
) -> dict[str, Any]:
    """Options of SASL, with tokens or with a password; connections of this process renew their sessions from now on.

    Args:
        mechanism: As Kafka names it.
        username: User name.
        password: Password.
        tokens: For ``OAUTHBEARER``: aiokafka's token provider.
    """
    reauthentication.install()
    if tokens is not None:
        return {"sasl_mechanism": mechanism, "sasl_oauth_token_provider": tokens}
    return {"sasl_mechanism": mechanism, "sasl_plain_username": username, "sasl_plain_password": password}
