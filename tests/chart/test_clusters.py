"""Clusters that differ: IPv6 only, NodeLocal DNSCache, registries of a parent chart, any release name of Helm."""

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.chart.rendering import HELMS, one, pod_specs, template
from tests.chart.test_refusals import MINIMAL

pytestmark = pytest.mark.chart

RELEASES = [
    "crml",
    "team.a",
    "2nd",
    "0.1.2",
    "a" * 53,
    "x." * 26 + "y",
    "cleanrooms-ml-service",
    "7.cleanrooms-ml-service",
]
SERVICE_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
"""RFC 1035, which Kubernetes demands of a Service: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/"""


def things(folder: Path, major: int, release: str = "crml", **values: Any) -> tuple[dict[str, Any], ...]:
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump({"settings": MINIMAL, **values}))
    return tuple(template(major, file, release=release))


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("override", ["", "9" + "-" * 50 + "9", "n" * 63])
def test_every_release_has_names_that_kubernetes_takes(release: str, override: str, major: int, tmp_path: Path) -> None:
    found = things(tmp_path, major, release, nameOverride=override, monitoring={"dashboard": {"enabled": True}})
    for thing in found:
        name = thing["metadata"]["name"]
        assert SERVICE_NAME.fullmatch(name), name
        assert len(name) <= 63, name
        for value in thing["metadata"]["labels"].values():
            assert re.fullmatch(r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?", value), value
    name = one(found, "StatefulSet")["metadata"]["name"]
    assert len(name) <= 52  # the controller's revision has 11 characters more, and is a label
    assert one(found, "Service")["metadata"]["name"] == name == one(found, "StatefulSet")["spec"]["serviceName"]


@pytest.mark.parametrize("major", HELMS)
def test_names_of_before_stay(major: int, tmp_path: Path) -> None:
    for release, name in (
        ("crml", "crml-cleanrooms-ml-service"),
        ("my-cleanrooms-ml-service", "my-cleanrooms-ml-service"),
    ):
        assert one(things(tmp_path, major, release), "Service")["metadata"]["name"] == name
    assert one(things(tmp_path, major, fullnameOverride="x" * 52), "Service")["metadata"]["name"] == "x" * 52


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize(
    ("given", "own", "wanted"),
    [
        (["a", "b"], [], ["a", "b"]),
        ([{"name": "a"}], [], ["a"]),
        (["a"], [{"name": "a"}, {"name": "c"}], ["a", "c"]),
        ([], [{"name": "c"}], ["c"]),
        (None, [], []),
        ([], [], []),
    ],
)
def test_pull_secrets_of_a_parent_chart(
    given: Any, own: list[dict[str, str]], wanted: list[str], major: int, tmp_path: Path
) -> None:
    values: dict[str, Any] = {"image": {"pullSecrets": own}, "global": {"imagePullSecrets": given}}
    found = things(tmp_path, major, **values)
    specs = list(pod_specs(found))
    assert len(specs) == 4
    for label, spec in specs:
        names = [each["name"] for each in spec.get("imagePullSecrets", [])]
        assert sorted(names) == wanted, label


@pytest.mark.parametrize("value", [None, {}, {"imageRegistry": "x"}])
def test_a_parent_chart_without_pull_secrets(value: Any, tmp_path: Path) -> None:
    given: dict[str, Any] = {"global": value}
    for major in HELMS:
        found = things(tmp_path, major, **given)
        assert not [spec for _, spec in pod_specs(found) if "imagePullSecrets" in spec]


@pytest.mark.parametrize("major", HELMS)
def test_probes_come_by_either_family(major: int, tmp_path: Path) -> None:
    """A pod of an IPv6-only cluster has no IPv4 address; `::` is both (the HTTP server has a test of it)."""
    for _, spec in pod_specs(things(tmp_path, major)):
        hosts = [each["value"] for each in spec["containers"][0]["env"] if each["name"] == "CRML_HTTP__HOST"]
        assert hosts in ([], ["::"])
    (container,) = one(things(tmp_path, major), "StatefulSet")["spec"]["template"]["spec"]["containers"]
    assert {"name": "CRML_HTTP__HOST", "value": "::"} in container["env"]


def _reached(policy: dict[str, Any], address: str, port: int) -> bool:
    """Whether the NetworkPolicy lets us reach an address that is no pod's."""
    where = ip_address(address)
    for rule in policy["spec"]["egress"]:
        if port not in [each["port"] for each in rule["ports"]]:
            continue
        blocks = [each["ipBlock"] for each in rule.get("to", []) if "ipBlock" in each]
        if "to" not in rule:
            return True
        for block in blocks:
            nets = [ip_network(net) for net in block.get("except", [])]
            if where in ip_network(block["cidr"]) and not any(where in net for net in nets):
                return True
    return False


@pytest.mark.parametrize("major", HELMS)
@pytest.mark.parametrize(
    ("address", "port", "reached"),
    [
        (
            "169.254.20.10",
            53,
            True,
        ),  # NodeLocal DNSCache: https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/
        ("169.254.20.10", 443, False),
        ("169.254.169.254", 53, False),
        ("169.254.169.254", 80, False),
        ("169.254.169.254", 443, False),
        ("fd00:ec2::254", 80, False),
        ("fd00:ec2::254", 443, False),
        ("fe80::1", 443, False),
        ("169.254.170.23", 80, True),
        ("fd00:ec2::23", 80, True),
        ("2001:db8::1", 443, True),
        ("192.0.2.1", 443, True),
        ("fd00::1", 9092, True),
        ("192.0.2.1", 53, False),
        ("2001:db8::1", 53, False),
    ],
)
def test_what_a_pod_may_reach(address: str, port: int, reached: bool, major: int, tmp_path: Path) -> None:
    settings = {**MINIMAL, "kafka": {"bootstrap_servers": ["[fd00::1]:9092"]}}
    assert _reached(one(things(tmp_path, major, settings=settings), "NetworkPolicy"), address, port) is reached


@pytest.mark.parametrize("major", HELMS)
def test_a_label_of_an_object_comes_before_a_common_one(major: int, tmp_path: Path) -> None:
    """Once each: a key twice is refused by some clusters, and which counts is chance in others."""
    labels = {"release": "prometheus", "example.com/team_1": "a.b-C"}
    monitoring = {"dashboard": {"enabled": True, "labels": labels}}
    file = tmp_path / "values.yaml"
    common = {"release": "common", "cost-center": "7"}
    file.write_text(yaml.safe_dump({"settings": MINIMAL, "monitoring": monitoring, "commonLabels": common}))
    made = [thing for thing in template(major, file) if thing["metadata"]["labels"].get("example.com/team_1")]
    assert [thing["metadata"]["labels"]["release"] for thing in made] == ["prometheus"]
    assert made[0]["metadata"]["labels"]["cost-center"] == "7"
