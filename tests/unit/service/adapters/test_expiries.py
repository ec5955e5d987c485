"""When credentials end, from the files and sessions that have them."""

import base64
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.adapters.expiries import (
    CERTIFICATE,
    KAFKA_TOKEN,
    POD_IDENTITY,
    SESSION,
    WEB_IDENTITY,
    Expiries,
    certificate_end,
)
from tests.support.certificates import self_signed


def pem(folder: Path, end: datetime) -> bytes:
    return self_signed(folder, end).certificate.read_bytes()


def jwt(**claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize("end", [datetime(2027, 3, 1, 12, 30, 5, tzinfo=UTC), datetime(2061, 1, 2, tzinfo=UTC)])
def test_a_certificate_says_when_it_ends_in_both_forms_of_time(tmp_path: Path, end: datetime) -> None:
    """RFC 5280 writes years from 2050 on in another form. The first certificate of a chain is ours."""
    file = tmp_path / "chain.crt"
    file.write_bytes(b"Bag Attributes\n" + pem(tmp_path, end) + pem(tmp_path, datetime(2026, 12, 1, tzinfo=UTC)))
    assert certificate_end(file) == end.timestamp()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"-----BEGIN ", b"-----BEGIN CERTIFICATE-----\nMIIB"])
def test_what_is_no_certificate_says_nothing(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "tls.crt"
    file.write_bytes(content)
    assert certificate_end(file) is None
    whole = ssl.PEM_cert_to_DER_cert(self_signed(tmp_path, datetime(2030, 1, 1, tzinfo=UTC)).certificate.read_text())
    for size in range(0, len(whole), 23):
        file.write_text(ssl.DER_cert_to_PEM_cert(whole[:size]))
        assert certificate_end(file) is None
    assert certificate_end(tmp_path / "absent") is None


def test_tokens_are_read_at_each_question_and_the_certificate_once(tmp_path: Path) -> None:
    certificate, kafka, web, pod = (tmp_path / name for name in "abcd")
    first = datetime(2027, 1, 1, tzinfo=UTC)
    certificate.write_bytes(pem(tmp_path, first))
    kafka.write_text(jwt(exp=2_000))
    web.write_text(f"{jwt(exp=3_000)}\n")
    variables = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(web), "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(pod)}
    expiries = Expiries(certificate, kafka, variables, lambda: {"eu": 5_000.0})
    known = {(CERTIFICATE, ""): first.timestamp(), (KAFKA_TOKEN, ""): 2_000.0, (SESSION, "eu"): 5_000.0}
    assert expiries.values() == known | {(WEB_IDENTITY, ""): 3_000.0}
    certificate.write_bytes(pem(tmp_path, datetime(2028, 1, 1, tzinfo=UTC)))
    kafka.write_text("opaque")
    web.write_text(jwt(exp=4_000))
    pod.write_text(jwt(exp=6_000))
    del known[KAFKA_TOKEN, ""]
    assert expiries.values() == known | {(WEB_IDENTITY, ""): 4_000.0, (POD_IDENTITY, ""): 6_000.0}


def test_without_any_there_is_nothing() -> None:
    assert Expiries(None, None, {"AWS_WEB_IDENTITY_TOKEN_FILE": ""}, dict).values() == {}
