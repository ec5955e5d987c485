"""TLS contexts and SASL options, for the service and for clients."""

import ssl
from pathlib import Path

import pytest
from aiokafka import conn

from schemas.kafka.reauthentication import RenewingConnection
from schemas.kafka.security import sasl_options, ssl_context


@pytest.mark.parametrize("check", [True, False])
def test_a_broker_is_always_verified(check: bool) -> None:
    context = ssl_context(check_hostname=check)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, check)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        ssl_context(ca_file=tmp_path / "none.pem")


def test_sessions_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conn, "AIOKafkaConnection", conn.AIOKafkaConnection)
    assert sasl_options("PLAIN", username="a", password="b") == {
        "sasl_mechanism": "PLAIN",
        "sasl_plain_username": "a",
        "sasl_plain_password": "b",
    }
    tokens = object()
    assert sasl_options("OAUTHBEARER", tokens=tokens)["sasl_oauth_token_provider"] is tokens
    assert conn.AIOKafkaConnection is RenewingConnection
