"""Turns the settings of the connection into what aiokafka's clients take: TLS, SASL, and where tokens come from."""

import ssl
from typing import Any

from aiokafka.abc import AbstractTokenProvider
from aiokafka.helpers import create_ssl_context

from service.adapters.aws.clients import Clients
from service.adapters.kafka.auth import reauthentication
from service.adapters.kafka.auth.msk_iam import of_msk
from service.adapters.kafka.auth.oauth_tokens import Client, Fetch, Tokens, of_endpoint, of_file
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
        options["ssl_context"] = _ssl_context(kafka)
    if not kafka.security_protocol.startswith("SASL"):
        return options
    reauthentication.install()
    options["sasl_mechanism"] = kafka.sasl_mechanism
    if kafka.oauth is not None:
        return options | {"sasl_oauth_token_provider": token_provider(kafka.oauth, fips=fips)}
    password = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return options | {"sasl_plain_username": kafka.sasl_username, "sasl_plain_password": password}


def _ssl_context(kafka: Kafka) -> ssl.SSLContext:
    context: ssl.SSLContext = create_ssl_context(
        cafile=str(kafka.ssl_ca_file) if kafka.ssl_ca_file else None,
        certfile=str(kafka.ssl_cert_file) if kafka.ssl_cert_file else None,
        keyfile=str(kafka.ssl_key_file) if kafka.ssl_key_file else None,
        password=kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None,
    )
    context.check_hostname = kafka.ssl_check_hostname
    return context


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
    return of_endpoint(Client(oauth.token_url or "", oauth.client_id or "", _Secret(oauth), more, trusted))


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
