"""No text shows the user or the password of an address."""

import pytest

from service.core.redaction import without_userinfo


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://user:password@proxy:3128", "http://[redacted]@proxy:3128"),
        ("https://user@proxy", "https://[redacted]@proxy"),
        ("http://:password@proxy/", "http://[redacted]@proxy/"),
        ("http://user:p@ssw@rd@proxy", "http://[redacted]@proxy"),
        ("http://us%40er:pa%3Ass@[::1]:3128/path", "http://[redacted]@[::1]:3128/path"),
        (
            "no answer from 'http://a:b@one', then 'http://c:d@two'.",
            "no answer from 'http://[redacted]@one', then 'http://[redacted]@two'.",
        ),
        (
            "first http://a:b@one\nsecond socks5://c:d@two",
            "first http://[redacted]@one\nsecond socks5://[redacted]@two",
        ),
    ],
)
def test_user_and_password_of_every_address_are_replaced(text: str, shown: str) -> None:
    assert without_userinfo(text) == shown
    assert without_userinfo(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain words",
        "someone@example.org",
        "http://proxy:3128/path",
        "http://proxy/path@home",
        "http://proxy?mail=someone@example.org",
        "http://proxy#someone@example.org",
        "http://proxy is asked for someone@example.org",
    ],
)
def test_what_is_no_userinfo_stays(text: str) -> None:
    assert without_userinfo(text) == text
