"""When credentials end, from the files and sessions that have them."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.adapters.expiries import (
    CERTIFICATE,
    KAFKA_TOKEN,
    POD_IDENTITY,
    SESSION,
    WEB_IDENTITY,
    Expiries,
    certificate_end,
)


def pem(end: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crml " * 12)])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = (
        made.serial_number(x509.random_serial_number()).not_valid_before(end - timedelta(days=9)).not_valid_after(end)
    )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def jwt(**claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize("end", [datetime(2027, 3, 1, 12, 30, 5, tzinfo=UTC), datetime(2061, 1, 2, tzinfo=UTC)])
def test_a_certificate_says_when_it_ends_in_both_forms_of_time(tmp_path: Path, end: datetime) -> None:
    """RFC 5280 writes years from 2050 on in another form. The first certificate of a chain is ours."""
    file = tmp_path / "tls.crt"
    file.write_bytes(b"Bag Attributes\n" + pem(end) + pem(datetime(2026, 12, 1, tzinfo=UTC)))
    assert certificate_end(file) == end.timestamp()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", pem(datetime(2030, 1, 1, tzinfo=UTC))[:200], b"-----BEGIN "])
def test_what_is_no_certificate_says_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tls.crt"
    file.write_bytes(content)
    assert certificate_end(file) is None
    body = base64.b64encode(b"\x30\x03\x02\x01\x05").decode()
    file.write_text(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    assert certificate_end(file) is None
    assert certificate_end(tmp_path / "absent") is None


def test_tokens_are_read_at_each_question_and_the_certificate_once(tmp_path: Path) -> None:
    certificate, kafka, web, pod = (tmp_path / name for name in "abcd")
    first = datetime(2027, 1, 1, tzinfo=UTC)
    certificate.write_bytes(pem(first))
    kafka.write_text(jwt(exp=2_000))
    web.write_text(f"{jwt(exp=3_000)}\n")
    variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(web), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(pod)}
    expiries = Expiries(certificate, kafka, variables, lambda: {"eu": 5_000.0})
    known = {(CERTIFICATE, ""): first.timestamp(), (KAFKA_TOKEN, ""): 2_000.0, (SESSION, "eu"): 5_000.0}
    assert expiries.values() == known | {(WEB_IDENTITY, ""): 3_000.0}
    certificate.write_bytes(pem(datetime(2028, 1, 1, tzinfo=UTC)))
    kafka.write_text("opaque")
    web.write_text(jwt(exp=4_000))
    pod.write_text(jwt(exp=6_000))
    del known[KAFKA_TOKEN, ""]
    assert expiries.values() == known | {(WEB_IDENTITY, ""): 4_000.0, (POD_IDENTITY, ""): 6_000.0}


def test_without_any_there_is_nothing() -> None:
    assert Expiries(None, None, {"AWS_WEB_IDENTITY_TOKEN_FILE": ""}, dict).values() == {}
