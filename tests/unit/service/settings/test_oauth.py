"""Settings of OAUTHBEARER: each provider's own, and no others."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from service.settings.oauth import OAuth
from tests.unit.service.settings.test_kafka import CANARY, OAUTH, loaded, refused

ENDPOINT: dict[str, Any] = {
    "provider": "client_credentials",
    "token_url": "https://id/token",
    "client_id": "me",
    "client_secret": CANARY,
}
GOOD: list[dict[str, Any]] = [
    {"provider": "msk_iam", "region": "eu-west-1"},
    {"provider": "file", "token_file": "/token"},
    ENDPOINT,
]


@pytest.mark.parametrize("given", GOOD, ids=lambda given: given["provider"])
def test_the_least_of_each_provider(given: dict[str, Any]) -> None:
    assert OAuth.model_validate(given).provider == given["provider"]
    for name in given.keys() - {"provider"}:
        with pytest.raises(ValidationError, match=f"{name} is needed for {given['provider']}"):
            OAuth.model_validate({key: value for key, value in given.items() if key != name})


@pytest.mark.parametrize("given", GOOD, ids=lambda given: given["provider"])
def test_what_is_anothers_is_refused_with_ones_own(given: dict[str, Any]) -> None:
    others = {name: value for other in GOOD for name, value in other.items() if name not in given}
    for name, value in others.items():
        with pytest.raises(
            ValidationError, match=f"{name} is not for {given['provider']}; its settings are: "
        ) as raised:
            OAuth.model_validate({**given, name: value})
        assert CANARY not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("id/token", "beginning with https:// or http://"),
        ("https://", "with the name of a host, or its IP address"),
        ("https://u:p@id/token", "without a user name"),
        ("https://id:99999/t", "with a port of 1 to 65535"),
        ("https://id:0/t", "with a port of 1 to 65535"),
    ],
)
def test_a_token_endpoint_is_a_plain_address(url: str, rule: str) -> None:
    with pytest.raises(ValidationError, match=f"token_url must be a URL such as https://host:port, {rule}"):
        OAuth.model_validate(ENDPOINT | {"token_url": url})


def test_a_secret_from_a_file_is_enough(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{CANARY}\n")
    given = {name: value for name, value in ENDPOINT.items() if name != "client_secret"}
    secret = OAuth.model_validate(given | {"client_secret_file": tmp_path / "secret"}).client_secret
    assert secret is not None
    assert secret.get_secret_value() == CANARY


def test_an_external_id_needs_a_role() -> None:
    with pytest.raises(ValidationError, match="external_id is of no use without role_arn"):
        OAuth(provider="msk_iam", region="eu-west-1", external_id="xy")


def test_plain_http_to_a_token_endpoint_must_be_meant() -> None:
    given = OAUTH | {
        "OAUTH__PROVIDER": "client_credentials",
        "OAUTH__TOKEN_URL": "http://idp/token",
        "OAUTH__CLIENT_ID": "me",
        "OAUTH__CLIENT_SECRET": CANARY,
    }
    message = refused(**given)
    assert "token_url is plain http beyond this machine: use https, or set allow_plain_http" in message
    assert CANARY not in message
    assert loaded(**given, OAUTH__ALLOW_PLAIN_HTTP="true").kafka.oauth is not None


def test_the_region_for_msk_is_aws_own_unless_set() -> None:
    oauth = loaded(**OAUTH, OAUTH__PROVIDER="msk_iam").kafka.oauth
    assert oauth is not None
    assert oauth.region == "eu-west-1"
    oauth = loaded(**OAUTH, OAUTH__PROVIDER="msk_iam", OAUTH__REGION="us-east-1").kafka.oauth
    assert oauth is not None
    assert oauth.region == "us-east-1"
