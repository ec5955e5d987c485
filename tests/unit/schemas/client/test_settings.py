"""Settings: the topics that follow from them, and what is refused with all that is wrong."""

from pathlib import Path
from typing import Any

import pytest

from schemas.client import ClientSettings


def settings(**more: Any) -> ClientSettings:
    return ClientSettings(**{"bootstrap_servers": "broker:9092", "source": "/planner"} | more)


def test_topics() -> None:
    assert settings().commands_topic == "cleanroomsml.commands"
    assert settings(tenant="shop").commands_topic == "cleanroomsml.shop.commands"
    assert settings(tenant="shop", commands="mine").commands_topic == "mine"
    assert settings().followed_topics == ("cleanroomsml.replies", "cleanroomsml.events")
    assert settings(prefix="p", follow_events=False, reply_to="p.mine").followed_topics == ("p.replies", "p.mine")
    assert settings(reply_to="cleanroomsml.replies").followed_topics == ("cleanroomsml.replies", "cleanroomsml.events")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"source": ""}, "source must have 1 to 255 characters"),
        ({"security_protocol": "TLS"}, "security_protocol must be one of"),
        ({"ssl_cert_file": Path("a")}, "ssl_cert_file and ssl_key_file go together"),
        ({"security_protocol": "SASL_SSL"}, "sasl_username and sasl_password are needed for SCRAM-SHA-512"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "GSSAPI"}, "sasl_mechanism must be one of"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}, "OAUTHBEARER needs one of oauth_region"),
        ({"oauth_region": "eu-west-1"}, "tokens are for sasl_mechanism OAUTHBEARER"),
        ({"source": "", "security_protocol": "x"}, "; source must have"),
        ({"bootstrap_servers": "a:b"}, "bootstrap_servers: found 'a:b'; expected host:port"),
        ({"bootstrap_servers": "a:1,b:65536"}, "bootstrap_servers: found 'b:65536'"),
        ({"bootstrap_servers": "[::1:9092"}, "bootstrap_servers: found '"),
        ({"bootstrap_servers": "a:1,,b:1"}, "bootstrap_servers: found ''"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(**given)


def test_addresses_of_each_form() -> None:
    for each in ("broker", "broker:9092", " a:1 , b:2 ", "[::1]:9092", "[::1]", "10.0.0.1:9092"):
        assert settings(bootstrap_servers=each).bootstrap_servers == each


def test_secrets_have_no_representation() -> None:
    secret = settings(
        security_protocol="SASL_SSL", sasl_username="me", sasl_password="canary", ssl_key_password="canary"
    )
    assert "canary" not in repr(secret)
