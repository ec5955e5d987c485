"""Runs images with podman, hardened as a cluster's restricted policy would have it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE = os.environ.get("SERVICE_IMAGE", "localhost/cleanroomsml-service:test")
SANDBOX = os.environ.get("SANDBOX_IMAGE", "localhost/cleanroomsml-sandbox:test")

HARDENED = ("--network=host", "--read-only", "--read-only-tmpfs=false", "--cap-drop=all")
UNPRIVILEGED = ("--security-opt=no-new-privileges",)
_ENVIRONMENT = {**os.environ, "CONTAINERS_CONF": str(Path(__file__).with_name("containers.conf"))}


def podman(*words: str, seconds: float = 60) -> str:
    """What a podman command printed; a failure is told with all of it."""
    done = attempt(*words, seconds=seconds)
    assert done.returncode == 0, f"podman {' '.join(words)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(*words: str, stdin: str = "", seconds: float = 60) -> subprocess.CompletedProcess[str]:
    """A podman command that may fail."""
    return subprocess.run(
        ["podman", *words], env=_ENVIRONMENT, input=stdin, capture_output=True, text=True, timeout=seconds, check=False
    )


def inspected(image: str) -> Mapping[str, Any]:
    """What an image says of itself."""
    [found] = json.loads(podman("image", "inspect", image))
    return dict(found)


def python(image: str, code: str) -> Any:
    """What a program printed as JSON that runs in the image instead of its own."""
    options = ("run", "--rm", "--interactive", *HARDENED, *UNPRIVILEGED, "--entrypoint=python")
    done = attempt(*options, image, "-", stdin=code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(image: str, *words: str, environment: Mapping[str, str]) -> str:
    """Runs one of the image's commands to its end; what it printed."""
    return podman("run", "--rm", *HARDENED, *UNPRIVILEGED, *_variables(environment), image, *words)


def _variables(environment: Mapping[str, str]) -> list[str]:
    return [f"--env={name}={value}" for name, value in environment.items()]


@dataclass(frozen=True)
class Container:
    """One that was started."""

    name: str

    @property
    def pid(self) -> int:
        """Of its first process, as this machine counts."""
        return int(podman("inspect", "--format={{.State.Pid}}", self.name))

    @property
    def logs(self) -> str:
        """Standard output and error."""
        done = attempt("logs", self.name)
        return done.stdout + done.stderr

    def status(self) -> dict[str, str]:
        """/proc/PID/status of the first process."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def started(self) -> float:
        """When its first process began, on this machine's monotonic clock since boot."""
        return int(self._stat()[19]) / os.sysconf("SC_CLK_TCK")

    def cpu_seconds(self) -> float:
        """Spent by its first process."""
        user, system = self._stat()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def _stat(self) -> Sequence[str]:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()

    def stop(self, seconds: int = 30) -> int:
        """SIGTERM; its exit code."""
        podman("stop", f"--time={seconds}", self.name, seconds=seconds + 30)
        return int(podman("inspect", "--format={{.State.ExitCode}}", self.name))


@contextmanager
def started(
    image: str, *words: str, environment: Mapping[str, str] | None = None, options: Sequence[str] = ()
) -> Iterator[Container]:
    """A container in the background, removed at the end."""
    variables = _variables(environment or {})
    container = podman("run", "--detach", *HARDENED, *UNPRIVILEGED, *options, *variables, image, *words).strip()
    try:
        yield Container(container)
    finally:
        attempt("rm", "--force", "--time=0", container)


def since_boot() -> float:
    """The clock that `Container.started` tells."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
