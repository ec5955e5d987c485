"""TLS as in production: certificates are verified, and a refusal is certain to have sent nothing."""

import shutil
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.adapters.aws import AwsApi, Clients
from service.runtime.ports import Failure, Reply
from service.settings import Target
from tests.support.wire import answer, serving

LIST: tuple[str, Mapping[str, Any]] = ("ListAudienceModels", {})


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 with its key, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return file


async def outcome(certificate: Path, **more: Any) -> Reply | Failure:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with serving(answer(200, {"audienceModels": []}), context) as server:
        api = AwsApi(Clients({"default": Target(region="eu-west-1", endpoint_url=server.url, **more)}))
        try:
            return await api.call("default", *LIST, timeout=5)
        finally:
            await api.close()


async def test_a_trusted_certificate(certificate: Path) -> None:
    assert isinstance(await outcome(certificate, ca_file=str(certificate)), Reply)


async def test_an_unknown_certificate(certificate: Path) -> None:
    failure = await outcome(certificate)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("ConnectFailed", False)
    assert "certificate" in failure.message.lower()


@pytest.mark.parametrize("name", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
@pytest.mark.parametrize("value", ["", " ", "\n"])
async def test_a_blank_bundle_does_not_switch_verification_off(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """By itself, botocore refuses every call, for good; certificates are verified as if it were not set."""
    monkeypatch.setenv(name, value)
    failure = await outcome(certificate)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("ConnectFailed", False)
    assert "certificate" in failure.message.lower()


@pytest.mark.parametrize("value", ["", " "])
async def test_a_blank_bundle_does_not_show_keys_to_anybody(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    """STS of a target, and of the credential chain: neither gets a request."""
    monkeypatch.setenv("AWS_CA_BUNDLE", value)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    async with serving(answer(200, b""), context) as server:
        sessions = Clients({"default": Target(region="eu-west-1", endpoint_url=server.url)})
        with pytest.raises(BotoCoreError, match=r"(?i)certificate"):
            await sessions.identity("default")
        async with sessions.base.create_client("sts", region_name="eu-west-1", endpoint_url=server.url) as chain:
            with pytest.raises(BotoCoreError, match=r"(?i)certificate"):
                await chain.get_caller_identity()
        await sessions.close()
    assert not server.requests


@pytest.mark.parametrize("end", ["", "\n"])
async def test_a_bundle_of_the_environment(certificate: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", f"{certificate}{end}")
    assert isinstance(await outcome(certificate), Reply)


async def test_verification_switched_off(certificate: Path) -> None:
    assert isinstance(await outcome(certificate, verify=False), Reply)


async def test_a_ca_file_that_vanishes(certificate: Path, tmp_path: Path) -> None:
    """One that is missing from the start is refused with the settings, see `test_aws_addresses`."""
    ca = tmp_path / "vanishing.pem"
    shutil.copy(certificate, ca)
    sessions = Clients({"default": Target(region="eu-west-1", endpoint_url="https://127.0.0.1:9", ca_file=str(ca))})
    ca.unlink()
    failure = await AwsApi(sessions).call("default", "ListAudienceModels", {}, timeout=5)
    await sessions.close()
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("ConnectFailed", False)


async def test_a_blank_bundle_of_a_profile_is_none(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By itself, botocore refuses every call for it; certificates are verified as if it were not set."""
    config = tmp_path / "config"
    config.write_text("[default]\nca_bundle =\n", encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    failure = await outcome(certificate)
    assert isinstance(failure, Failure)
    assert (failure.code, failure.sent) == ("ConnectFailed", False)
    assert "certificate" in failure.message.lower()
