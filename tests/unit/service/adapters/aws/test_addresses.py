"""Settings decide where calls go: neither the environment nor a profile leads them elsewhere unseen."""

import json
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from botocore.loaders import Loader

from schemas import shapes
from schemas.operations import OPERATIONS
from service.adapters.aws import Clients, addresses
from service.adapters.aws.credentials import sts_client
from service.adapters.aws.transport import Attempt, attempting
from service.operator.diagnostics.aws_target import probe
from service.settings import SettingsError, Target
from tests.support.identities import Aws, joined
from tests.support.wire import Server, serving

REGIONS = (
    *("eu-west-1", "us-east-1", "us-gov-west-1", "cn-north-1", "eusc-de-east-1", "mx-central-1"),
    *("us-iso-east-1", "us-isob-east-1", "eu-isoe-west-1", "us-isof-south-1"),
)
HIDDEN = {
    "AWS_ENDPOINT_URL": "http://hidden.example",
    "AWS_ENDPOINT_URL_CLEANROOMSML": "http://hidden.example",
    "AWS_ENDPOINT_URL_STS": "http://hidden.example",
}
PROFILE = """[default]
endpoint_url = http://hidden.example
services = mine
[services mine]
sts =
  endpoint_url = http://hidden.example
cleanroomsml =
  endpoint_url = http://hidden.example
"""


@pytest.fixture(params=[*HIDDEN, "profile"])
def hidden(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """One thing outside the settings that moves an SDK's calls."""
    if request.param == "profile":
        (tmp_path / "config").write_text(PROFILE)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        return addresses._PROFILE
    monkeypatch.setenv(request.param, HIDDEN[request.param])
    return str(request.param)


class Stopped(Exception):
    """The request was about to leave."""


async def reached(client: Any, operation: str) -> str:
    """Where a request of a client would go; nothing leaves."""
    urls: list[str] = []

    async def stop(request: Any) -> None:
        urls.append(request.url)
        raise Stopped

    with attempting(Attempt()), pytest.raises(Stopped), patch.object(client._endpoint.http_session, "send", stop):
        await getattr(client, operation)()
    return "/".join(urls[0].split("/")[:3])


async def assert_reached(sessions: Clients, name: str) -> None:
    target = sessions.target(name)
    assert await reached(await sessions.client(name), "list_audience_models") == addresses.api_address(target)
    async with sts_client(sessions.base, target, aws_access_key_id="x", aws_secret_access_key="x") as sts:
        assert await reached(sts, "get_caller_identity") == addresses.sts_address(target)


@pytest.mark.parametrize("name", ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT", "AWS_STS_REGIONAL_ENDPOINTS"])
async def test_no_variable_changes_the_kind_of_endpoint(
    made: list[Clients], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "legacy" if name.startswith("AWS_STS") else "true")
    made.append(sessions := Clients({"a": Target(region="us-east-1")}))
    await assert_reached(sessions, "a")
    assert addresses.sts_address(sessions.target("a")) == "https://sts.us-east-1.amazonaws.com"


async def test_what_is_shown_is_where_calls_go(made: list[Clients]) -> None:
    """Both clients of a target, in every partition, and in each kind where botocore knows one."""
    kinds = [*product(REGIONS, (False,), (False,)), *product(REGIONS[:3], (False, True), (False, True))]
    targets = {str(n): Target(region=region, fips=fips, dualstack=dual) for n, (region, fips, dual) in enumerate(kinds)}
    made.append(sessions := Clients(targets))
    for name in targets:
        await assert_reached(sessions, name)


async def test_clients_go_where_the_settings_say(made: list[Clients], hidden: str) -> None:
    targets = {
        "plain": Target(region="eu-west-1"),
        "fips": Target(region="eu-west-1", fips=True),
        "own": Target(region="eu-west-1", endpoint_url="https://own.example"),
        "sts": Target(region="eu-west-1", sts_endpoint_url="https://own.example"),
    }
    made.append(sessions := Clients(targets))
    for name, target in targets.items():
        await assert_reached(sessions, name)
        assert "hidden" not in addresses.api_address(target) + addresses.sts_address(target), hidden


async def test_check_shows_addresses_and_names_what_is_ignored(
    made: list[Clients], server: Server, hidden: str
) -> None:
    sessions, api = joined(made, server)
    _, identity, listing = await probe(sessions, api, "default")
    assert f"says {server.url}" in identity.message
    assert f"answers at {server.url}" in listing.message
    named = {finding.message for finding in (identity, listing) if f"ignored: {hidden}; set " in finding.message}
    wanted = {"AWS_ENDPOINT_URL_STS": {identity.message}, "AWS_ENDPOINT_URL_CLEANROOMSML": {listing.message}}
    assert named == wanted.get(hidden, {identity.message, listing.message})


async def test_check_does_not_warn_of_the_address_that_is_used(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    sessions, api = joined(made, server)
    assert not [finding for finding in await probe(sessions, api, "default") if "ignored" in finding.message]


@pytest.mark.parametrize(
    ("url", "target", "wanted"),
    [
        ("https://vpce.example", {}, "https://vpce.example"),
        ("http://127.0.0.1:1", {}, "http://127.0.0.1:1"),
        ("http://hidden.example", {}, "https://sts.eu-west-1.amazonaws.com"),
        ("http://hidden.example", {"allow_plain_http": True}, "http://hidden.example"),
        ("https://vpce.example", {"fips": True}, "https://sts-fips.eu-west-1.amazonaws.com"),
    ],
)
async def test_the_chains_own_sts(
    made: list[Clients], monkeypatch: pytest.MonkeyPatch, url: str, target: dict[str, bool], wanted: str
) -> None:
    """A pod's token goes where its variable says, but never over plain http, nor past FIPS."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    made.append(sessions := Clients({"a": Target(region="eu-west-1", **target)}))
    assert addresses.chain_address(sessions.base, "eu-west-1") == wanted
    async with sessions.base.create_client("sts", region_name="eu-west-1") as client:
        assert await reached(client, "get_caller_identity") == wanted


@pytest.mark.parametrize("service", ["SSO", "SSO_OIDC", "SIGNIN"])
@pytest.mark.parametrize(
    ("url", "target", "ignored"),
    [
        ("https://vpce.example", {}, False),
        ("http://hidden.example", {}, True),
        ("http://hidden.example", {"allow_plain_http": True}, False),
        ("https://vpce.example", {"fips": True}, True),
    ],
)
async def test_a_single_sign_on_is_shown_to_no_plain_address(
    made: list[Clients],
    monkeypatch: pytest.MonkeyPatch,
    service: str,
    url: str,
    target: dict[str, bool],
    ignored: bool,
) -> None:
    monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", url)
    made.append(sessions := Clients({"a": Target(region="eu-west-1", **target)}))
    assert bool(sessions.base.get_config_variable("ignore_configured_endpoint_urls")) == ignored


async def test_check_shows_whom_the_pods_token_is_shown(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("first")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/pod")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    sessions, api = joined(made, server)
    assert f", shown to {server.url}" in (await probe(sessions, api, "default"))[0].message


@pytest.mark.parametrize("name", ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"])
@pytest.mark.parametrize("value", ["", " ", "\n"])
async def test_a_profile_that_is_blank_is_none(
    made: list[Clients], monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    made.append(sessions := Clients({"a": Target(region="eu-west-1")}))
    assert (await sessions.frozen_credentials("a")).access_key == "AKIDTEST"


@pytest.mark.parametrize(
    ("value", "wanted"),
    [("", "eu-west-1"), (" ", "eu-west-1"), ("us-east-1\n", "us-east-1"), ("us-east-1", "us-east-1")],
)
def test_the_chains_region(made: list[Clients], monkeypatch: pytest.MonkeyPatch, value: str, wanted: str) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", value)
    made.append(sessions := Clients({"a": Target(region="eu-west-1")}))
    assert sessions.base.get_config_variable("region") == wanted


def test_a_profile_that_does_not_exist_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nope\n")
    with pytest.raises(SettingsError, match=r"AWS_PROFILE: .*\(nope\).*AWS_CONFIG_FILE"):
        Clients({"a": Target(region="eu-west-1")})


def test_a_configuration_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[default\nx")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(SettingsError, match=str(tmp_path / "config")):
        Clients({"a": Target(region="eu-west-1")})


async def test_the_hidden_address_gets_no_call(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not only the client's word: nothing arrives there."""
    async with serving(Aws()) as elsewhere:
        for name in HIDDEN:
            monkeypatch.setenv(name, elsewhere.url)
        sessions, api = joined(made, server, role_arn="arn:aws:iam::111122223333:role/crml")
        findings = await probe(sessions, api, "default")
        assert all(finding.ok for finding in findings), findings
        assert not elsewhere.requests
        assert server.requests


FORGED = {"version": "2.0", "metadata": {"apiVersion": "2029-01-01", "protocol": "rest-json"}, "operations": {}}


async def test_a_model_of_the_machine_is_not_read(
    made: list[Clients],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """Contract and client speak one version of the API, from the installed package."""
    for version in (shapes.API_VERSION, "2029-01-01"):
        folder = tmp_path / "cleanroomsml" / version
        folder.mkdir(parents=True)
        (folder / "service-2.json").write_text(json.dumps(FORGED))
    monkeypatch.setenv("AWS_DATA_PATH", str(tmp_path))
    monkeypatch.setattr(Loader, "CUSTOMER_DATA_PATH", str(tmp_path))  # ~/.aws/models, as of the import
    shapes.loader.cache_clear()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    made.append(sessions := Clients({"a": Target(region="eu-west-1")}))
    client = await sessions.client("a")
    assert client.meta.service_model.api_version == shapes.API_VERSION
    assert set(client.meta.service_model.operation_names) >= OPERATIONS.keys()
