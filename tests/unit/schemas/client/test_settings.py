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
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        settings(**given)


def test_secrets_have_no_representation() -> None:
    secret = settings(
        security_protocol="SASL_SSL", sasl_username="me", sasl_password="canary", ssl_key_password="canary"
    )
    assert "canary" not in repr(secret)
