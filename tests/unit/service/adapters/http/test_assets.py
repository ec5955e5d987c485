"""Files of the page, from the service itself."""

import re

from service.adapters.http.assets import Assets


def test_each_file_has_an_address_that_changes_with_its_content() -> None:
    addresses = Assets().addresses
    assert set(addresses) == {"fleet.css", "fleet.js", "icon.svg"}
    for name, address in addresses.items():
        assert re.fullmatch(rf"/assets/[0-9a-f]{{12}}-{re.escape(name)}", address)
    assert len(Assets().routes()) == 3


def test_nothing_is_fetched_from_elsewhere_and_nothing_is_written_as_html() -> None:
    assets = Assets()
    script, style = (assets._content[name].decode() for name in ("fleet.js", "fleet.css"))
    assert "http" not in script
    assert not re.search(r"url\(|@import|https?:", style)
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(|setAttribute\(.on", script
    )
