"""Who can prove what: a certificate authority, and an issuer of tokens, both of this test run only."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

KEY_PASSWORD = "canary-key-password"


class Authority:
    """Signs certificates; everything is kept as PEM files."""

    def __init__(self, directory: Path, name: str = "test authority") -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        certificate = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(True, None), True)
        self.file = directory / "ca.pem"
        self.file.write_bytes(certificate.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str, *, password: str = "") -> tuple[Path, Path]:
        """A certificate for a name, good for 127.0.0.1, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("localhost")])
        signed = self._builder(_named(name), key).add_extension(own, False).sign(self._key, hashes.SHA256())
        certificate, private = self._directory / f"{name}.pem", self._directory / f"{name}.key"
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        hidden = serialization.BestAvailableEncryption(password.encode()) if password else serialization.NoEncryption()
        private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, hidden))
        return certificate, private

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Issuer:
    """Signs JSON Web Tokens with RS256.

    Attributes:
        name: The `iss` of its tokens.
        keys: A file with its public key, as a JSON Web Key Set.
    """

    name = "https://issuer.test"

    def __init__(self, directory: Path) -> None:
        self._key = rsa.generate_private_key(65537, 2048)
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": _number(numbers.n), "e": _number(numbers.e)}
        self.keys = directory / "jwks.json"
        self.keys.write_text(json.dumps({"keys": [key]}))

    def token(self, subject: str, seconds: float = 300, **claims: Any) -> str:
        now = time.time()
        head = {"alg": "RS256", "kid": "1", "typ": "JWT"}
        body = {"sub": subject, "iss": self.name, "aud": "kafka", "iat": int(now), "exp": int(now + seconds), **claims}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in (head, body))
        return (signed + b"." + _encoded(self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256()))).decode()


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def _number(value: int) -> str:
    return _encoded(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()
