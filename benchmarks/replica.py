"""One service process, asked through its own metrics."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile

from sandbox.kafka.broker import free_port

BOUND = 240.0
"""Seconds to become ready, with a million jobs."""


class Replica:
    """A service process, of this checkout or of one in another folder.

    Args:
        environment: Its settings.
        folder: The other checkout.
        program: What Python runs, if not the service itself.
    """

    def __init__(
        self, environment: Mapping[str, str], folder: Path | None = None, program: Sequence[str] = ("-m", "service")
    ) -> None:
        self.port = free_port()
        self._environment = {**os.environ, **environment, "CRML_HTTP__PORT": str(self.port)}
        self._folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._log = TemporaryFile("a+b")  # noqa: SIM115 - it ends with this

    def topics(self) -> None:
        words = [sys.executable, "-m", "service", "topics"]
        subprocess.run(words, env=self._environment, cwd=self._folder, check=True, stdout=subprocess.DEVNULL)

    def change(self, **variables: str) -> None:
        """From the next start on."""
        self._environment |= variables

    def start(self) -> float:
        """Seconds from the process's start to ready."""
        began = time.monotonic()
        words = [sys.executable, *self._program, "run"]
        self._log.truncate(0)
        self._process = subprocess.Popen(
            words, env=self._environment, cwd=self._folder, stdout=self._log, stderr=subprocess.STDOUT
        )
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() - began > BOUND:
                raise RuntimeError(f"the service did not become ready: {self._last_words()}")
            time.sleep(0.005)
        return time.monotonic() - began

    def stop(self) -> None:
        assert self._process is not None
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def metric(self, name: str) -> float:
        """The sum of a metric's values; ``name`` is a pattern."""
        found = re.findall(rf"^{name} (\S+)$", self._get("/metrics"), re.MULTILINE)
        return sum(map(float, found))

    def histogram(self, name: str) -> dict[float, float]:
        """How many values were at most each bound."""
        found = re.findall(rf'^{name}_bucket{{le="([^"]+)"}} (\S+)$', self._get("/metrics"), re.MULTILINE)
        return {float(bound): float(count) for bound, count in found}

    @property
    def memory(self) -> float:
        return self.metric("process_resident_memory_bytes")

    @property
    def cpu(self) -> float:
        return self.metric("process_cpu_seconds_total")

    def _last_words(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-2_000:]

    def _ready(self) -> bool:
        try:
            return json.loads(self._get("/readyz"))["ready"] is True
        except OSError:
            return False

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=120) as answer:
            return str(answer.read().decode())
