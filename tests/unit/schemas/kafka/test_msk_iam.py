"""Tokens for MSK: as the official signer makes them, without ever holding the event loop up."""

import base64
import time
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from aws_msk_iam_sasl_signer.MSKAuthTokenProvider import generate_auth_token_from_credentials_provider as official
from botocore import auth
from botocore.credentials import CredentialProvider, Credentials

from schemas.kafka.msk_iam import LIFETIME, of_msk, sign

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
PLAIN = Credentials("AKIAEXAMPLE", "sec/ret+key=")
ASSUMED = Credentials("ASIAEXAMPLE", "sec/ret+key=", "to/ken+with=signs&more")


class Given(CredentialProvider):
    def __init__(self, credentials: Credentials) -> None:
        super().__init__()
        self._credentials = credentials

    def load(self) -> Credentials:
        return self._credentials


def parameters(token: str) -> tuple[str, dict[str, str]]:
    url = urlsplit(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    return f"{url.scheme}://{url.netloc}{url.path}", dict(parse_qsl(url.query, keep_blank_values=True))


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
@pytest.mark.parametrize("credentials", [PLAIN, ASSUMED], ids=["user", "role"])
def test_the_signature_is_the_official_one(
    credentials: Credentials, region: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    wanted, expires = official(region, Given(credentials))
    address, theirs = parameters(wanted)
    told, ours = parameters(sign(region, credentials))
    assert told == address == f"https://kafka.{region}.amazonaws.com/"
    assert theirs.pop("User-Agent").startswith("aws-msk-iam-sasl-signer-python")
    assert ours.pop("User-Agent") == "cleanroomsml-service"
    assert ours == theirs
    assert len(ours["X-Amz-Signature"]) == 64
    assert ours["X-Amz-Date"] == "20260304T050607Z"
    assert expires / 1000 == NOW.timestamp() + LIFETIME


def test_another_key_signs_otherwise() -> None:
    first, second = (parameters(sign("eu-west-1", each))[1] for each in (PLAIN, Credentials("AKIAEXAMPLE", "other")))
    assert first["X-Amz-Signature"] != second["X-Amz-Signature"]


async def test_signing_is_short() -> None:
    """It happens in the event loop, once in 12 minutes; the official signer also looks for credentials there."""

    async def credentials() -> Credentials:
        return ASSUMED

    fetch = of_msk("eu-west-1", credentials)
    await fetch()
    begun = time.process_time()
    for _ in range(50):
        await fetch()
    assert (time.process_time() - begun) / 50 < 0.005, "CPU seconds for a token"
