"""Values that most installations leave as they are: what each changes, and that Kubernetes would accept it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm.documents import CHART
from tests.chart import tools
from tests.chart.rendering import HELMS, KUBERNETES, one, pod_specs, template

pytestmark = pytest.mark.chart

MINIMAL = CHART / "ci" / "minimal-values.yaml"
DEPLOYMENT = CHART / "ci" / "deployment-values.yaml"
ROOT = CHART.parent.parent
DIGEST = f"sha256:{'0a' * 32}"

FOREIGN = {"PodMonitor", "ServiceMonitor"}
"""Their schemas are the operator's; tests/chart/test_operators.py has them."""

WRITTEN = """
{{- if eq .Values.kind "StatefulSet" }}
apiVersion: v1
kind: Secret
metadata:
  name: "{{ .Release.Name }}-text"
{{- end }}
"""

every_helm = pytest.mark.parametrize("major", HELMS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def render(folder: Path, major: int = 4, base: Path = MINIMAL, **values: Any) -> list[dict[str, Any]]:
    """The chart with these values, which the oldest and the newest Kubernetes accept."""
    import kubernetes_validate  # of requirements/chart.lock: this file is collected without it, too

    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(values))
    things = template(major, base, file)
    for thing in things:
        if thing["kind"] not in FOREIGN:
            for kubernetes in (KUBERNETES[0], KUBERNETES[-1]):
                kubernetes_validate.validate(thing, kubernetes, strict=True)
    return things


def images(things: list[dict[str, Any]]) -> set[str]:
    return {container["image"] for _, spec in pod_specs(tuple(things)) for container in spec["containers"]}


@every_helm
def test_why_a_container_ended_is_in_its_pod(major: int, folder: Path) -> None:
    for label, spec in pod_specs(tuple(render(folder, major, DEPLOYMENT, topicsJob={"enabled": True}))):
        for container in spec["containers"]:
            assert container["terminationMessagePolicy"] == "FallbackToLogsOnError", label


@every_helm
def test_the_image_is_the_one_that_the_release_makes(major: int, folder: Path) -> None:
    app = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    plain = f"cleanroomsml-service:{app}"
    assert images(render(folder, major)) == {plain}
    assert images(render(folder, major, image={"registry": "registry.example.com/ml/"})) == {
        f"registry.example.com/ml/{plain}"
    }
    parent: Any = {"imageRegistry": "mirror.example.com", "imagePullSecrets": ["shared", {"name": "own"}]}
    things = render(
        folder,
        major,
        image={"registry": "registry.example.com", "tag": "1", "digest": DIGEST, "pullSecrets": [{"name": "own"}]},
        **{"global": parent},
    )
    assert images(things) == {f"mirror.example.com/cleanroomsml-service@{DIGEST}"}
    for label, spec in pod_specs(tuple(things)):
        assert spec["imagePullSecrets"] == [{"name": "own"}, {"name": "shared"}], label


@every_helm
def test_a_released_chart_installs_its_image_by_digest(major: int, tmp_path: Path) -> None:
    """The workflow's own words, run on a copy: only then are registry and digest known."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yaml").read_text())
    step = next(step for step in workflow["jobs"]["publish"]["steps"] if "helm package" in step.get("run", ""))
    words = "\n".join(line for line in step["run"].splitlines() if line.startswith("sed -i"))
    environ = {**os.environ, "CHART": str(chart), "REGISTRY": "registry.example.com/ml", "DIGEST": DIGEST}
    subprocess.run(["bash", "-eu", "-c", words], env=environ, check=True, timeout=20)
    things = template(major, MINIMAL, chart=chart)
    assert images(things) == {f"registry.example.com/ml/cleanroomsml-service@{DIGEST}"}
    named = yaml.safe_load((chart / "Chart.yaml").read_text())["annotations"]["artifacthub.io/images"]
    assert yaml.safe_load(named)[0]["image"] in images(things)


def test_one_name_for_the_image() -> None:
    """Of what the workflow pushes, of what the guides build, and of what Compose and the chart run."""
    places = [".github/workflows/release.yaml", ".github/workflows/chart.yaml", "deploy/compose.yaml", "Makefile"]
    places += ["docs/howto/build-the-image.md", "docs/howto/install.md"]
    for place in places:
        text = (ROOT / place).read_text()
        assert "cleanroomsml-service" in text, place
        assert "cleanrooms-ml-service:" not in text, place


@every_helm
def test_accounts_are_called_as_the_cloudformation_template_expects(major: int, folder: Path) -> None:
    parameters = yaml.safe_load((ROOT / "deploy" / "aws" / "access.yaml").read_text())["Parameters"]
    names = ("ServiceAccount", "TopicsServiceAccount", "RepairServiceAccount")
    expected = {parameters[name]["Default"] for name in names}
    accounts = {thing["metadata"]["name"] for thing in render(folder, major) if thing["kind"] == "ServiceAccount"}
    assert accounts == expected


@every_helm
def test_a_canary_by_partition(major: int, folder: Path) -> None:
    things = render(folder, major, updateStrategy={"partition": 1}, revisionHistoryLimit=3)
    spec = one(things, "StatefulSet")["spec"]
    assert spec["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    assert spec["revisionHistoryLimit"] == 3
    spec = one(render(folder, major, updateStrategy={"type": "OnDelete"}), "StatefulSet")["spec"]
    assert spec["updateStrategy"] == {"type": "OnDelete"}
    assert "revisionHistoryLimit" not in spec


@every_helm
def test_how_a_deployment_is_replaced(major: int, folder: Path) -> None:
    given = {"maxUnavailable": "25%", "maxSurge": 1}
    things = render(folder, major, DEPLOYMENT, updateStrategy=given, revisionHistoryLimit=0)
    spec = one(things, "Deployment")["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": given}
    assert spec["revisionHistoryLimit"] == 0


@every_helm
def test_names_and_isolation_of_every_pod(major: int, folder: Path) -> None:
    given = {
        "runtimeClassName": "gvisor",
        "hostUsers": False,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.2"], "searches": ["kafka.internal"], "options": [{"name": "ndots"}]},
        "hostAliases": [{"ip": "10.0.0.9", "hostnames": ["b-1.example.com"]}],
    }
    pods = [*pod_specs(tuple(render(folder, major, DEPLOYMENT, topicsJob={"enabled": True}, **given)))]
    assert {label.partition("/")[0] for label, _ in pods} == {"Deployment", "Job", "Pod", "CronJob"}
    for label, spec in pods:
        assert {name: spec[name] for name in given} == given, label


@every_helm
def test_further_words_of_the_command_line(major: int, folder: Path) -> None:
    words = ["--settings", "/extra/settings.yaml"]
    for given, wanted in (([], ["run"]), (words, ["run", *words])):
        things = render(folder, major, extraArgs=given)
        (container,) = one(things, "StatefulSet")["spec"]["template"]["spec"]["containers"]
        assert container["args"] == wanted


def test_the_chart_says_what_catalogues_show() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert {"home", "icon", "sources", "maintainers", "keywords", "description"} <= chart.keys()
    assert chart["icon"].startswith("data:image/svg+xml;base64,"), "nothing is fetched to show it"
    annotations = {name: yaml.safe_load(text) for name, text in chart["annotations"].items()}
    assert annotations["artifacthub.io/license"] == "Apache-2.0"
    assert annotations["artifacthub.io/images"][0]["image"] == f"cleanroomsml-service:{chart['appVersion']}"
    assert annotations["artifacthub.io/changes"]
    assert f"## [Unreleased]: {chart['version']}" in (CHART / "CHANGELOG.md").read_text()


@every_helm
def test_containers_beside_the_service(major: int, folder: Path) -> None:
    first = {"name": "wait", "image": "wait:1"}
    proxy = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
    agent = {"name": "agent", "image": "agent:1"}
    things = render(folder, major, initContainers=[first, proxy], extraContainers=[agent])
    for label, spec in pod_specs(tuple(things)):
        names = [container["name"] for container in spec["containers"]]
        if label.startswith("StatefulSet"):
            assert names == ["service", "agent"]  # the first is the one that `kubectl logs` and `exec` take
            assert spec["initContainers"] == [first, proxy]
        else:
            assert len(names) == 1, label
            assert "initContainers" not in spec, label


@every_helm
def test_further_objects_are_rendered(major: int, folder: Path) -> None:
    nothing = "{{- if false }}\nkind: Secret\n{{- end }}"
    mapped = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": '{{ include "crml.fullname" . }}-mapped'},
        "stringData": {"broker": "{{ first .Values.settings.kafka.bootstrap_servers }}"},
    }
    things = render(folder, major, extraObjects=[WRITTEN, nothing, mapped])
    assert one(things, "Secret", "crml-text")
    found = one(things, "Secret", "-mapped")
    assert found["metadata"]["name"] == "crml-cleanrooms-ml-service-mapped"
    assert found["stringData"] == {"broker": "kafka-1.example.com:9092"}


@every_helm
def test_another_namespace(major: int, folder: Path) -> None:
    things = render(folder, major, DEPLOYMENT, namespaceOverride="ml", topicsJob={"enabled": True})
    assert {thing["metadata"]["namespace"] for thing in things} == {"ml"}


@every_helm
def test_labels_of_the_accounts(major: int, folder: Path) -> None:
    given = {"labels": {"team": "7"}, "annotations": {"a": "b"}}
    things = render(folder, major, serviceAccount=given, commonLabels={"team": "0"})
    accounts = [thing for thing in things if thing["kind"] == "ServiceAccount"]
    assert len(accounts) == 3
    for account in accounts:
        assert account["metadata"]["labels"]["team"] == "7"
        assert account["metadata"]["annotations"]["a"] == "b"


@every_helm
def test_the_hooks_own_resources(major: int, folder: Path) -> None:
    given = {"requests": {"cpu": "50m"}, "limits": {"memory": "128Mi"}}
    things = render(folder, major, topicsJob={"resources": given})
    (container,) = one(things, "Job")["spec"]["template"]["spec"]["containers"]
    (service,) = one(things, "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert container["resources"] == given
    assert service["resources"]["limits"] == {"memory": "1Gi"}


@pytest.mark.parametrize(
    ("monitor", "kind", "endpoints"),
    [("podMonitor", "PodMonitor", "podMetricsEndpoints"), ("serviceMonitor", "ServiceMonitor", "endpoints")],
)
@every_helm
def test_a_monitors_particulars(monitor: str, kind: str, endpoints: str, major: int, folder: Path) -> None:
    endpoint = {
        "interval": "1m",
        "scrapeTimeout": "10s",
        "honorLabels": True,
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "go_.*"}],
    }
    given = {**endpoint, "enabled": True, "namespace": "monitoring", "annotations": {"a": "b"}}
    found = one(render(folder, major, monitoring={monitor: given}), kind)
    assert found["metadata"]["namespace"] == "monitoring"
    assert found["metadata"]["annotations"] == {"a": "b"}
    assert found["spec"]["namespaceSelector"] == {"matchNames": ["team"]}
    assert found["spec"][endpoints][0].items() >= endpoint.items()
    plain = one(render(folder, major, monitoring={monitor: {"enabled": True}}), kind)
    assert "namespaceSelector" not in plain["spec"]
    assert plain["spec"][endpoints][0].keys() == {"port", "path", "interval"}


@pytest.mark.parametrize("hook", [True, False])
def test_the_notes_say_where_the_reason_is_and_what_stays(hook: bool, folder: Path) -> None:
    """By Helm 4, as Helm 3 wants a cluster for it."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump({"namespaceOverride": "ml", "topicsJob": {"enabled": hook}}))
    words = [str(tools.helm(4)), "install", "crml", str(CHART), "--namespace", "team", "--dry-run=client"]
    words += ["--values", str(MINIMAL), "--values", str(file)]
    environ = {**os.environ, "KUBECONFIG": str(folder / "none")}
    done = subprocess.run(words, env=environ, capture_output=True, text=True, timeout=60, check=True)
    notes = done.stdout.partition("NOTES:")[2]
    assert ("kubectl --namespace ml describe job crml-cleanrooms-ml-service-topics" in notes) is hook
    assert ("kubectl --namespace ml logs --selector app.kubernetes.io/instance=crml," in notes) is hook
    assert "`helm uninstall` leaves the topics" in notes
