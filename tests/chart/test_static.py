"""What the chart renders, for every example, both Helms and nine Kubernetes."""

import json
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from helm import alerts
from helm.documents import CHART
from helm.parts import Limits
from service import tenancy
from service.cli.console import EXIT_USAGE
from service.cli.following import EXIT_FAILED, EXIT_PARKED, EXIT_REJECTED, EXIT_TIME
from service.operator.commands import building, documents
from service.settings import load
from tests.chart import tools
from tests.chart.rendering import CASES, HELMS, KUBERNETES, Refused, one, pod_specs, rendered, template

pytestmark = pytest.mark.chart

DASHBOARD = "cleanrooms-ml-service.json"
FOREIGN = {"PodMonitor", "ServiceMonitor", "PrometheusRule", "ScaledObject"}
"""Kinds of operators, whose schemas Kubernetes does not bring."""

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}

every_case = pytest.mark.parametrize("case", CASES)
every_helm = pytest.mark.parametrize("major", HELMS)


@every_helm
def test_lint(major: int) -> None:
    for case in CASES:
        values = CHART / "ci" / f"{case}-values.yaml"
        words = [str(tools.helm(major)), "lint", "--strict", "--quiet", str(CHART), "--values", str(values)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@every_case
@every_helm
@pytest.mark.parametrize("kubernetes", KUBERNETES)
def test_kubernetes_would_accept_it(case: str, major: int, kubernetes: str) -> None:
    import kubernetes_validate  # of requirements/chart.lock: this file is collected without it, too

    things = [thing for thing in rendered(case, major) if thing["kind"] not in FOREIGN]
    assert things
    for thing in things:
        kubernetes_validate.validate(thing, kubernetes, strict=True)


@every_case
def test_both_helms_and_all_kubernetes_get_the_same(case: str) -> None:
    expected = [*rendered(case, 4)]
    for kubernetes in (KUBERNETES[0], KUBERNETES[-1]):
        for major in HELMS:
            things = template(major, CHART / "ci" / f"{case}-values.yaml", kubernetes=kubernetes)
            assert sorted(map(str, things)) == sorted(map(str, expected))


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(Refused, match="kubeVersion"):
        template(4, CHART / "ci" / "minimal-values.yaml", kubernetes="1.28")


@every_case
@every_helm
def test_pods_are_restricted_field_by_field(case: str, major: int) -> None:
    """Pod Security Standard `restricted`, and what it does not demand: a read-only root and no token."""
    for label, spec in pod_specs(rendered(case, major)):
        for banned in ("hostNetwork", "hostPID", "hostIPC"):
            assert not spec.get(banned), label
        assert spec["automountServiceAccountToken"] is False, label
        assert spec["enableServiceLinks"] is False, label
        assert {kind for volume in spec["volumes"] for kind in volume if kind != "name"} <= RESTRICTED_VOLUMES, label
        pod = spec["securityContext"]
        assert pod["runAsNonRoot"] is True
        assert pod["runAsUser"] == 65532
        assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
        assert "sysctls" not in pod
        assert "supplementalGroups" not in pod
        assert len(spec["containers"]) == 1
        assert "initContainers" not in spec
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False
            assert context["readOnlyRootFilesystem"] is True
            assert context["runAsNonRoot"] is True
            assert context["runAsUser"] == 65532
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert not context.get("privileged")
            assert all("hostPort" not in port for port in container.get("ports", []))
            assert {"/tmp"} <= {mount["mountPath"] for mount in container["volumeMounts"]}
            assert "memory" in container["resources"]["limits"]


@every_case
@every_helm
def test_no_value_that_must_be_text_is_a_number(case: str, major: int) -> None:
    for thing in rendered(case, major):
        label = f"{thing['kind']}/{thing['metadata']['name']}"
        texts: list[dict[str, Any]] = [thing["metadata"].get("labels", {}), thing["metadata"].get("annotations", {})]
        texts += [thing.get("data", {})] if thing["kind"] == "ConfigMap" else []
        template_metadata = thing.get("spec", {}).get("template", {}).get("metadata", {})
        texts += [template_metadata.get("labels", {}), template_metadata.get("annotations", {})]
        assert all(isinstance(value, str) for text in texts for value in text.values()), label
    for label, spec in pod_specs(rendered(case, major)):
        for container in spec["containers"]:
            plain = [variable["value"] for variable in container["env"] if "value" in variable]
            assert all(isinstance(value, str) for value in plain), label


@every_case
@every_helm
def test_selectors_match(case: str, major: int) -> None:
    """And nothing but the service's own pods is selected where only they are meant."""
    things = rendered(case, major)
    workload = next(thing for thing in things if thing["kind"] in {"StatefulSet", "Deployment"})
    labels = workload["spec"]["template"]["metadata"]["labels"]
    once = [thing["metadata"]["labels"] for thing in things if thing["kind"] == "Pod"]
    jobs = [thing["spec"] for thing in things if thing["kind"] == "Job"]
    jobs += [thing["spec"]["jobTemplate"]["spec"] for thing in things if thing["kind"] == "CronJob"]
    once += [job["template"]["metadata"]["labels"] for job in jobs]
    for thing in things:
        spec = thing.get("spec", {})
        selector = {
            "Service": lambda s: s["selector"],
            "NetworkPolicy": lambda s: s["podSelector"]["matchLabels"],
        }.get(thing["kind"], lambda s: s.get("selector", {}).get("matchLabels", {}))(spec)
        if not selector:
            continue
        assert selector.items() <= labels.items(), thing["kind"]
        others = [each for each in once if selector.items() <= each.items()]
        assert len(others) == (len(once) if thing["kind"] == "NetworkPolicy" else 0), thing["kind"]
    for constraint in workload["spec"]["template"]["spec"].get("topologySpreadConstraints", []):
        assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()


@every_case
@every_helm
def test_names_and_namespaces(case: str, major: int) -> None:
    for thing in rendered(case, major):
        assert thing["metadata"]["namespace"] == "team"
        assert len(thing["metadata"]["name"]) <= 63
        assert thing["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "Helm"


@every_case
@every_helm
def test_the_service_reads_its_settings(case: str, major: int, tmp_path: Path) -> None:
    """The file as mounted, and the variables as given: what the service makes of them is what was meant."""
    things = rendered(case, major)
    given = yaml.safe_load((CHART / "ci" / f"{case}-values.yaml").read_text())["settings"]
    workload = next(thing for thing in things if thing["kind"] in {"StatefulSet", "Deployment"})
    for thing in (thing for thing in things if thing["kind"] == "ConfigMap" and "settings.yaml" in thing["data"]):
        file = tmp_path / "settings.yaml"
        file.write_text(thing["data"]["settings.yaml"])
        container = workload["spec"]["template"]["spec"]["containers"][0]
        secrets = {"CRML_KAFKA__SASL_PASSWORD": "secret"}
        environ = {one["name"]: one.get("value", secrets.get(one["name"], "pod-0")) for one in container["env"]}
        settings = load(file, {name: value for name, value in environ.items() if name != "CRML_SETTINGS"})
        assert settings.http.host == "::"
        assert (settings.http.page_host, settings.http.page_port) == ("127.0.0.1", 8081)
        assert settings.kafka.instance_id == ("pod-0" if workload["kind"] == "StatefulSet" else None)
        _assert_within(given, settings.model_dump(mode="json"))


def _assert_within(given: Any, loaded: Any, path: str = "settings") -> None:
    if isinstance(given, dict):
        for name, value in given.items():
            _assert_within(value, loaded[name], f"{path}.{name}")
    else:
        assert loaded == given, path


@every_helm
def test_stop_takes_no_longer_than_its_grace(major: int) -> None:
    for case in CASES:
        things = rendered(case, major)
        workload = next(thing for thing in things if thing["kind"] in {"StatefulSet", "Deployment"})
        settings = load(_written(things), {"CRML_KAFKA__SASL_PASSWORD": "x"})
        grace = workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert grace > settings.runtime.stop_deadline + settings.kafka.transaction_timeout


def _written(things: tuple[dict[str, Any], ...]) -> Path:
    file = tools.folder() / "settings.yaml"
    config = next(thing for thing in things if thing["kind"] == "ConfigMap" and "settings.yaml" in thing["data"])
    file.write_text(config["data"]["settings.yaml"])
    return file


@every_helm
def test_a_stateful_set_by_default(major: int) -> None:
    workload = one(rendered("minimal", major), "StatefulSet")
    container = workload["spec"]["template"]["spec"]["containers"][0]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert workload["spec"]["podManagementPolicy"] == "Parallel"
    assert workload["spec"]["serviceName"] == one(rendered("minimal", major), "Service")["metadata"]["name"]
    assert variables["CRML_KAFKA__INSTANCE_ID"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
    assert container["startupProbe"]["httpGet"]["path"] == "/startupz"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"


@every_helm
def test_a_deployment_has_no_static_membership(major: int) -> None:
    """Its pods' names are never used again: each restart would leave a dead member behind."""
    container = one(rendered("deployment", major), "Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert "CRML_KAFKA__INSTANCE_ID" not in {variable["name"] for variable in container["env"]}


@every_helm
def test_the_network_is_closed_but_for_what_is_needed(major: int) -> None:
    policy = one(rendered("minimal", major), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["ingress"] == []
    ports = [{port["port"] for port in rule["ports"]} for rule in policy["egress"]]
    assert ports == [{53}, {9092}, {443}, {80}]
    assert all("to" in rule for rule in policy["egress"] if {port["port"] for port in rule["ports"]} != {9092})
    aws = policy["egress"][2]["to"][0]["ipBlock"]
    assert "169.254.0.0/16" in aws["except"]
    full = one(rendered("full", major), "NetworkPolicy")["spec"]
    assert [{port["port"] for port in rule["ports"]} for rule in full["egress"]][:3] == [{53}, {9096, 9097}, {443}]
    local = one(rendered("deployment", major), "NetworkPolicy")["spec"]
    assert {port["port"] for port in local["egress"][2]["ports"]} == {443, 4599}


@every_helm
def test_traces_have_their_variables_and_a_way_to_the_collector_only_if_they_are_on(major: int) -> None:
    container = one(rendered("full", major), "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    found = {each["name"]: each.get("value") for each in container["env"] if each["name"].startswith("OTEL_")}
    assert found["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector.monitoring:4318"
    assert found["OTEL_TRACES_SAMPLER_ARG"] == "0.25"
    ways = {
        name: [
            rule
            for rule in one(rendered(name, major), "NetworkPolicy")["spec"]["egress"]
            if {"port": 4318, "protocol": "TCP"} in rule["ports"]
        ]
        for name in ("full", "minimal")
    }
    assert [list(rule["to"][0]) for rule in ways["full"]] == [["namespaceSelector"]]
    assert ways["minimal"] == []


@every_helm
def test_scaling_never_ends_at_zero_and_never_follows_lag_alone(major: int) -> None:
    scaled = one(rendered("full", major), "ScaledObject")["spec"]
    assert scaled["minReplicaCount"] == 3
    assert "idleReplicaCount" not in scaled
    assert [trigger["type"] for trigger in scaled["triggers"]] == ["cpu", "kafka", "kafka"]
    assert {trigger["metadata"]["topic"] for trigger in scaled["triggers"][1:]} == {
        "cleanroomsml.planning.commands",
        "cleanroomsml.sales.commands",
    }
    hpa = one(rendered("deployment", major), "HorizontalPodAutoscaler")["spec"]
    assert (hpa["minReplicas"], hpa["maxReplicas"]) == (2, 3)
    assert hpa["scaleTargetRef"]["kind"] == "Deployment"
    for case, kind in (("full", "StatefulSet"), ("deployment", "Deployment")):
        assert one(rendered(case, major), kind)["spec"]["replicas"] >= 2  # or a switch would fall back to one


@every_helm
def test_the_topics_hook_comes_first_and_is_a_hook_entirely(major: int) -> None:
    hooks = [thing for thing in rendered("full", major) if thing["metadata"]["name"].endswith("-topics")]
    assert sorted(thing["kind"] for thing in hooks) == ["ConfigMap", "Job", "ServiceAccount"]
    for thing in hooks:
        assert thing["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    job = one(hooks, "Job")["spec"]["template"]["spec"]
    assert job["containers"][0]["args"] == ["topics"]
    assert job["containers"][0]["envFrom"][0]["secretRef"]["name"] == "crml-admin"
    account = one(hooks, "ServiceAccount")["metadata"]["annotations"]
    assert account["eks.amazonaws.com/role-arn"].endswith("cleanroomsml-service")


RUN = "crml-blue-weekly-29411520"
"""Name of a Job as the CronJob's controller makes it: of the CronJob's name, and of the minute that was scheduled."""


@every_helm
def test_a_schedule_sends_commands_that_the_service_takes(major: int) -> None:
    """With ids that are those of the run, whichever attempt of it sends them."""
    things = rendered("full", major)
    text = next(thing["data"]["commands.json"] for thing in things if "commands.json" in thing.get("data", {}))
    commands = documents.parse(text, {"run": RUN})
    assert [(each.id, each.key, each.source) for each in commands] == [
        (f"{RUN}-data", RUN, "/teams/planning"),
        (f"{RUN}-2", "apart", "/teams/planning"),
    ]
    assert commands[0].data["name"] == f"ratings-{RUN}"
    settings = load(_written(things), {"CRML_KAFKA__SASL_PASSWORD": "x"})
    topic = settings.tenant_topics()["planning"].commands
    rules = tenancy.limits(settings)[topic]
    records = [building.outgoing(command, topic) for command in commands]
    assert not [each for record in records for each in building.violations(record, rules)]


@every_helm
def test_a_schedule_is_a_cron_job_of_its_own_identity(major: int) -> None:
    job = one(rendered("full", major), "CronJob", "-weekly")["spec"]
    assert (job["schedule"], job["timeZone"], job["concurrencyPolicy"]) == ("0 6 * * 1", "Europe/Berlin", "Replace")
    assert (job["suspend"], job["startingDeadlineSeconds"]) == (False, 7200)
    assert job["jobTemplate"]["spec"]["backoffLimit"] == 0
    spec = job["jobTemplate"]["spec"]["template"]["spec"]
    assert spec["serviceAccountName"] == "planning"
    (container,) = spec["containers"]
    assert container["args"][3:] == ["$(JOB_NAME)", "--tenant", "planning", "--wait", "12h"]
    variables = {variable["name"]: variable for variable in container["env"]}
    assert (
        variables["JOB_NAME"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['batch.kubernetes.io/job-name']"
    )
    assert container["envFrom"][0]["secretRef"]["name"] == "crml-planning"
    assert "CRML_KAFKA__SASL_PASSWORD" not in variables  # it would win over the schedule's own
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes["kafka-client"]["secret"]["secretName"] == "planning"
    plain = one(rendered("deployment", major), "CronJob", "-hourly")["spec"]
    account = plain["jobTemplate"]["spec"]["template"]["spec"]["serviceAccountName"]
    assert one(rendered("deployment", major), "ServiceAccount", account)["metadata"].get("annotations") is None
    assert plain["suspend"] is True
    assert not [thing for thing in rendered("minimal", major) if thing["metadata"]["name"].endswith("-schedules")]


@every_helm
def test_a_run_is_repeated_only_if_that_may_help(major: int) -> None:
    job = one(rendered("full", major), "CronJob", "-weekly")["spec"]["jobTemplate"]["spec"]
    (fail, ignore) = job["podFailurePolicy"]["rules"]
    codes = [EXIT_USAGE, EXIT_FAILED, EXIT_REJECTED, EXIT_PARKED, EXIT_TIME]
    assert (fail["action"], fail["onExitCodes"]["values"]) == ("FailJob", codes)
    assert ignore["onPodConditions"][0]["type"] == "DisruptionTarget"


def test_a_changed_setting_changes_the_pods(tmp_path: Path) -> None:
    more = tmp_path / "more.yaml"
    more.write_text("settings: {log: {level: debug}}")
    minimal = CHART / "ci" / "minimal-values.yaml"
    before, after = (one(template(4, *files), "StatefulSet") for files in ((minimal,), (minimal, more)))
    assert before["spec"]["template"] != after["spec"]["template"]
    assert before["spec"]["selector"] == after["spec"]["selector"]


def test_numbers_are_written_as_they_are() -> None:
    """Helm's own toYaml writes 1e+06, which YAML takes for text."""
    config = one(rendered("full", 4), "ConfigMap", "crml-blue")["data"]["settings.yaml"]
    loaded = json.loads(config)
    assert loaded["topics"]["max_message_bytes"] == 1_000_000
    assert "e+" not in config
    assert loaded["targets"]["research"]["account"] == "012345678901"


@every_helm
def test_alerts_are_passed_on(major: int) -> None:
    plain = yaml.safe_load((CHART / "alerts" / "cleanrooms-ml-service.yaml").read_text())["groups"][0]["rules"]
    rules = one(rendered("full", major), "PrometheusRule")["spec"]["groups"][0]["rules"]
    assert [rule["alert"] for rule in rules] == [r["alert"] for r in plain if r["alert"] != "CleanRoomsMLDeadLetters"]
    by_name = {rule["alert"]: rule for rule in plain}
    wanted = {rule["alert"]: rule for rule in alerts.rules(Limits(lag_records=5_000_000, waiting_seconds=7200))}
    for rule in rules:
        assert rule["expr"] == wanted[rule["alert"]]["expr"].replace(alerts.PODS, "crml-blue-.*")
        assert rule["labels"] == {**by_name[rule["alert"]]["labels"], "team": "007"}
        assert rule["annotations"]["runbook_url"].endswith(f"docs/runbooks/{rule['alert']}.md")
        assert rule["annotations"]["runbook_url"].startswith("https://wiki.example.com/docs/")
    dashboard = json.loads(one(rendered("full", major), "ConfigMap", "crml-blue-dashboard")["data"][DASHBOARD])
    runbooks = next(each for each in dashboard["templating"]["list"] if each["name"] == "runbooks")
    assert runbooks["query"] == runbooks["current"]["value"] == "https://wiki.example.com/docs/runbooks"


@every_helm
def test_a_package_has_what_templates_read(major: int, tmp_path: Path) -> None:
    words = [str(tools.helm(major)), "package", str(CHART), "--destination", str(tmp_path)]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    [archive] = tmp_path.glob("*.tgz")
    with tarfile.open(archive) as packed:
        names = {name.removeprefix("cleanrooms-ml-service/") for name in packed.getnames()}
    read = (
        "files/settings.json",
        "files/alerts.json",
        "alerts/cleanrooms-ml-service.yaml",
        "dashboards/cleanrooms-ml-service.json",
    )
    assert {*read, "values.schema.json", "README.md"} <= names
    assert not any(name.startswith("ci/") for name in names)
