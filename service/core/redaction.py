"""Passwords in addresses: what a text may show of ``http://user:password@proxy:3128``."""

import re
from typing import Final

_USERINFO: Final = re.compile(r"(?<=://)[^\s/?#]*@")


def without_userinfo(text: str) -> str:
    """The text with the user and the password of every address in it replaced; a proxy's errors quote its address."""
    return _USERINFO.sub("[redacted]@", text) if "@" in text else text
