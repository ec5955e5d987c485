"""Options of aiokafka's clients from the settings."""

import asyncio
import time
from typing import Any

import botocore.session
from botocore.exceptions import NoCredentialsError

from ..kafka.clock import steady
from ..kafka.msk_iam import of_msk
from ..kafka.security import sasl_options, ssl_context
from ..kafka.tokens import Fetch, Token, Tokens, TokenUnavailable, of_file, seconds_left
from .settings import ClientSettings, TokenSource

UNKNOWN_LIFETIME = 60.0
"""Seconds after which a token that does not show its end is asked for again."""


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
        fetch = token_fetch(settings)
        found |= sasl_options(
            settings.sasl_mechanism,
            username=settings.sasl_username,
            password=settings.sasl_password,
            tokens=Tokens(fetch) if fetch else None,
        )
    return found


def token_fetch(settings: ClientSettings) -> Fetch | None:
    """Fetches a token for OAUTHBEARER; None without that mechanism."""
    if settings.oauth_region:
        return of_msk(settings.oauth_region, chain_credentials)
    if settings.oauth_token_file is not None:
        return of_file(settings.oauth_token_file)
    return _of_source(settings.oauth_token) if settings.oauth_token is not None else None


async def chain_credentials() -> Any:
    """Credentials of botocore's standard chain; found in a thread, because that may ask the network.

    Raises:
        BotoCoreError: There are none.
    """
    return await asyncio.to_thread(_frozen)


def _frozen() -> Any:
    found = botocore.session.get_session().get_credentials()
    if found is None:
        raise NoCredentialsError
    return found.get_frozen_credentials()


def _of_source(source: TokenSource) -> Fetch:
    async def fetch() -> Token:
        try:
            text, now = await source(), steady()
        except Exception as error:  # a program's own code; its message may hold a secret
            raise TokenUnavailable(f"oauth_token failed with {type(error).__name__}") from error
        left = seconds_left(text, time.time())
        return Token(text, now, now + (UNKNOWN_LIFETIME if left is None else left))

    return fetch
