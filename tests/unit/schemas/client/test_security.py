"""The settings' security, as aiokafka takes it: the same as the service's for the same settings."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import conn
from botocore.credentials import Credentials

from schemas.client import ClientSettings
from schemas.client import security as module
from schemas.client.security import chain_credentials, options, token_fetch
from schemas.kafka.tokens import TokenUnavailable
from service.adapters.kafka.auth.security import security
from service.settings import Kafka


@pytest.fixture(autouse=True)
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", conn.AIOKafkaConnection)


def settings(**more: Any) -> ClientSettings:
    return ClientSettings(**{"bootstrap_servers": "broker:9092", "source": "/planner"} | more)


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"security_protocol": "SSL"},
        {"security_protocol": "SSL", "ssl_check_hostname": False},
        {"security_protocol": "SASL_SSL", "sasl_username": "me", "sasl_password": "s"},
        {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "me", "sasl_password": "s"},
    ],
)
def test_it_is_the_services_security(given: dict[str, Any]) -> None:
    ours, theirs = options(settings(**given)), security(Kafka(bootstrap_servers=("broker:9092",), **given))
    contexts = [each.pop("ssl_context", None) for each in (ours, theirs)]
    assert ours == theirs
    shown = [isinstance(each, ssl.SSLContext) and (each.check_hostname, each.verify_mode) for each in contexts]
    assert shown[0] == shown[1]


async def test_tokens_of_each_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    file.write_text("of a file")

    async def source() -> str:
        return "of a function"

    oauth = {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}
    for given, text in (({"oauth_token_file": file}, "of a file"), ({"oauth_token": source}, "of a function")):
        assert await options(settings(**oauth, **given))["sasl_oauth_token_provider"].token() == text
    credentials = Credentials("AKIAEXAMPLE", "secret")
    monkeypatch.setattr(module, "_frozen", lambda: credentials)
    assert await options(settings(**oauth, oauth_region="eu-west-1"))["sasl_oauth_token_provider"].token()
    assert token_fetch(settings()) is None


async def test_a_function_that_fails_is_a_token_that_is_missing() -> None:
    async def source() -> str:
        raise RuntimeError("canary")

    fetch = token_fetch(settings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", oauth_token=source))
    assert fetch is not None
    with pytest.raises(TokenUnavailable, match="oauth_token failed with RuntimeError") as failed:
        await fetch()
    assert "canary" not in str(failed.value)


async def test_without_credentials_a_client_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: None)
    fetch = token_fetch(settings(security_protocol="SASL_SSL", sasl_mechanism="OAUTHBEARER", oauth_region="eu-west-1"))
    assert fetch is not None
    with pytest.raises(TokenUnavailable, match="no AWS credentials for MSK"):
        await fetch()
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: Credentials("AKIA", "s"))
    assert (await chain_credentials()).access_key == "AKIA"


def test_options_that_a_program_has_already_are_taken_as_they_are() -> None:
    assert options(settings(security={"security_protocol": "SSL"})) == {"security_protocol": "SSL"}
