"""What a target's settings mean to botocore: everything is pinned, and certificates are read before any call."""

from pathlib import Path

import pytest

from service.adapters.aws import Clients
from service.adapters.aws.config import USER_AGENT, client_config, require_trust, trusted
from service.settings import SettingsError, Target

PLAIN = Target(region="eu-west-1")


def test_the_targets_numbers_are_the_clients() -> None:
    config = client_config(
        Target(region="eu-west-1", connect_timeout=1.5, read_timeout=2.5, pool=7, keepalive=3.0, fips=True)
    )
    assert (config.connect_timeout, config.read_timeout, config.max_pool_connections) == (1.5, 2.5, 7)
    assert config.connector_args == {"keepalive_timeout": 3.0}
    assert (config.use_fips_endpoint, config.use_dualstack_endpoint) == (True, False)
    assert config.user_agent == USER_AGENT


def test_a_call_is_written_once_unless_it_is_asked_otherwise() -> None:
    assert client_config(PLAIN).retries == {"mode": "standard", "total_max_attempts": 1}
    assert client_config(PLAIN, attempts=3).retries == {"mode": "standard", "total_max_attempts": 3}


def test_a_proxy_serves_both_schemes_and_none_leaves_it_to_the_environment() -> None:
    proxied = Target(region="eu-west-1", proxy="http://user:canary@proxy:3128")
    assert client_config(proxied).proxies == dict.fromkeys(("http", "https"), "http://user:canary@proxy:3128")
    assert client_config(PLAIN).proxies is None


@pytest.mark.parametrize(
    ("target", "wanted"),
    [
        (PLAIN, None),
        (Target(region="eu-west-1", ca_file="/ca.pem"), "/ca.pem"),
        (Target(region="eu-west-1", verify=False), False),
        (Target(region="eu-west-1", verify=False, ca_file="/ca.pem"), False),
    ],
)
def test_which_certificates_are_trusted(target: Target, wanted: bool | str | None) -> None:
    assert trusted(target) == wanted


def test_certificates_that_nobody_verifies_are_not_read() -> None:
    require_trust({"a": Target(region="eu-west-1", verify=False, ca_file="/absent")}, "/absent")


def test_the_targets_own_certificates_come_before_the_machines(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"^targets\.a\.ca_file: /own "):
        require_trust({"a": Target(region="eu-west-1", ca_file="/own")}, "/machine")
    with pytest.raises(SettingsError, match=r"^AWS_CA_BUNDLE: /machine "):
        require_trust({"a": PLAIN}, "/machine")


@pytest.mark.parametrize("content", [None, "", "no certificate"])
@pytest.mark.parametrize("by_variable", [False, True])
def test_certificates_that_cannot_be_read_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, by_variable: bool
) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    if by_variable:
        monkeypatch.setenv("AWS_CA_BUNDLE", str(file))
    target = Target(region="eu-west-1", ca_file=None if by_variable else str(file))
    where = "AWS_CA_BUNDLE" if by_variable else r"targets\.a\.ca_file"
    with pytest.raises(SettingsError, match=f"^{where}: {file} can't be used as certificates"):
        Clients({"a": target})
    Clients({"a": target.model_copy(update={"verify": False})})


def test_the_client_follows_no_configured_address() -> None:
    assert client_config(Target(region="eu-west-1")).ignore_configured_endpoint_urls is True
