"""Settings of the way into Kafka: which belong together, and secrets from files."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from service.settings import Settings, SettingsError, load
from service.settings.base import FILE, secrets_of

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "AWS_REGION": "eu-west-1"}
OAUTH = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"}
CANARY = "canary-secret"


def loaded(**kafka: str) -> Settings:
    return load(None, LEAST | {f"CRML_KAFKA__{name}": value for name, value in kafka.items()})


def refused(**kafka: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(**kafka)
    return str(caught.value)


def _groups(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for below in (field.annotation, *get_args(field.annotation)):
            if isinstance(below, type) and issubclass(below, BaseModel):
                yield from _groups(below)


def test_every_secret_may_come_from_a_file() -> None:
    secrets = {name: group for group in _groups(Settings) for name in secrets_of(group)}
    assert set(secrets) >= {"sasl_password", "ssl_key_password", "client_secret", "proxy"}
    for name, group in secrets.items():
        assert name + FILE in group.model_fields, f"{group.__name__}.{name} has no twin {name}{FILE}"


def test_a_secret_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text(f" {CANARY} \r\n")
    kafka = loaded(SECURITY_PROTOCOL="SASL_SSL", SASL_USERNAME="u", SASL_PASSWORD_FILE=str(file)).kafka
    assert kafka.sasl_password is not None
    assert kafka.sasl_password.get_secret_value() == f" {CANARY} "
    assert CANARY not in repr(kafka)


def test_a_secret_from_a_file_that_the_settings_file_names(tmp_path: Path) -> None:
    secret, file = tmp_path / "proxy", tmp_path / "settings.yaml"
    secret.write_text("http://user:pass@proxy:3128\n")
    file.write_text(f"targets: {{eu: {{region: eu-west-1, proxy_file: {secret}}}}}\n")
    proxy = load(file, LEAST).targets["eu"].proxy
    assert proxy is not None
    assert proxy.get_secret_value() == "http://user:pass@proxy:3128"


@pytest.mark.parametrize(
    ("kafka", "told"),
    [
        ({"SASL_PASSWORD_FILE": "/no/such"}, "kafka: sasl_password_file: /no/such can't be read: "),
        ({"SASL_PASSWORD_FILE": "EMPTY"}, "is empty; expected a secret in it"),
        ({"SASL_PASSWORD_FILE": "FULL", "SASL_PASSWORD": CANARY}, "sasl_password and sasl_password_file are both set"),
        (OAUTH, "oauth.provider is needed for OAUTHBEARER"),
        (OAUTH | {"OAUTH__REGION": "eu-west-1"}, "kafka.oauth.provider: not set"),
        (OAUTH | {"OAUTH__PROVIDER": "msk"}, "expected: Input should be 'msk_iam', 'client_credentials' or 'file'"),
        (OAUTH | {"OAUTH__PROVIDER": "file"}, "token_file is needed for file"),
        (OAUTH | {"OAUTH__PROVIDER": "client_credentials"}, "token_url is needed for client_credentials; client_id"),
        (OAUTH | {"OAUTH__PROVIDER": "msk_iam", "OAUTH__SCOPE": "x"}, "scope is not for msk_iam; its settings are:"),
        (OAUTH | {"OAUTH__PROVIDER": "msk_iam", "OAUTH__EXTERNAL_ID": "xy"}, "external_id is of no use without"),
        (OAUTH | {"OAUTH__PROVIDER": "msk_iam", "OAUTH__STS_ENDPOINT_URL": "sts"}, "sts_endpoint_url must be a URL"),
        *(
            (OAUTH | {"OAUTH__PROVIDER": "msk_iam", "OAUTH__STS_ENDPOINT_URL": url}, told)
            for url, told in (
                ("http://10.0.0.1", "sts_endpoint_url is plain http beyond this machine"),
                ("https://", "sts_endpoint_url must be a URL"),
                ("https://u:p@h", "sts_endpoint_url must be a URL"),
                ("https://h:99999", "sts_endpoint_url must be a URL"),
            )
        ),
        ({"OAUTH__PROVIDER": "msk_iam"}, "oauth is for sasl_mechanism OAUTHBEARER with a SASL protocol"),
        ({"SECURITY_PROTOCOL": "SASL_SSL"}, "sasl_username and sasl_password (or sasl_password_file) are needed"),
    ],
)
def test_what_does_not_fit(kafka: dict[str, str], told: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "full").write_text(CANARY)
    files = {"EMPTY": str(tmp_path / "empty"), "FULL": str(tmp_path / "full")}
    message = refused(**{name: files.get(value, value) for name, value in kafka.items()})
    assert told in message
    assert CANARY not in message


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
