"""W3C trace context: what is malformed is dropped and a new trace begins; it is never the command's fault.

The rules are those of https://www.w3.org/TR/trace-context/: a version above 00 is read by what all versions have in
common and continued as version 00, a ``tracestate`` without a ``traceparent`` means nothing, white space may surround
its members, and a long one loses its longest and then its last members.
"""

import re
from typing import Final, NamedTuple

ATTRIBUTES: Final = ("traceparent", "tracestate")
MAX_STATE: Final = 512
"""Characters of a ``tracestate`` that are carried; the recommendation asks for no more."""

_MAX_MEMBERS: Final = 32
_LONG_MEMBER: Final = 128
_SAMPLED: Final = 1
"""The one flag that all versions have."""

# ff is no version; ids of zeros are none; what later versions append is not read.
_PARENT: Final = re.compile(
    r"(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL
)
_MEMBER: Final = re.compile(r"[a-z0-9][-a-z0-9_*/@]{0,255}=[ -+\--<>-~]{0,255}[!-+\--<>-~]")


class TraceContext(NamedTuple):
    """What is carried on.

    Attributes:
        parent: The ``traceparent``, of version 00; empty when there is none.
        state: The ``tracestate``; empty when there is none.
        dropped: Names of the attributes that were given and are not carried, because one is malformed.
    """

    parent: str = ""
    state: str = ""
    dropped: tuple[str, ...] = ()


def read(parent: str, state: str) -> TraceContext:
    """Reads both attributes; never raises."""
    known = _parent(parent.strip(" \t"))
    if not known:
        return TraceContext(dropped=tuple(name for name, text in zip(ATTRIBUTES, (parent, state), strict=True) if text))
    members = [stripped for member in state.split(",") if (stripped := member.strip(" \t"))]
    if len(members) > _MAX_MEMBERS or not all(map(_MEMBER.fullmatch, members)):
        return TraceContext(known, dropped=("tracestate",))
    return TraceContext(known, _within_limit(members))


def _parent(text: str) -> str:
    found = _PARENT.fullmatch(text)
    if found is None:
        return ""
    version, trace, span, flags, more = found.groups()
    if version != "00":
        return f"00-{trace}-{span}-{int(flags, 16) & _SAMPLED:02x}"
    return "" if more else text


def _within_limit(members: list[str]) -> str:
    if len(",".join(members)) > MAX_STATE:
        members = [member for member in members if len(member) <= _LONG_MEMBER]
    while len(",".join(members)) > MAX_STATE:
        members.pop()
    return ",".join(members)
