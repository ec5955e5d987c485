"""Turns the settings of the connection into what aiokafka's clients take: TLS, SASL, and where tokens come from."""

import ssl
from typing import Any

from aiokafka.abc import AbstractTokenProvider

from schemas.kafka.msk_iam import of_msk
from schemas.kafka.security import sasl_options, ssl_context
from schemas.kafka.tokens import Fetch, Tokens, of_file
from service.adapters.aws.clients import Clients
from service.adapters.kafka.auth.token_endpoint import TokenEndpoint, of_endpoint
from service.settings import Kafka, Target
from service.settings.base import read_secret
from service.settings.oauth import OAuth


def security(kafka: Kafka, *, fips: bool = False) -> dict[str, Any]:
    """Options of every aiokafka client.

    Args:
        kafka: The settings.
        fips: Whether a target demands FIPS endpoints: then the credentials for MSK come from them too.

    Raises:
        OSError: A TLS file can't be used.
    """
    options: dict[str, Any] = {"security_protocol": kafka.security_protocol}
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = ssl_context(
            ca_file=kafka.ssl_ca_file,
            cert_file=kafka.ssl_cert_file,
            key_file=kafka.ssl_key_file,
            key_password=kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None,
            check_hostname=kafka.ssl_check_hostname,
        )
    if not kafka.security_protocol.startswith("SASL"):
        return options
    if kafka.oauth is not None:
        return options | sasl_options(kafka.sasl_mechanism, tokens=token_provider(kafka.oauth, fips=fips))
    password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return options | sasl_options(kafka.sasl_mechanism, username=kafka.sasl_username, password=password)


def token_provider(oauth: OAuth, *, fips: bool = False) -> AbstractTokenProvider:
    """Gives tokens as the settings say; connects to nothing yet."""
    return Tokens(fetch_of(oauth, fips=fips))


def fetch_of(oauth: OAuth, *, fips: bool = False) -> Fetch:
    """Fetches one token as the settings say."""
    if oauth.provider == "msk_iam":
        return _of_msk(oauth, fips=fips)
    if oauth.token_file is not None:
        return of_file(oauth.token_file)
    more = {name: value for name in ("scope", "audience") if (value := getattr(oauth, name))}
    trusted: Any = ssl.create_default_context(cafile=str(oauth.ca_file)) if oauth.ca_file else True
    return of_endpoint(TokenEndpoint(oauth.token_url or "", oauth.client_id or "", _Secret(oauth), more, trusted))


class _Secret:
    """The client secret as it is now: a mounted file may have been renewed."""

    def __init__(self, oauth: OAuth) -> None:
        self._oauth = oauth

    def __call__(self) -> str:
        if self._oauth.client_secret_file is not None:
            return read_secret(self._oauth.client_secret_file)
        return self._oauth.client_secret.get_secret_value() if self._oauth.client_secret else ""


def _of_msk(oauth: OAuth, *, fips: bool) -> Fetch:
    region = oauth.region or ""  # the settings demand it
    target = Target(
        region=region,
        role_arn=oauth.role_arn,
        external_id=oauth.external_id,
        session_name=oauth.session_name,
        sts_endpoint_url=oauth.sts_endpoint_url,
        allow_plain_http=oauth.allow_plain_http,
        fips=fips,
    )

    async def credentials() -> Any:
        """Called for every token, each 12 minutes: no client is kept, and the credentials outlive the token."""
        sessions = Clients({"kafka": target})
        try:
            return await sessions.frozen_credentials("kafka")
        finally:
            await sessions.close()

    return of_msk(region, credentials)
