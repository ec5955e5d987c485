"""Tokens for MSK with IAM: a presigned request to connect, which MSK lets AWS verify.

The official signer does the same with botocore's blocking session, which stops the event loop; here credentials are
given: the service's come from aiobotocore, a client's from botocore in a thread. Signing itself is arithmetic (about a
millisecond).
`tests/unit/schemas/kafka/test_msk_iam.py` compares the two.
"""

import base64
from collections.abc import Awaitable, Callable
from typing import Any, Final

from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from .clock import steady
from .tokens import Fetch, Token, TokenUnavailable

SERVICE: Final = "kafka-cluster"
ACTION: Final = "kafka-cluster:Connect"
LIFETIME: Final = 900
"""Seconds that MSK lets a token be valid; also the longest that it takes."""
USER_AGENT: Final = "cleanroomsml-service"

Credentials = Callable[[], Awaitable[Any]]
"""Gives frozen credentials, renewed when they were about to expire."""


def of_msk(region: str, credentials: Credentials, clock: Callable[[], float] = steady) -> Fetch:
    """Signs a token whenever one is wanted.

    Args:
        region: Of the cluster.
        credentials: The credentials that sign the token.
        clock: Steady seconds.
    """

    async def fetch() -> Token:
        try:
            found = await credentials()
        except (BotoCoreError, ClientError, ResponseParserError, OSError) as error:
            # An answer that could not be parsed is repeated by its error, and may be anything.
            why = type(error).__name__ if isinstance(error, ResponseParserError) else str(error)
            message = f"no AWS credentials for MSK: {why}; check the role and its trust policy"
            raise TokenUnavailable(message) from error
        made = clock()
        return Token(sign(region, found), made, made + LIFETIME)

    return fetch


def sign(region: str, credentials: Any) -> str:
    """The token: a presigned URL in Base64 without padding, as MSK expects it.

    Args:
        region: Of the cluster.
        credentials: With ``access_key``, ``secret_key`` and ``token``.
    """
    request = AWSRequest(method="GET", url=f"https://kafka.{region}.amazonaws.com/", params={"Action": ACTION})
    SigV4QueryAuth(credentials, SERVICE, region, expires=LIFETIME).add_auth(request)
    url = f"{request.prepare().url}&User-Agent={USER_AGENT}"
    return base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()
