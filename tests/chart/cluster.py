"""A namespace of a real cluster that admits only restricted pods, the world in it, and a release of the chart."""

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from helm.documents import CHART
from tests.chart import tools

NAMESPACE: Final = "crml-chart-test"
RELEASE: Final = "crml"
NAME: Final = "crml-cleanrooms-ml-service"
SERVICE: Final = "app.kubernetes.io/component=service"
SERVICE_IMAGE: Final = os.environ.get("CHART_IMAGE", "cleanroomsml-service:test")
WORLD_IMAGE: Final = os.environ.get("CHART_WORLD_IMAGE", "cleanrooms-ml-world:test")
HELM: Final = int(os.environ.get("CHART_HELM", "4"))


class CommandError(RuntimeError):
    """A command ended badly; the message has its last words."""


def run(*words: str | Path, given: str | None = None, seconds: float = 240.0) -> str:
    """What a command prints.

    Raises:
        CommandError: It failed.
    """
    done = subprocess.run(
        [str(word) for word in words], input=given, capture_output=True, text=True, timeout=seconds, check=False
    )
    if done.returncode:
        raise CommandError(f"{' '.join(map(str, words[:6]))} ...: {(done.stdout + done.stderr)[-3000:]}")
    return done.stdout


def require_cluster() -> None:
    """Skips, visibly, when no cluster answers."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("KUBECONFIG names no cluster")
    try:
        run(tools.kubectl(), "get", "--raw", "/readyz", "--request-timeout=5s", seconds=20)
    except CommandError as error:
        pytest.skip(f"the cluster of KUBECONFIG does not answer: {error}")


@dataclass
class Cluster:
    """The namespace, and what is asked of it."""

    timings: dict[str, float] = field(default_factory=dict)
    address: str = ""
    dataset: dict[str, Any] = field(default_factory=dict)

    def kubectl(self, *words: str, given: str | None = None, seconds: float = 240.0) -> str:
        return run(tools.kubectl(), "--namespace", NAMESPACE, *words, given=given, seconds=seconds)

    def helm(self, *words: str | Path, seconds: float = 300.0) -> str:
        return run(tools.helm(HELM), "--namespace", NAMESPACE, *words, seconds=seconds)

    def get(self, *words: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.kubectl("get", *words, "--output", "json"))
        return answer

    def timed(self, name: str, began: float) -> None:
        self.timings[name] = round(time.monotonic() - began, 1)

    def prepare(self) -> None:
        """Makes the namespace and the world."""
        self.remove()
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": labels}}
        run(tools.kubectl(), "apply", "--filename", "-", given=json.dumps(namespace))
        secret = {"AWS_ACCESS_KEY_ID": "123456789012", "AWS_SECRET_ACCESS_KEY": "sandbox"}
        encoded = {name: base64.b64encode(value.encode()).decode() for name, value in secret.items()}
        self.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "aws"}, "data": encoded})
        self.apply(world_pod())
        began = time.monotonic()
        until(self._world_is_ready, 180, "the world is ready")
        self.timed("world ready", began)
        self.address = self.get("pod", "world")["status"]["podIP"]
        self.dataset = json.loads(self.kubectl("logs", "world").splitlines()[-1])

    def _world_is_ready(self) -> bool:
        pod = self.get("pod", "world")
        restarts = sum(each["restartCount"] for each in pod["status"].get("containerStatuses", []))
        assert restarts == 0, self.kubectl("logs", "world", "--previous", "--tail=30")
        return _is_ready(pod)

    def remove(self) -> None:
        run(tools.kubectl(), "delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=180s")

    def apply(self, thing: Mapping[str, Any]) -> None:
        self.kubectl("apply", "--filename", "-", given=json.dumps(thing))

    def values(self, **more: Any) -> dict[str, Any]:
        """The chart's values for this world; ``settings`` in ``more`` are merged by group."""
        settings: dict[str, Any] = {
            "kafka": {"bootstrap_servers": [f"{self.address}:9092"], "replication_factor": 1},
            "topics": {"partitions": 4},
            "targets": {
                "default": {
                    "region": "eu-west-1",
                    "endpoint_url": f"http://{self.address}:4599",
                    "allow_plain_http": True,
                    "rate": {"reads_per_second": 50, "writes_per_second": 20},
                }
            },
            "polling": {"tick": 0.2, "kinds": {"audience-model": {"first": 0.5, "later": 0.5, "after": 60}}},
            "timing": {"search_delays": [0, 1]},
        }
        for group, members in more.pop("settings", {}).items():
            settings[group] = {**settings.get(group, {}), **members}
        repository, _, tag = SERVICE_IMAGE.rpartition(":")
        return {
            "settings": settings,
            "existingSecret": "aws",
            "image": {"repository": repository, "tag": tag},
            "resources": {"requests": {"cpu": "50m", "memory": "128Mi"}, "limits": {"memory": "512Mi"}},
            "networkPolicy": {"metricsFrom": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]},
            **more,
        }

    def upgrade(self, folder: Path, name: str, **more: Any) -> None:
        """`helm upgrade --install --wait`, as a pipeline does it."""
        file = folder / "values.yaml"
        file.write_text(yaml.safe_dump(self.values(**more)))
        began = time.monotonic()
        self.helm("upgrade", "--install", RELEASE, CHART, "--values", file, "--wait", "--timeout", "200s")
        self.timed(name, began)

    def pods(self) -> list[dict[str, Any]]:
        """The service's pods that are not going."""
        pods = self.get("pods", "--selector", SERVICE)["items"]
        return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]

    def ready(self) -> int:
        return sum(_is_ready(pod) for pod in self.pods())

    def ask(self, pod: str, path: str, port: int = 8080) -> str:
        """An answer of a pod's own HTTP server, through the API server."""
        return run(tools.kubectl(), "get", "--raw", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}:{port}/proxy{path}")

    def held(self) -> dict[str, list[str]]:
        """Partitions by pod; none of a pod that is not ready, which a proxy tells as an error."""
        return {name: self._shards(name) for name in sorted(pod["metadata"]["name"] for pod in self.pods())}

    def _shards(self, pod: str) -> list[str]:
        try:
            return sorted(json.loads(self.ask(pod, "/readyz"))["shards"])
        except CommandError:
            return []

    def world(self, *words: str, seconds: float = 120.0) -> str:
        """Runs a command of the client within the world."""
        return self.kubectl("exec", "world", "--", "python", "-m", "tests.chart.world", *words, seconds=seconds)

    def send(self, command_id: str, operation: str, data: Mapping[str, Any], key: str = "k") -> None:
        self.world("send", command_id, operation, json.dumps(data), key)

    def reply(self, command_id: str, kind: str = "end", seconds: int = 90) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.world("reply", command_id, kind, str(seconds)).splitlines()[-1])
        return answer

    def sandbox(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Asks the sandbox's own endpoints, from within its pod."""
        script = (
            "import sys, urllib.request as u;"
            f"r = u.Request('http://127.0.0.1:4599{path}', data=sys.argv[1].encode() or None,"
            "headers={'content-type': 'application/json'});"
            "print(u.urlopen(r).read().decode())"
        )
        text = self.kubectl("exec", "world", "--", "python", "-c", script, json.dumps(body) if body else "")
        return json.loads(text)

    def calls(self, operation: str) -> list[dict[str, Any]]:
        """Requests of an operation that the sandbox has received."""
        return [one for one in self.sandbox("/_sandbox/requests")["requests"] if one["operation"] == operation]


def until(holds: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.3)


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod["status"].get("conditions", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def world_pod() -> dict[str, Any]:
    """Kafka and the sandbox, as restricted as the service."""
    container = {
        "name": "world",
        "image": WORLD_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "env": [
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "HOME", "value": "/tmp"},
        ],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        "readinessProbe": {
            "exec": {"command": ["test", "-e", "/tmp/world/ready"]},
            "periodSeconds": 1,
            "failureThreshold": 180,
        },
        "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
    }
    spec = {
        "containers": [container],
        "volumes": [{"name": "tmp", "emptyDir": {}}],
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "world", "labels": {"app": "world"}}, "spec": spec}
