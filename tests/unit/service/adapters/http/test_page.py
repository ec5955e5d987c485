"""The status page: one table per group, and nothing of others that is more than text."""

import base64
import hashlib
import re
from html import escape

from service.adapters.http.page import LEGEND, POLICY, render

LEGEND_HEAD = "<h2>legend</h2>"


def cells(html: str) -> list[list[str]]:
    """The cells of each row."""
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in re.findall("<tr>(.*?)</tr>", html)]


def rows(page: str) -> list[list[str]]:
    """The cells of each row before the legend, which ends every page."""
    groups, legend = page.split(LEGEND_HEAD)
    assert "<h2>" not in legend
    return cells(groups)


def test_the_legend_is_the_last_table_of_every_page() -> None:
    explained = [[escape(words), escape(meaning)] for words, meaning in LEGEND.items()]
    for jobs in ({}, {"jobs": {"running": 2}}):
        _, legend = render(jobs).split(LEGEND_HEAD)
        assert cells(legend) == explained


def test_a_group_of_groups_is_a_table_with_all_columns() -> None:
    page = render({"shards": {"a": {"state": "running"}, "b": {"state": "opening", "restored": 5}, "c": "halted"}})
    assert "<h2>shards</h2>" in page
    assert rows(page) == [["name", "state", "restored"], ["a", "running", ""], ["b", "opening", "5"], ["c", "halted"]]


def test_a_group_of_numbers_needs_no_head() -> None:
    assert rows(render({"jobs": {"running": 2, "parked": 0}})) == [["running", "2"], ["parked", "0"]]


def test_an_empty_group_says_so() -> None:
    assert rows(render({"halted": {}})) == [["none"]]


def test_what_is_no_group_has_no_table() -> None:
    assert rows(render({"ready": True, "started": True, "version": "<1>"})) == []


def test_readiness_is_the_headline() -> None:
    assert "<h1>Clean Rooms ML service: ready</h1>" in render({"ready": True})
    assert '<span class="no">not ready</span>' in render({})


def test_a_superseded_process_says_why() -> None:
    assert '<p class="no">another &lt;process&gt;</p>' in render({"superseded": "another <process>"})
    assert '<p class="no">' not in render({"superseded": ""})


def test_the_policy_permits_the_pages_own_style_and_nothing_else() -> None:
    [style] = re.findall("<style>(.*?)</style>", render({}))
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in POLICY
    assert "script-src" not in POLICY
    assert "default-src 'none'" in POLICY
