"""The chart in a real cluster: install, test, use, upgrade, roll back, kill, drain, restart and scale.

The tests are a story and run in order. KUBECONFIG names the cluster; the images must be there already.
"""

import json
import threading
import time
from pathlib import Path

import pytest

from tests.chart.cluster import NAME, RELEASE, SERVICE, Cluster, CommandError, until

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

CREATE = "CreateAudienceModel"


def test_install_is_ready(cluster: Cluster, tmp_path: Path) -> None:
    cluster.upgrade(tmp_path, "install --wait")
    assert cluster.ready() == 2
    held = cluster.held()
    assert sorted(part for parts in held.values() for part in parts) == sorted(
        f"cleanroomsml.{topic}-{number}" for topic in ("commands", "changes") for number in range(4)
    )
    assert all(held.values())


def test_helm_test_finds_everything_right(cluster: Cluster) -> None:
    began = time.monotonic()
    text = cluster.helm("test", RELEASE, "--logs", "--timeout", "120s")
    cluster.timed("helm test", began)
    assert "ready to run" in text
    assert "Succeeded" in text


def test_pods_are_restricted_indeed(cluster: Cluster) -> None:
    """The namespace refuses others; the running process says what it got."""
    pod = cluster.pods()[0]["metadata"]["name"]
    look = (
        "import os; s = open('/proc/self/status').read();"
        "kept = [l.split()[1] for l in s.splitlines() if l.startswith(('CapEff', 'NoNewPrivs'))];"
        "print(os.getuid(), os.getgid(), kept);"
        "open('/tmp/x', 'w').close();"
        "open('/app/x', 'w')"
    )
    with pytest.raises(CommandError, match="Read-only file system") as error:
        cluster.kubectl("exec", pod, "--", "python", "-c", look)
    assert "65532 65532 ['0000000000000000', '1']" in str(error.value)


def test_a_command_from_end_to_end(cluster: Cluster) -> None:
    began = time.monotonic()
    cluster.send("dataset", "CreateTrainingDataset", {"name": "films", **cluster.dataset})
    made = cluster.reply("dataset")
    assert made["kind"] == "succeeded"
    cluster.timed("first command, two exec included", began)
    arn = made["data"]["result"]["trainingDatasetArn"]
    cluster.send("model", CREATE, {"name": "model", "trainingDatasetArn": arn})
    ended = cluster.reply("model")
    assert ended["kinds"] == ["accepted", "started", "succeeded"]
    cluster.dataset["arn"] = arn


def test_repairs_run_in_a_pod_of_their_own(cluster: Cluster) -> None:
    """As the runbooks say it, word for word."""
    began = time.monotonic()
    cluster.kubectl("create", "job", "repair", f"--from=cronjob/{NAME}-repair")
    cluster.kubectl("wait", "job/repair", "--for=jsonpath={.status.ready}=1", "--timeout=5m")
    cluster.timed("repair pod ready", began)
    text = cluster.kubectl("exec", "job/repair", "--", "python", "-m", "service", "parked", "list")
    assert "no command is parked" in text
    text = cluster.kubectl("exec", "job/repair", "--", "python", "-m", "service", "offsets", "reset")
    assert "there is nothing to reset" in text
    began = time.monotonic()
    cluster.kubectl("delete", "job", "repair")
    until(lambda: not cluster.get("pods", "--selector", "job-name=repair")["items"], 20, "the pod has gone")
    cluster.timed("repair pod deleted", began)


def test_a_changed_setting_reaches_every_pod(cluster: Cluster, tmp_path: Path) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.upgrade(tmp_path, "upgrade, a setting", settings={"log": {"level": "debug"}})
    assert before.isdisjoint(pod["metadata"]["uid"] for pod in cluster.pods())
    assert _log_level(cluster) == "debug"
    assert cluster.ready() == 2


def test_an_upgrade_that_changes_nothing_restarts_nothing(cluster: Cluster, tmp_path: Path) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.upgrade(tmp_path, "upgrade, nothing", settings={"log": {"level": "debug"}})
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before


def test_rollback(cluster: Cluster) -> None:
    began = time.monotonic()
    cluster.helm("rollback", RELEASE, "1", "--wait", "--timeout", "200s")
    cluster.timed("rollback", began)
    assert _log_level(cluster) is None
    assert cluster.ready() == 2


def test_a_halted_partition_holds_up_no_release(cluster: Cluster, tmp_path: Path) -> None:
    """Somebody has written to the changelog. `--wait` ends well all the same, and `helm test` names the partition."""
    cluster.world("put", "cleanroomsml.jobs", "1", "?", "no job")
    cluster.upgrade(tmp_path, "upgrade beside a halted partition", podAnnotations={"step": "halted"})
    assert cluster.ready() == 2
    assert list(_halted(cluster)) == ["cleanroomsml.commands-1"]
    with pytest.raises(CommandError):
        cluster.helm("test", RELEASE, "--timeout", "120s")
    told = cluster.kubectl("logs", f"{NAME}-check")
    assert "partition cleanroomsml.commands-1  is halted, or will be" in told
    assert "skip-corrupt --topic cleanroomsml.jobs --partition 1" in told
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    cluster.world("put", "cleanroomsml.jobs", "1", "?", "")
    until(lambda: not _halted(cluster), 90, "the partition is served again")
    assert "ready to run" in cluster.helm("test", RELEASE, "--logs", "--timeout", "120s")
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before


def test_a_bad_setting_leaves_the_old_pods_alone(cluster: Cluster, tmp_path: Path) -> None:
    before = {pod["metadata"]["uid"] for pod in cluster.pods()}
    with pytest.raises(CommandError, match="settle"):
        cluster.upgrade(tmp_path, "refused", settings={"timing": {"settle": 1}})
    assert {pod["metadata"]["uid"] for pod in cluster.pods()} == before


def test_killed_pods_create_nothing_twice(cluster: Cluster) -> None:
    """All pods die while a create has had its effect and the answer is still on its way."""
    cluster.sandbox("/_sandbox/faults", {"fault": "delay", "operation": CREATE, "seconds": 20})
    calls = len(cluster.calls(CREATE))
    cluster.send("killed", CREATE, {"name": "killed", "trainingDatasetArn": cluster.dataset["arn"]})
    until(lambda: len(cluster.calls(CREATE)) == calls + 1, 60, "the create was called")
    began = time.monotonic()
    cluster.kubectl("delete", "pods", "--selector", SERVICE, "--grace-period=0", "--force", "--wait=true")
    ended = cluster.reply("killed")
    cluster.timed("killed -> succeeded", began)
    assert ended["kind"] == "succeeded"
    assert len(cluster.calls(CREATE)) == calls + 1
    until(lambda: cluster.ready() == 2, 90, "both pods are back")


def test_a_drain_takes_one_pod_at_a_time(cluster: Cluster) -> None:
    """The node of pod 0 is drained of our pods; where nothing else can take them, the budget holds the second."""
    node = cluster.get("pod", f"{NAME}-0")["spec"]["nodeName"]
    seen: list[int] = []
    stop = threading.Event()

    def watch() -> None:
        while not stop.wait(0.3):
            seen.append(cluster.ready())

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.monotonic()
    try:
        # The flag is for /tmp, an emptyDir: drain does not know that nothing is kept there.
        drain = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", f"--pod-selector={SERVICE}")
        text = cluster.kubectl(*drain, "--timeout=25s")
    except CommandError as error:
        text = str(error)
        assert "would violate the pod's disruption budget" in text
    finally:
        stop.set()
        watcher.join()
        cluster.kubectl("uncordon", node)
    cluster.timed("drain", began)
    assert "evict" in text
    assert min(seen) >= 1
    until(lambda: cluster.ready() == 2, 120, "both pods are ready again")


def test_scaled_up_and_restarted_no_partition_moves(cluster: Cluster, tmp_path: Path) -> None:
    cluster.upgrade(tmp_path, "scale 2 -> 3", replicas=3)
    until(lambda: len(cluster.held()) == 3 and all(cluster.held().values()), 60, "each of three pods has partitions")
    _settled(cluster)
    before, pods = cluster.held(), {pod["metadata"]["uid"] for pod in cluster.pods()}
    began = time.monotonic()
    cluster.kubectl("rollout", "restart", f"statefulset/{NAME}")
    cluster.kubectl("rollout", "status", f"statefulset/{NAME}", "--timeout=240s")
    cluster.timed("rolling restart of 3", began)
    _settled(cluster)
    assert pods.isdisjoint(pod["metadata"]["uid"] for pod in cluster.pods())
    assert cluster.held() == before
    # Each new pod has restored what it held before and nothing else; none was disturbed by another's restart.
    assert {pod: _restores(cluster, pod) for pod in before} == {pod: len(parts) for pod, parts in before.items()}


def test_scaled_down(cluster: Cluster, tmp_path: Path) -> None:
    everything = sorted(part for parts in cluster.held().values() for part in parts)
    assert len(everything) == 8
    cluster.upgrade(tmp_path, "scale 3 -> 2", replicas=2)
    began = time.monotonic()
    until(lambda: len(cluster.held()) == 2, 120, "the third pod has gone")
    until(
        lambda: sorted(part for parts in cluster.held().values() for part in parts) == everything,
        90,
        "two pods have everything",
    )
    cluster.timed("third pod's partitions taken over", began)
    cluster.send("after", "ListTrainingDatasets", {}, "other")
    assert cluster.reply("after")["kind"] == "succeeded"


def test_a_switch_to_a_scaler_drops_no_replica(cluster: Cluster, tmp_path: Path) -> None:
    """Without `replicas` in the manifest an upgrade would fall back to one, before any scaler looks."""
    cluster.kubectl("scale", f"statefulset/{NAME}", "--replicas=3")
    cluster.kubectl("rollout", "status", f"statefulset/{NAME}", "--timeout=120s")
    lowest: list[int] = []
    for name in ("switch to a scaler", "upgrade under a scaler"):
        scaling = {"enabled": True, "minReplicas": 2, "maxReplicas": 4}
        cluster.upgrade(tmp_path, name, replicas=2, autoscaling=scaling, podAnnotations={"step": name})
        lowest.append(cluster.get("statefulset", NAME)["spec"]["replicas"])
    assert lowest == [3, 3]
    assert cluster.get("hpa", NAME)["spec"]["minReplicas"] == 2


def test_uninstall_leaves_nothing(cluster: Cluster) -> None:
    began = time.monotonic()
    cluster.helm("uninstall", RELEASE, "--wait", "--timeout", "200s")
    cluster.timed("uninstall --wait", began)
    kinds = "statefulsets,deployments,services,configmaps,secrets,serviceaccounts,jobs,cronjobs,poddisruptionbudgets"
    kinds += ",networkpolicies,horizontalpodautoscalers,controllerrevisions"
    names = [f"{item['kind']}/{item['metadata']['name']}" for item in cluster.get(kinds)["items"]]
    assert [name for name in names if "crml-" in name and "-check" not in name] == []


def _halted(cluster: Cluster) -> dict[str, str]:
    """Halted partitions of all pods, and why."""
    return {
        partition: why
        for pod in cluster.pods()
        for partition, why in json.loads(cluster.ask(pod["metadata"]["name"], "/readyz"))["halted"].items()
    }


def _log_level(cluster: Cluster) -> str | None:
    """In the file that the pods mount, as the service reads it."""
    script = "import json; print(json.dumps(json.load(open('/etc/cleanrooms-ml-service/settings.yaml')).get('log')))"
    levels = {
        (json.loads(cluster.kubectl("exec", pod["metadata"]["name"], "--", "python", "-c", script)) or {}).get("level")
        for pod in cluster.pods()
    }
    assert len(levels) == 1
    return levels.pop()


def _restores(cluster: Cluster, pod: str) -> int:
    return cluster.kubectl("logs", pod).count('"event": "shard restored"')


def _settled(cluster: Cluster) -> None:
    """The assignment is the same for a while, and everybody is ready."""
    calm = 0
    last: dict[str, list[str]] = {}

    def same() -> bool:
        nonlocal calm, last
        held = cluster.held() if cluster.ready() == len(cluster.pods()) else {}
        calm = calm + 1 if held and held == last else 0
        last = held
        return calm >= 8

    until(same, 90, "the assignment is settled")
