"""What aiokafka's clients get of the settings: TLS, SASL, and where tokens come from."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from aiokafka import conn

from schemas.kafka.reauthentication import RenewingConnection
from service.adapters.kafka.auth import security as module
from service.adapters.kafka.auth.security import fetch_of, security
from service.adapters.kafka.auth.token_endpoint import TokenEndpoint
from service.settings import Kafka
from service.settings.oauth import OAuth

ENDPOINT: dict[str, Any] = {"provider": "client_credentials", "token_url": "https://id/token", "client_id": "svc"}


@pytest.fixture(autouse=True)
def uninstalled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", conn.AIOKafkaConnection)


def kafka(**more: Any) -> Kafka:
    return Kafka(bootstrap_servers=("b:9092",), **more)


def test_plain_connections_need_nothing() -> None:
    before = conn.AIOKafkaConnection
    assert security(kafka()) == {"security_protocol": "PLAINTEXT"}
    assert conn.AIOKafkaConnection is before


@pytest.mark.parametrize("check", [True, False])
def test_tls_verifies_the_broker_and_its_name_unless_told_otherwise(check: bool) -> None:
    context = security(kafka(security_protocol="SSL", ssl_check_hostname=check))["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, check)


@pytest.mark.parametrize("name", ["ssl_ca_file", "ssl_cert_file"])
def test_a_file_that_is_not_there_is_an_error_of_the_system(name: str, tmp_path: Path) -> None:
    files = {name: tmp_path / "absent.pem"}
    if name == "ssl_cert_file":
        files["ssl_key_file"] = tmp_path / "absent.key"
    with pytest.raises(OSError, match=r".+"):
        security(kafka(security_protocol="SSL", **files))


def test_a_password_and_renewed_sessions() -> None:
    options = security(
        kafka(
            security_protocol="SASL_SSL",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_username="svc",
            sasl_password="canary",
        )
    )
    assert options["sasl_mechanism"] == "SCRAM-SHA-512"
    assert (options["sasl_plain_username"], options["sasl_plain_password"]) == ("svc", "canary")
    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert conn.AIOKafkaConnection is RenewingConnection


async def test_tokens_of_a_file_are_read_anew(tmp_path: Path) -> None:
    token = tmp_path / "token"
    fetch = fetch_of(OAuth(provider="file", token_file=token))
    for content in ("one", "two"):
        token.write_text(content)
        assert (await fetch()).text == content


def asked(monkeypatch: pytest.MonkeyPatch, oauth: OAuth) -> TokenEndpoint:
    """What would be asked for a token."""
    found: list[TokenEndpoint] = []
    monkeypatch.setattr(module, "of_endpoint", found.append)
    fetch_of(oauth)
    return found[0]


def test_a_client_secret_of_a_file_is_read_for_every_token(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("one\n")
    client = asked(monkeypatch, OAuth(**ENDPOINT, client_secret_file=file))
    assert client.secret() == "one"
    file.write_text("two")
    assert client.secret() == "two"


def test_only_what_is_set_is_sent_to_the_token_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    client = asked(monkeypatch, OAuth(**ENDPOINT, client_secret="canary", scope="kafka"))
    assert (client.url, client.client_id, client.secret(), client.more) == (
        "https://id/token",
        "svc",
        "canary",
        {"scope": "kafka"},
    )
    assert "canary" not in repr(client)


@pytest.mark.parametrize("fips", [True, False])
async def test_credentials_for_msk_come_from_the_kind_of_endpoint_that_targets_demand(
    monkeypatch: pytest.MonkeyPatch, fips: bool
) -> None:
    made: list[Any] = []

    class Clients:
        def __init__(self, targets: dict[str, Any]) -> None:
            self.target, self.closed = targets["kafka"], 0
            made.append(self)

        async def frozen_credentials(self, name: str) -> str:
            raise ConnectionError("no STS")

        async def close(self) -> None:
            self.closed += 1

    monkeypatch.setattr(module, "Clients", Clients)
    monkeypatch.setattr(module, "of_msk", lambda region, credentials: (region, credentials))
    role = "arn:aws:iam::111122223333:role/kafka"
    fetch: Any = fetch_of(OAuth(provider="msk_iam", region="eu-west-1", role_arn=role), fips=fips)
    region, credentials = fetch
    assert region == "eu-west-1"
    with pytest.raises(ConnectionError):
        await credentials()
    [clients] = made
    assert (clients.target.role_arn, clients.target.fips, clients.closed) == (role, fips, 1)
