"""AWS's own variables: cleaned, pinned, or refused by name before anything is sent."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES

from service.adapters.aws import AwsApi, Clients, environment
from service.adapters.aws.clients import _session
from service.operator.diagnostics.aws_target import probe
from service.runtime.ports import Failure, Reply
from service.settings import SettingsError, Target
from tests.support.identities import joined
from tests.support.wire import Server

VARIABLES = {
    name: variable
    for name, (_, variables, *_) in BOTOCORE_DEFAUT_SESSION_VARIABLES.items()
    for variable in ([variables] if isinstance(variables, str) else variables or ())
}
MORE = (
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CREDENTIAL_FILE"),
    *("AWS_EC2_METADATA_DISABLED", "AWS_CREDENTIAL_EXPIRATION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_ACCOUNT_ID", "AWS_ENDPOINT_URL_STS", "BOTO_CONFIG", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY"),
)
NAMES = tuple(sorted({*VARIABLES.values(), *MORE}))
GOOD = {
    "AWS_CA_BUNDLE": "",  # a file that is read is tested with its module
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:9",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE": "IPv4",
    "AWS_METADATA_SERVICE_NUM_ATTEMPTS": "2",
    "AWS_METADATA_SERVICE_TIMEOUT": "2",
    "AWS_STS_REGIONAL_ENDPOINTS": "regional",
    "AWS_MAX_ATTEMPTS": "2",
    "AWS_RETRY_MODE": "adaptive",
    "AWS_DEFAULTS_MODE": "standard",
    "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",
    "AWS_RESPONSE_CHECKSUM_VALIDATION": "when_required",
    "AWS_ACCOUNT_ID_ENDPOINT_MODE": "preferred",
    "AWS_REQUEST_MIN_COMPRESSION_SIZE_BYTES": "1024",
}
REFUSED = {
    *("AWS_DEFAULT_PROFILE", "AWS_PROFILE", "AWS_CA_BUNDLE", "AWS_CREDENTIAL_FILE", "AWS_CREDENTIAL_EXPIRATION"),
    *("AWS_EC2_METADATA_DISABLED", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"),
    *("AWS_EC2_METADATA_V1_DISABLED", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_IMDS_USE_IPV6"),
    *("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "AWS_METADATA_SERVICE_TIMEOUT"),
    *("AWS_USE_DUALSTACK_ENDPOINT", "AWS_USE_FIPS_ENDPOINT", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
}
"""What makes a difference here and has a form: a value that has none stops the start."""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is removed from the environment comes back."""
    for name in list(os.environ):
        if name.upper().startswith(("AWS_", "BOTO")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    with pytest.MonkeyPatch.context() as kept:
        for name in NAMES:
            kept.delenv(name, raising=False)
        yield


async def assert_serves(made: list[Clients], server: Server) -> None:
    sessions, api = joined(made, server)
    assert isinstance(await api.call("default", "ListAudienceModels", {}, timeout=5), Reply)
    findings = await probe(sessions, api, "default")
    assert all(finding.ok for finding in findings), findings


@pytest.mark.parametrize("value", ["", " ", "\n", "\t\r\n"])
async def test_blank_variables_count_as_not_set(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """All at once, and each by itself below; with keys in the environment."""
    for name in NAMES:
        monkeypatch.setenv(name, value)
    await assert_serves(made, server)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["", " "])
def test_a_blank_variable_is_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    Clients({"a": Target(region="eu-west-1")})
    assert not os.environ.get(name)
    assert name in os.environ or "proxy" not in name.lower(), "an empty https_proxy rules out HTTPS_PROXY"


@pytest.mark.parametrize("end", ["\n", "\r\n", " "])
async def test_white_space_at_the_end_does_not_belong_to_the_value(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    for name in NAMES:
        if value := GOOD.get(name):
            monkeypatch.setenv(name, value + end)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, os.environ[name] + end)
    await assert_serves(made, server)


@pytest.mark.parametrize("name", sorted(set(VARIABLES.values()) - REFUSED - {"AWS_DEFAULT_REGION"}))
async def test_a_value_that_makes_no_difference_here_breaks_no_call(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "bad")
    await assert_serves(made, server)


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_value_that_cannot_be_used_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "bad")
    with pytest.raises(SettingsError, match=f"^{name}: "):
        Clients({"a": Target(region="eu-west-1")})


@pytest.mark.parametrize("value", ["http://", "http://[", "http://h:99999", "://", "3128", ":3128", "http://10.0.0"])
@pytest.mark.parametrize("name", ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"])
def test_a_proxy_that_is_no_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=f"^{name}: must be an address such as http://host:3128$"):
        Clients({"a": Target(region="eu-west-1")})


def test_several_are_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", "0")
    monkeypatch.setenv("AWS_USE_FIPS_ENDPOINT", "1")
    with pytest.raises(SettingsError) as caught:
        Clients({"a": Target(region="eu-west-1")})
    assert str(caught.value).splitlines() == [
        "AWS_METADATA_SERVICE_TIMEOUT: must be a number from 1 to 3600, found '0'",
        "AWS_USE_FIPS_ENDPOINT: must be true or false, found '1'",
    ]


def test_a_profile_is_read_by_the_same_rules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default]\nmetadata_service_timeout = x\nretry_mode = bad\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config\n")
    with pytest.raises(SettingsError, match=r"^metadata_service_timeout of the profile \(AWS_CONFIG_FILE\): must be"):
        Clients({"a": Target(region="eu-west-1")})


@pytest.mark.parametrize("name", ["AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"])
def test_a_file_that_cannot_be_read_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    (tmp_path / "file").write_text("[default\nx")
    monkeypatch.setenv(name, str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=f"^{name}: .*{tmp_path / 'file'}"):
        Clients({"a": Target(region="eu-west-1")})


@pytest.mark.parametrize("name", sorted(environment.PINNED))
def test_every_session_has_the_pinned_values(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    """Those of the targets' clients, and that of the credential chain."""
    option = BOTOCORE_DEFAUT_SESSION_VARIABLES[name][0]
    (tmp_path / "config").write_text(f"[default]\n{option} = bad\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    if name in VARIABLES:
        monkeypatch.setenv(VARIABLES[name], "bad")
    assert _session().get_config_variable(name) == environment.PINNED[name]


def test_each_variable_of_botocore_is_pinned_read_by_its_form_or_free() -> None:
    """A newer botocore may have more; whoever takes it decides what they mean here."""
    free = {
        *("profile", "region", "config_file", "ca_bundle", "credentials_file", "user_agent_appid"),
        *("csm_host", "csm_port", "csm_client_id"),  # read only where csm_enabled is true
    }
    assert free | environment.PINNED.keys() | environment._FORMS.keys() == BOTOCORE_DEFAUT_SESSION_VARIABLES.keys()


async def test_a_pods_identity_does_not_depend_on_the_sdks_variables(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("first")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod\n")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", f"{tmp_path / 'token'}\n")
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"{server.url}\n")
    for name in (*environment.PINNED.keys() & VARIABLES.keys(),):
        monkeypatch.setenv(VARIABLES[name], "bad")
    await assert_serves(made, server)


async def test_a_client_that_cannot_be_made_is_no_refusal_of_the_request(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration that broke while the service runs delays its calls; no command ends for it."""
    made.append(sessions := Clients({"a": Target(region="eu-west-1", endpoint_url=server.url)}))
    monkeypatch.setenv("AWS_PROFILE", "nope")
    outcome: Any = await AwsApi(sessions).call("a", "ListAudienceModels", {}, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ConnectFailed", False)
    assert "AWS_PROFILE" in outcome.message
