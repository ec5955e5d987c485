"""HTML that is escaped by construction."""

import pytest

from service.adapters.http.markup import Markup, address, joined, tag

EVIL = '"><img src=x onerror=alert(1)>'


def test_texts_and_attributes_are_escaped() -> None:
    shown = tag("p", EVIL, title=EVIL)
    assert shown == (
        '<p title="&quot;&gt;&lt;img src=x onerror=alert(1)&gt;">&quot;&gt;&lt;img src=x onerror=alert(1)&gt;</p>'
    )
    assert tag("p", shown).count("<p") == 2  # markup is not escaped again
    assert joined(["a", [Markup("<b>"), None, 5]]) == "a<b>5"


def test_attributes() -> None:
    given = tag("input", type_="text", data_key="k", hidden=True, disabled=False, value=None, max=5)
    assert given == '<input type="text" data-key="k" hidden max="5">'
    assert tag("meta", name="viewport") == '<meta name="viewport">'


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "//evil.example",
        "/\\evil.example",
        "http://plain",
        "data:text/html,x",
        " /x",
        "",
    ],
)
@pytest.mark.parametrize("attribute", ["href", "src", "action"])
def test_links_lead_to_this_server_or_by_https(link: str, attribute: str) -> None:
    with pytest.raises(ValueError, match="a link to"):
        tag("a", "x", **{attribute: link})


@pytest.mark.parametrize("link", ["/command?id=1", "#top", "?state=all", "https://console.aws.amazon.com/x"])
def test_other_links_are_kept(link: str) -> None:
    assert link.replace("&", "&amp;") in tag("a", "x", href=link)


def test_an_address_is_quoted() -> None:
    assert address("/command", source="/a b&c", id="é=?#", none=None, empty="") == (
        "/command?source=%2Fa%20b%26c&id=%C3%A9%3D%3F%23"
    )
    assert address("/") == "/"
