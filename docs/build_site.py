"""Builds the documents as a site: ``python docs/build_site.py FOLDER`` (``make docs``).

The pages stay as they are read in the repository. They and the files that they link to are copied to a folder with the
same layout, a folder that is linked to gets a page that lists it, and MkDocs builds the copy strictly: a link to a
page, a heading or a file that does not exist fails the build.
"""

import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
CONFIG: Final = ROOT / "docs" / "mkdocs.yml"
_LINK: Final = re.compile(r"(\]\()([^)\s#]+)(#[^)\s]*)?(\))")
_CODE: Final = re.compile(r"^```.*?^```$|``.*?``|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def links(text: str) -> list[str]:
    """Relative targets of a page's links, without anchors; code is not read."""
    return [match[2] for match in _LINK.finditer(_CODE.sub("", text)) if "://" not in match[2]]


def stage(folder: Path) -> list[str]:
    """Copies the pages and what they link to.

    Returns:
        What is wrong: links whose target does not exist.
    """
    pages = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")]
    pages += sorted((ROOT / "docs").rglob("*.md"))
    broken: list[str] = []
    done: set[Path] = set()
    while pages:
        page = pages.pop()
        if page in done:
            continue
        done.add(page)
        if page.is_dir():
            _list(page, folder)
            continue
        target = folder / page.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if page.suffix != ".md":
            shutil.copyfile(page, target)
            continue
        text = page.read_text(encoding="utf-8")
        for link in links(text):
            linked = (page.parent / link).resolve()
            if linked.exists() and linked.is_relative_to(ROOT):
                pages.append(linked)
            else:
                broken.append(f"{page.relative_to(ROOT)}: {link}")
        target.write_text(_LINK.sub(partial(_to_page, page.parent), text), encoding="utf-8")
    return sorted(broken)


def _to_page(folder: Path, match: re.Match[str]) -> str:
    """A link to a folder leads to the page that lists it."""
    listed = "://" not in match[2] and (folder / match[2]).is_dir()
    return f"{match[1]}{match[2].rstrip('/')}/index.md{match[4]}" if listed else match[0]


def _list(folder: Path, to: Path) -> None:
    """A page for a folder, and copies of its files."""
    target = to / folder.relative_to(ROOT)
    target.mkdir(parents=True, exist_ok=True)
    files = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    for name in files:
        shutil.copyfile(folder / name, target / name)
    lines = [f"- [{name}]({name})" for name in files]
    heading = f"# {folder.relative_to(ROOT).as_posix()}"
    (target / "index.md").write_text("\n".join([heading, "", *lines, ""]), encoding="utf-8")


def main(folder: Path) -> int:
    """Stages and builds; returns the exit code."""
    pages, site = folder / "pages", folder / "site"
    shutil.rmtree(folder, ignore_errors=True)
    if broken := stage(pages):
        print("links to what does not exist:", *broken, sep="\n  ", file=sys.stderr)
        return 1
    config = folder / "mkdocs.yml"
    config.write_text(CONFIG.read_text(encoding="utf-8"), encoding="utf-8")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(config)], check=False
    )
    if built.returncode == 0:
        print(f"the site is in {site}: open {site / 'index.html'}")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
