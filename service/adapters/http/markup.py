"""HTML that is escaped by construction: a text is text, and only what this module has made is markup."""

from collections.abc import Iterable
from html import escape
from typing import Final, TypeAlias
from urllib.parse import quote

_VOID: Final = frozenset({"input", "link", "meta", "wbr"})
_SAFE_LINKS: Final = ("/", "#", "?", "https://")


class Markup(str):
    """A text that is markup already."""

    __slots__ = ()


Child: TypeAlias = "str | int | Iterable[Child] | None"
Attribute: TypeAlias = str | int | float | bool | None


def tag(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        name: Of the element.
        children: Texts, which are escaped, and markup; None is left out.
        attributes: ``class_`` for ``class``, ``data_key`` for ``data-key``. True stands for an attribute without a
            value, None and False for none.

    Raises:
        ValueError: A link does not lead to a page of this server, or elsewhere by https.
    """
    given = "".join(_attribute(each.rstrip("_").replace("_", "-"), value) for each, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    return Markup(f"<{name}{given}>{joined(children)}</{name}>")


def _attribute(name: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return f" {name}"
    text = str(value)
    if name in ("href", "src", "action") and (not text.startswith(_SAFE_LINKS) or text.startswith(("//", "/\\"))):
        raise ValueError(f"a link to {text!r}")
    return f' {name}="{escape(text)}"'


def joined(children: Child) -> Markup:
    """Children as markup."""
    if children is None:
        return Markup("")
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(escape(children))
    if isinstance(children, int):
        return Markup(str(children))
    return Markup("".join(map(joined, children)))


def address(path: str, /, **parameters: str | int | None) -> str:
    """A path with parameters, of which empty ones are left out."""
    given = [f"{name}={quote(str(value), safe='')}" for name, value in parameters.items() if value not in (None, "")]
    return path + ("?" if given else "") + "&".join(given)
