"""A certificate that ends when a test wants it to."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Certificate(NamedTuple):
    """Files, in PEM."""

    certificate: Path
    key: Path


def self_signed(folder: Path, end: datetime) -> Certificate:
    """A certificate with a name that takes more than 127 bytes, as real ones have."""
    key = ec.generate_private_key(ec.SECP256R1())
    names = [x509.NameAttribute(kind, "crml " * 12) for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)]
    name = x509.Name([*names, x509.NameAttribute(NameOID.LOCALITY_NAME, "here")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(x509.random_serial_number())
    made = made.not_valid_before(min(end, datetime.now(UTC)) - timedelta(days=1)).not_valid_after(end)
    files = Certificate(folder / "tls.crt", folder / "tls.key")
    files.certificate.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    text = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    files.key.write_bytes(text)
    return files
