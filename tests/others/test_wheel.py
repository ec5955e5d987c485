"""The wheel as others get it: its metadata, its contents, and what works of it in an empty environment."""

import re
import subprocess
import venv
from pathlib import Path
from typing import Final

import pytest

from tests.others import tools
from tests.others.verdict import settle

pytestmark = [pytest.mark.others, pytest.mark.timeout(400)]

EXPLAINED: Final = {
    "check-wheel-contents": "W009: the contract (`schemas`) and the service are two packages on purpose"
}
MODULES: Final = """
import importlib, pkgutil, schemas, service
extra = {"service.adapters.telemetry.traces"}  # of the extra "traces"
for package in (schemas, service):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__") and module.name not in extra:
            importlib.import_module(module.name)
"""
KIT: Final = """
from schemas.testing import command

def test_a_command(cleanroomsml_twin):
    said = cleanroomsml_twin.send(command("ListAudienceModels"))
    assert [each.kind for each in said] == ["accepted", "succeeded"]


def test_the_service(cleanroomsml_service):
    raise AssertionError("the sandbox is not in the wheel")
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without an environment of its own, by the locked hatchling."""
    folder = tmp_path_factory.mktemp("dist")
    tools.run(tools.python("python"), "-m", "build", "--no-isolation", "--outdir", folder, tools.ROOT, seconds=200)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def empty(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the service's lock file, the wheel and pytest, and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    tools.run(*pip, "--require-hashes", "-r", tools.ROOT / "requirements" / "service.lock", seconds=300)
    wanted = folder / "pytest.txt"
    wanted.write_text(locked("pytest", "iniconfig", "packaging", "pluggy", "pygments"), "utf-8")
    tools.run(*pip, "--require-hashes", "--no-deps", "-r", wanted)
    tools.run(*pip, "--no-deps", wheel)
    return folder / "bin"


def locked(*names: str) -> str:
    """Some packages of the lock file, with their digests."""
    entries = re.split(r"\n(?=\S)", (tools.ROOT / "requirements" / "dev.lock").read_text("utf-8"))
    return "\n".join(each for each in entries if each.partition("==")[0] in names)


def versions() -> str:
    lock = (tools.ROOT / "requirements" / "others.lock").read_text("utf-8")
    found = {name: re.search(rf"^{name}==(\S+)", lock, re.MULTILINE) for name in ("twine", "check-wheel-contents")}
    return ", ".join(f"{name} {each[1]}" for name, each in found.items() if each)


def problem(*command: object, cwd: Path) -> str:
    words = [str(each) for each in command]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=100, check=False)
    return "" if done.returncode == 0 else f"exit {done.returncode}: {done.stdout[-500:]} {done.stderr[-500:]}"


def test_the_wheel(wheel: Path, empty: Path, tmp_path: Path) -> None:
    python, kit = empty / "python", tmp_path / "kit"
    kit.mkdir()
    (kit / "conftest.py").write_text('pytest_plugins = ["schemas.testing.plugin"]')
    (kit / "test_kit.py").write_text(KIT)
    results = {
        "twine check --strict": problem(
            tools.python("twine"), "check", "--strict", *wheel.parent.iterdir(), cwd=tmp_path
        ),
        "check-wheel-contents": problem(tools.python("check-wheel-contents"), wheel, cwd=tmp_path),
        "pip check": problem(python, "-m", "pip", "check", cwd=tmp_path),
        "console script --help": problem(empty / "cleanroomsml-service", "--help", cwd=tmp_path),
        "console script --version": problem(empty / "cleanroomsml-service", "--version", cwd=tmp_path),
        "python -m service --help": problem(python, "-m", "service", "--help", cwd=tmp_path),
        "every module": problem(python, "-c", MODULES, cwd=tmp_path),
        "the test kit": problem(python, "-m", "pytest", "-q", "-W", "error", cwd=kit),
    }
    settle("twine, check-wheel-contents, pip", versions(), "the wheel in an empty environment", results, EXPLAINED)


# --- the client's ----------------------------------------------------------------------------------------------------

CLIENT_PACKAGES: Final = (
    *("aiokafka", "async-timeout", "cramjam", "packaging", "typing-extensions"),
    *("botocore", "jmespath", "python-dateutil", "six", "urllib3"),
    *("annotated-types", "msgspec", "orjson", "pydantic", "pydantic-core", "typing-inspection"),
)
"""All that the client needs, with what that needs."""
CLIENT_MODULES: Final = """
import importlib, importlib.util, pkgutil, sys, cleanroomsml
for module in pkgutil.walk_packages(cleanroomsml.__path__, "cleanroomsml."):
    importlib.import_module(module.name)
taken = [name for name in ("schemas", "service", "sandbox") if importlib.util.find_spec(name)]
sys.exit(f"claims {taken}" if taken else 0)
"""
CLIENT_KIT: Final = """
import asyncio

import pytest

from cleanroomsml.client import Client, ClientSettings, FailedError, ListAudienceModels, UnreachableError


def test_the_twin(cleanroomsml_client, cleanroomsml_twin):
    async def run():
        async with cleanroomsml_client as client:
            assert await (await client.send(ListAudienceModels(), id="a")).result(5) == {"audienceModels": []}
            cleanroomsml_twin.refuse("ListAudienceModels", "AccessDeniedException")
            with pytest.raises(FailedError, match="AccessDenied"):
                await (await client.send(ListAudienceModels(), id="b")).result(5)

    asyncio.run(run())


def test_no_kafka():
    async def run():
        settings = ClientSettings(bootstrap_servers="127.0.0.1:1", source="/x", connect_timeout=3)
        with pytest.raises(UnreachableError):
            async with Client(settings):
                pass

    asyncio.run(run())


def test_the_service(cleanroomsml_service):
    raise AssertionError("it is not in the wheel")
"""


@pytest.fixture(scope="module")
def client_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the folder of the contract, by way of its source distribution."""
    folder = tmp_path_factory.mktemp("client-dist")
    build = [tools.python("python"), "-m", "build", "--no-isolation", "--outdir", folder, tools.ROOT / "schemas"]
    tools.run(*build, seconds=200)
    [built] = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def clients(client_wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the client's wheel, what it needs, and pytest; none of the service's own."""
    folder = tmp_path_factory.mktemp("clients")
    venv.create(folder, with_pip=True)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    wanted = folder / "wanted.txt"
    wanted.write_text(locked(*CLIENT_PACKAGES, "pytest", "iniconfig", "pluggy", "pygments"), "utf-8")
    tools.run(*pip, "--require-hashes", "-r", wanted, seconds=300)
    tools.run(*pip, client_wheel)
    return folder / "bin"


def test_the_clients_wheel(client_wheel: Path, clients: Path, tmp_path: Path) -> None:
    python, kit = clients / "python", tmp_path / "kit"
    kit.mkdir()
    (kit / "conftest.py").write_text('pytest_plugins = ["cleanroomsml.testing.plugin"]')
    (kit / "test_kit.py").write_text(CLIENT_KIT)
    archives = [*client_wheel.parent.iterdir()]
    results = {
        "twine check --strict": problem(tools.python("twine"), "check", "--strict", *archives, cwd=tmp_path),
        "check-wheel-contents": problem(tools.python("check-wheel-contents"), client_wheel, cwd=tmp_path),
        "pip check": problem(python, "-m", "pip", "check", cwd=tmp_path),
        "every module; no name but its own": problem(python, "-c", CLIENT_MODULES, cwd=tmp_path),
        "client and twin": problem(python, "-m", "pytest", "-q", "-W", "error", cwd=kit),
    }
    settle("twine, check-wheel-contents, pip", versions(), "the client's wheel in an empty environment", results, {})
