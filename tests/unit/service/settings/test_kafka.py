"""Settings of the way into Kafka: which belong together, and secrets from files."""

from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, load

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "a:9092", "AWS_REGION": "eu-west-1"}
OAUTH = {"SECURITY_PROTOCOL": "SASL_SSL", "SASL_MECHANISM": "OAUTHBEARER"}
CANARY = "canary-secret"


def loaded(**kafka: str) -> Settings:
    return load(None, LEAST | {f"CRML_KAFKA__{name}": value for name, value in kafka.items()})


def refused(**kafka: str) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(**kafka)
    return str(caught.value)


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
