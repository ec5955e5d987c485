"""Looks for secrets in what a process has written, in every form in which they travel."""

import base64
import json
from collections.abc import Iterable
from urllib.parse import quote, quote_plus


def leaks(text: str, secrets: Iterable[str]) -> list[str]:
    """The lines, cut, in which a secret stands: as it is, quoted for JSON or a URL, or somewhere in Base64."""
    forms = {form for secret in secrets for form in _forms(secret)}
    return [line[:400] for line in text.splitlines() if any(form in line for form in forms)]


def _forms(secret: str) -> set[str]:
    if len(secret) < 8:
        raise ValueError("a canary of less than 8 letters could stand there by chance")
    plain = {
        secret,
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        repr(secret)[1:-1],
    }
    return plain | {
        form for encoded in (base64.b64encode, base64.urlsafe_b64encode) for form in _shifted(secret, encoded)
    }


def _shifted(secret: str, encoded: object) -> set[str]:
    """What Base64 makes of the secret wherever it stands in a longer text; its ends depend on its neighbours."""
    assert callable(encoded)
    whole = (encoded(b"\0" * shift + secret.encode()).decode() for shift in range(3))
    return {text.rstrip("=")[4:-2] for text in whole}
