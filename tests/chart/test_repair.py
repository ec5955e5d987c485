"""The pod that repairs run in: who it is, that it never starts by itself, and that it always ends by itself."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from service.settings import load
from tests.chart.rendering import HELMS, Refused, one, rendered
from tests.chart.test_clusters import things

pytestmark = pytest.mark.chart

every_helm = pytest.mark.parametrize("major", HELMS)


def job(found: Any) -> dict[str, Any]:
    """The template of the Job that `kubectl create job --from` makes."""
    return dict(one(found, "CronJob", "-repair")["spec"]["jobTemplate"]["spec"])


def container(found: Any) -> dict[str, Any]:
    (only,) = job(found)["template"]["spec"]["containers"]
    return dict(only)


@every_helm
def test_it_never_runs_by_itself(major: int) -> None:
    spec = one(rendered("minimal", major), "CronJob", "-repair")["spec"]
    assert spec["suspend"] is True
    assert spec["schedule"].split()[2:4] == ["31", "2"]


@every_helm
def test_it_has_an_identity_of_its_own(major: int) -> None:
    spec = job(rendered("full", major))["template"]["spec"]
    variables = {each["name"]: each for each in spec["containers"][0]["env"]}
    assert variables["CRML_KAFKA__SASL_USERNAME"]["value"] == "cleanroomsml-repair"
    password = {"name": "cleanroomsml-repair", "key": "password"}
    assert variables["CRML_KAFKA__SASL_PASSWORD"]["valueFrom"]["secretKeyRef"] == password
    assert spec["containers"][0]["envFrom"][0]["secretRef"]["name"] == "crml-repair"
    client = next(each for each in spec["volumes"] if each["name"] == "kafka-client")
    assert client["secret"]["secretName"] == "cleanroomsml-repair"
    account = one(rendered("full", major), "ServiceAccount", "-repair")["metadata"]
    assert spec["serviceAccountName"] == account["name"] == "crml-blue-repair"
    assert account["annotations"]["eks.amazonaws.com/role-arn"].endswith("role/cleanroomsml-repair")


@every_helm
def test_it_is_the_service_unless_it_is_given_more(major: int, tmp_path: Path) -> None:
    secret = {"CRML_KAFKA__SASL_PASSWORD": {"name": "kafka", "key": "password"}}
    annotations = {"a": "b"}
    found = things(tmp_path, major, secretEnv=secret, existingSecret="all", serviceAccount={"annotations": annotations})
    ours, theirs = container(found), one(found, "StatefulSet")["spec"]["template"]["spec"]["containers"][0]
    assert ours["envFrom"] == theirs["envFrom"]
    assert [each for each in ours["env"] if each["name"] in secret] == [
        each for each in theirs["env"] if each["name"] in secret
    ]
    assert one(found, "ServiceAccount", "-repair")["metadata"]["annotations"] == annotations
    found = things(tmp_path, major, secretEnv=secret, repair={"existingSecret": "own"})
    assert "CRML_KAFKA__SASL_PASSWORD" not in {each["name"] for each in container(found)["env"]}
    found = things(tmp_path, major, secretEnv=secret, repair={"env": {"CRML_KAFKA__SASL_PASSWORD": "plain"}})
    given = [each for each in container(found)["env"] if each["name"] in secret]
    assert given == [{"name": "CRML_KAFKA__SASL_PASSWORD", "value": "plain"}], "a name is given once"


@every_helm
def test_it_is_no_member_of_the_group(major: int) -> None:
    """With the instance id of a pod it would take that pod's partitions away."""
    for case in ("minimal", "full", "msk", "deployment"):
        assert "CRML_KAFKA__INSTANCE_ID" not in {each["name"] for each in container(rendered(case, major))["env"]}


@every_helm
def test_it_reads_the_settings_of_the_service(major: int, tmp_path: Path) -> None:
    found = rendered("full", major)
    spec = job(found)["template"]["spec"]
    (name,) = (each["configMap"]["name"] for each in spec["volumes"] if each["name"] == "settings")
    file = tmp_path / "settings.yaml"
    (config,) = (each for each in found if each["kind"] == "ConfigMap" and each["metadata"]["name"] == name)
    file.write_text(config["data"]["settings.yaml"])
    variables = {each["name"]: each.get("value", "secret") for each in spec["containers"][0]["env"]}
    loaded = load(file, {name: value for name, value in variables.items() if name.startswith("CRML_KAFKA")})
    assert (loaded.kafka.group_id, loaded.kafka.sasl_username) == ("cleanroomsml-blue", "cleanroomsml-repair")


@every_helm
def test_the_network_lets_it_reach_kafka_and_aws(major: int) -> None:
    labels = job(rendered("full", major))["template"]["metadata"]["labels"]
    selector = one(rendered("full", major), "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert labels["app.kubernetes.io/component"] == "repair"


@every_helm
def test_its_time_is_bounded(major: int) -> None:
    spec = job(rendered("full", major))
    assert (spec["activeDeadlineSeconds"], spec["backoffLimit"], spec["ttlSecondsAfterFinished"]) == (2100, 0, 60)
    assert container(rendered("full", major))["command"][2].endswith("1800)")


def test_the_pod_ends_by_itself(tmp_path: Path) -> None:
    subprocess.run([sys.executable, *words(tmp_path, seconds=1)], check=True, timeout=60)


def test_the_pod_ends_at_once_when_it_is_deleted(tmp_path: Path) -> None:
    """As PID 1 it would ignore a SIGTERM that it does not wait for, until Kubernetes kills it after 30 s."""
    option, program = words(tmp_path, seconds=600)
    telling = (
        "import signal; wait = signal.sigtimedwait; signal.sigtimedwait = lambda *a: print(flush=True) or wait(*a)"
    )
    with subprocess.Popen([sys.executable, option, f"{telling}\n{program}"], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"\n", "from here on SIGTERM is blocked, or waited for"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


def words(folder: Path, seconds: int) -> list[str]:
    """What Python is given in the pod."""
    found: list[str]
    python, *found = container(things(folder, 4, repair={"activeSeconds": seconds}))["command"]
    assert python == "python"
    return found


@every_helm
@pytest.mark.parametrize("name", ["x" * 52, "x" * 44 + "-----y", "crml"])
def test_its_name_leaves_room_for_what_kubernetes_appends(name: str, major: int, tmp_path: Path) -> None:
    found = one(things(tmp_path, major, fullnameOverride=name), "CronJob", "-repair")["metadata"]["name"]
    assert len(found) <= 52
    assert "--" not in found
    assert found.startswith(name[:44].rstrip("-"))


@every_helm
def test_without_it(major: int, tmp_path: Path) -> None:
    found = things(tmp_path, major, repair={"enabled": False})
    assert not [each for each in found if each["metadata"]["name"].endswith("-repair")]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"repair": {"kafkaClientSecret": "x"}}, "repair.kafkaClientSecret: of no use without kafkaTls.clientSecret"),
        (
            {"repair": {"env": {"CRML_KAFKA__INSTANCE_ID": "x"}}},
            "repair.env.CRML_KAFKA__INSTANCE_ID: the chart sets it",
        ),
        (
            {"repair": {"env": {"CRML_A": "x"}, "secretEnv": {"CRML_A": {"name": "a", "key": "b"}}}},
            "repair: CRML_A is in env and in secretEnv",
        ),
        ({"repair": {"activeSeconds": 0}}, "activeSeconds"),
        (
            {"schedules": [{"name": "repair", "cron": "@daily", "commands": [{"operation": "ListAudienceModels"}]}]},
            "choose another",
        ),
    ],
)
def test_the_chart_refuses(values: dict[str, Any], said: str, tmp_path: Path) -> None:
    for major in HELMS:
        with pytest.raises(Refused) as refused:
            things(tmp_path, major, **values)
        assert said in str(refused.value)
