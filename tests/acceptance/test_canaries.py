"""The search for secrets finds them in every form: a test that greps for them must be able to fail."""

import base64
import json
from urllib.parse import quote

import pytest

from tests.acceptance.canaries import leaks

SECRET = 'canary/p+ss"wörd=&'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        json.dumps({"password": SECRET}),
        repr(SECRET),
        f"https://x/?p={quote(SECRET)}",
        *(base64.b64encode(f"{'u' * length}:{SECRET}:more".encode()).decode() for length in range(4)),
        base64.urlsafe_b64encode(f"me:{SECRET}".encode()).decode(),
    ],
)
def test_found(text: str) -> None:
    assert leaks(f"first\nbefore {text} behind\nlast", ["another-secret", SECRET]) != []


def test_not_found() -> None:
    assert leaks("canary and password, but not that one", [SECRET]) == []


def test_too_short_to_mean_anything() -> None:
    with pytest.raises(ValueError, match="less than 8 letters"):
        leaks("x", ["short"])
