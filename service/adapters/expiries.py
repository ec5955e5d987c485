"""When credentials of this process end: a client certificate, tokens that others renew in files, sessions."""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from schemas.kafka.tokens import expiry

CERTIFICATE: Final = "kafka_client_certificate"
KAFKA_TOKEN: Final = "kafka_token_file"  # noqa: S105 - a label value
WEB_IDENTITY: Final = "web_identity_token"
POD_IDENTITY: Final = "pod_identity_token"
SESSION: Final = "aws_session"

_TOKEN_VARIABLES: Final = {
    "AWS_WEB_IDENTITY_TOKEN_FILE": WEB_IDENTITY,
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": POD_IDENTITY,
}
_BEGIN, _END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
_SEQUENCE, _VERSION = 0x30, 0xA0
_UTC_TIME, _GENERALIZED_TIME = 0x17, 0x18


class Expiries:
    """What ends when.

    Args:
        certificate: Our certificate for Kafka. It is read now, as the client does: one that is renewed later is not
            used before a restart.
        kafka_token: File with our token for Kafka.
        environment: Names the files of AWS's tokens.
        sessions: When the session of each target ends, in epoch seconds.
    """

    def __init__(
        self,
        certificate: Path | None,
        kafka_token: Path | None,
        environment: Mapping[str, str],
        sessions: Callable[[], Mapping[str, float]],
    ) -> None:
        self._certificate = certificate_end(certificate) if certificate is not None else None
        named = {what: Path(file) for name, what in _TOKEN_VARIABLES.items() if (file := environment.get(name))}
        self._tokens = named | ({KAFKA_TOKEN: kafka_token} if kafka_token is not None else {})
        self._sessions = sessions

    def values(self) -> dict[tuple[str, ...], float]:
        """Epoch seconds by what ends, and of which target; what does not say when it ends is left out."""
        found: dict[tuple[str, ...], float] = {}
        if self._certificate is not None:
            found[CERTIFICATE, ""] = self._certificate
        for what, file in self._tokens.items():
            if (end := _token_end(file)) is not None:
                found[what, ""] = end
        return found | {(SESSION, target): end for target, end in self._sessions().items()}


def _token_end(file: Path) -> float | None:
    """Read each time: the file changes without a notice."""
    try:
        return expiry(file.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        return None


def certificate_end(file: Path) -> float | None:
    """When the first certificate of a PEM file ends, in epoch seconds; None if that can't be read."""
    try:
        text = file.read_text("ascii", errors="replace")
        begin = text.index(_BEGIN)
        der = ssl.PEM_cert_to_DER_cert(text[begin : text.index(_END, begin) + len(_END)])
        return _not_after(der)
    except (OSError, ValueError, IndexError):
        return None


def _not_after(der: bytes) -> float:
    """RFC 5280, 4.1: a certificate begins with version, serial number, algorithm, issuer and the two times."""
    _, at, _ = _header(der, 0)
    tag, at, end = _header(der, at)
    if tag != _SEQUENCE:
        raise ValueError("no certificate")
    tag, _, after = _header(der, at)
    if tag == _VERSION:
        at = after
    for _ in range(3):  # serial number, algorithm, issuer
        _, _, at = _header(der, at)
    _, at, _ = _header(der, at)
    _, _, at = _header(der, at)  # not before
    tag, begin, end = _header(der, at)
    return _time(tag, der[begin:end].decode("ascii"))


def _time(tag: int, text: str) -> float:
    if tag == _UTC_TIME:
        text = ("20" if text[:2] < "50" else "19") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()


def _header(der: bytes, at: int) -> tuple[int, int, int]:
    """Of the element that begins there: its tag, and where its content begins and ends."""
    tag, length, at = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(der[at : at + size]), at + size
    if at + length > len(der):
        raise ValueError("cut off")
    return tag, at, at + length
