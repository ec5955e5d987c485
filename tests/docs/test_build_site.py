"""The site's pages are those of the repository, and no link leads nowhere."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "docs" / "build_site.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


@pytest.fixture
def site() -> ModuleType:
    return module()


def test_every_link_leads_somewhere_and_folders_are_listed(site: ModuleType, tmp_path: Path) -> None:
    assert site.stage(tmp_path) == []
    assert (tmp_path / "README.md").exists()
    assert (tmp_path / "docs" / "images" / "flow.svg").exists()
    listed = (tmp_path / "deploy" / "kafka" / "index.md").read_text("utf-8")
    assert "- [topics.sh](topics.sh)" in listed
    assert "deploy/kafka/index.md" in (tmp_path / "docs" / "README.md").read_text("utf-8")


def test_a_link_to_nothing_is_reported(site: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "project"
    (root / "docs").mkdir(parents=True)
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        (root / name).write_text("# Page\n", "utf-8")
    (root / "docs" / "page.md").write_text("[a](gone.md) [b](../README.md#page) [c](../../outside.md)\n", "utf-8")
    monkeypatch.setattr(site, "ROOT", root)
    assert site.stage(tmp_path / "pages") == ["docs/page.md: ../../outside.md", "docs/page.md: gone.md"]


def test_what_is_in_code_is_no_link(site: ModuleType) -> None:
    text = "[a](b.md)\n```\n[c](d.md)\n```\n`[e](f.md)` and [g](https://example.org/h.md)\n"
    assert site.links(text) == ["b.md"]
