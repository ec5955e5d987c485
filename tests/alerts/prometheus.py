"""A real Prometheus: scrapes running services and evaluates the rules, with time scaled down."""

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from helm import alerts
from helm.documents import CHART
from helm.parts import Limits
from sandbox.kafka.broker import free_port
from tests.chart import tools

RULES: Final = CHART / "alerts" / "cleanrooms-ml-service.yaml"

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0}

SCALES: Final = {
    "CleanRoomsMLCommandWaiting": 600.0,
    "CleanRoomsMLCrashLoop": 6.0,
    "CleanRoomsMLFencedLoop": 20.0,
    "CleanRoomsMLWaitingQueueOld": 3600.0,
}
"""By how much an alert's times are divided: a count within a window needs a window, hours need more."""

_SCALE: Final = 60.0

SMALL: Final = Limits(lag_records=20, restarts=2, memory_percent=60)
"""Limits that a test can reach."""


def rules() -> list[dict[str, Any]]:
    """The alerts as they are shipped."""
    loaded: list[dict[str, Any]] = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
    return loaded


def scaled(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The same rule with shorter times: of `for`, of ranges, and of a threshold in seconds."""
    factor = SCALES.get(rule["alert"], _SCALE)

    def shorter(match: re.Match[str]) -> str:
        return f"[{max(3, round(int(match[1]) * _UNITS[match[2]] / factor))}s]"

    expr = re.sub(r"\[(\d+)([smh])\]", shorter, rule["expr"])
    if re.search(r"_seconds[){]", expr):
        expr = re.sub(r"> (\d+)\s*$", lambda match: f"> {int(match[1]) / factor:g}", expr)
    duration = re.fullmatch(r"(\d+)([smh])", rule.get("for", "0s"))
    assert duration is not None
    wait = round(int(duration[1]) * _UNITS[duration[2]] / factor * 1000)
    return {**rule, "expr": expr, "for": f"{wait}ms"}


class Prometheus:
    """One server; targets are added while it runs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._targets: dict[str, list[str]] = {}
        self.url = f"http://127.0.0.1:{free_port()}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "rules.yml").write_text(
            yaml.safe_dump(
                {
                    "groups": [
                        {"name": "scaled", "interval": "1s", "rules": [scaled(rule) for rule in alerts.rules(SMALL)]}
                    ]
                }
            )
        )
        scrape = {
            "job_name": "unused",
            "file_sd_configs": [{"files": [str(folder / "targets.json")], "refresh_interval": "1s"}],
        }
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(folder / "rules.yml")],
            "scrape_configs": [scrape],
        }
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        (folder / "targets.json").write_text("[]")
        words = [str(tools.prometheus()), f"--config.file={folder / 'prometheus.yml'}"]
        words += [f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={self.url.removeprefix('http://')}"]
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(words, stdout=self._log, stderr=self._log)
        self.until(self._answers, 30)

    def stop(self) -> None:
        """Ends it."""
        self._process.terminate()
        self._process.wait(20)
        self._log.close()

    def scrape(self, job: str, port: int) -> None:
        """Looks at a service's metrics from now on, under this job's name."""
        self._targets.setdefault(job, []).append(f"127.0.0.1:{port}")
        found = [{"targets": addresses, "labels": {"job": name}} for name, addresses in self._targets.items()]
        (self._folder / "targets.new").write_text(json.dumps(found))
        (self._folder / "targets.new").replace(self._folder / "targets.json")

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What an expression gives now.

        Raises:
            AssertionError: Prometheus does not understand it.
        """
        address = f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:  # noqa: S310 - our own
                body = json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from error
        result: list[dict[str, Any]] = body["data"]["result"]
        return result

    def firing(self, job: str) -> set[str]:
        """Alerts of a job that fire now."""
        return {one["metric"]["alertname"] for one in self.query(f'ALERTS{{job="{job}",alertstate="firing"}}')}

    def until(self, holds: Callable[[], Any], seconds: float, why: Callable[[], str] = lambda: "") -> None:
        """Waits until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, why()
            time.sleep(0.25)

    def _answers(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=2) as answer:  # noqa: S310 - our own
                return bool(answer.status == 200)
        except OSError:
            return False
