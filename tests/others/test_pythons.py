"""The core and the contract on newer interpreters, where they can be found."""

import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.others import tools
from tests.others.verdict import settle

pytestmark = [pytest.mark.others, pytest.mark.long, pytest.mark.timeout(900)]

ROOMS = ("tests/unit/service/core", "tests/unit/schemas", "tests/golden")


def interpreter(version: str) -> Path:
    """An interpreter of this version, on the PATH or of pyenv."""
    if found := shutil.which(f"python{version}"):
        done = subprocess.run([found, "-c", ""], capture_output=True, timeout=30, check=False)
        if done.returncode == 0:
            return Path(found)
    if shutil.which("pyenv"):
        root = Path(tools.run("pyenv", "root").stdout.strip()) / "versions"
        if found_by_pyenv := sorted(root.glob(f"{version}.*/bin/python")):
            return found_by_pyenv[-1]
    pytest.skip(f"Python {version} is not here; no registry that this project uses carries it")


def outcomes(report: Path) -> dict[str, str]:
    """Test -> what went wrong; those that were skipped are left out."""
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - it is pytest's own
        wrong = [each for each in case if each.tag in {"failure", "error"}]
        if wrong or case.find("skipped") is None:
            found[f"{case.get('classname')}.{case.get('name')}"] = str(wrong[0].get("message")) if wrong else ""
    return found


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_python(version: str, tmp_path: Path) -> None:
    python = interpreter(version)
    full = tools.run(python, "--version").stdout.split()[-1]
    folder = tools.environment(f"python-{full}", python, tools.ROOT / "requirements" / "dev.lock")
    report = tmp_path / "report.json"
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not long", "--junit-xml", report, *ROOMS)
    done = tools.run(folder / "bin" / "python", *words, cwd=tools.ROOT, seconds=800, ok=False)
    results = outcomes(report)
    assert done.returncode == 0 or any(results.values()), done.stdout[-3000:]
    settle(f"Python {version}", full, ", ".join(ROOMS), results)
