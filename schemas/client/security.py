"""Options of aiokafka's clients from the settings."""

from typing import Any

from schemas.client.settings import ClientSettings
from schemas.kafka.security import sasl_options, ssl_context


def options(settings: ClientSettings) -> dict[str, Any]:
    """Options of every aiokafka client.

    Raises:
        OSError: A TLS file can't be used.
    """
    if settings.security is not None:
        return dict(settings.security)
    found: dict[str, Any] = {"security_protocol": settings.security_protocol}
    if settings.security_protocol.endswith("SSL"):
        found["ssl_context"] = ssl_context(
            ca_file=settings.ssl_ca_file,
            cert_file=settings.ssl_cert_file,
            key_file=settings.ssl_key_file,
            key_password=settings.ssl_key_password,
            check_hostname=settings.ssl_check_hostname,
        )
    if settings.security_protocol.startswith("SASL"):
        found |= sasl_options(settings.sasl_mechanism, username=settings.sasl_username, password=settings.sasl_password)
    return found
