"""What is generated in deploy/: it is fresh, and says what the service itself would do."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.render import PLACEHOLDERS, REPLICATION, ROOT, defaults, files, stale
from schemas.aws_policies.iam import iam_policy
from service.adapters.kafka.topics import config_at_creation
from service.operator.access.kafka_acls import acls
from service.settings import load
from service.topology import topic_specs


@cache
def fresh() -> dict[str, str]:
    """Rendered once."""
    return files(defaults())


def document(path: str) -> Any:
    return yaml.safe_load(fresh()[path])


def test_what_is_committed_is_fresh() -> None:
    assert stale(defaults()) == [], "run make render"


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    for path in fresh():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text((ROOT / path).read_text())
    (tmp_path / "kafka/acls.sh").write_text("allow everything")
    assert stale(defaults(), tmp_path) == ["kafka/acls.sh"]


def test_topics_are_those_that_the_service_verifies() -> None:
    specs = {spec.name: spec for spec in topic_specs(defaults())}
    strimzi = {each["metadata"]["name"]: each["spec"] for each in yaml.safe_load_all(fresh()["kafka/topics.yaml"])}
    amazon = {each["Properties"]["TopicName"]: each for each in document("aws/topics.yaml")["Resources"].values()}
    assert set(strimzi) == set(amazon) == set(specs)
    for name, spec in specs.items():
        wanted = config_at_creation(spec, REPLICATION)
        assert wanted["min.insync.replicas"] == "2"
        assert strimzi[name] == {"partitions": spec.partitions, "replicas": REPLICATION, "config": wanted}
        told = amazon[name]["Properties"]["Configs"]["Fn::Base64"]
        assert dict(line.split("=") for line in told.splitlines()) == wanted
        assert f"create --topic {name} --partitions {spec.partitions} " in fresh()["kafka/topics.sh"]


def test_a_stack_that_goes_leaves_the_topics() -> None:
    for topic in document("aws/topics.yaml")["Resources"].values():
        assert (topic["DeletionPolicy"], topic["UpdateReplacePolicy"]) == ("Retain", "Retain")


def test_pods_have_roles_and_others_policies() -> None:
    resources = document("aws/access.yaml")["Resources"]
    assert {name for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"} == {"ServiceRole", "TopicsRole"}
    for name in ("Service", "Topics"):
        association = resources[f"{name}Association"]["Properties"]
        assert association["RoleArn"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}
    trust = resources["ServiceRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [statement["Principal"] for statement in trust] == [{"Service": "pods.eks.amazonaws.com"}]


def test_the_service_may_pass_only_the_named_roles() -> None:
    policies = document("aws/access.yaml")["Resources"]["ServiceRole"]["Properties"]["Policies"]
    statements = next(one for one in policies if one["PolicyName"] == "clean-rooms-ml")["PolicyDocument"]["Statement"]
    [passing] = [one for one in statements if one["Action"] == ["iam:PassRole"]]
    assert passing["Resource"] == {"Ref": "DataRoleArns"}
    assert passing["Condition"]["StringEquals"]["iam:PassedToService"] == "cleanrooms-ml.amazonaws.com"
    assert statements[0]["Action"] == iam_policy()["Statement"][0]["Action"]


def test_only_the_topics_pod_creates() -> None:
    resources = document("aws/access.yaml")["Resources"]
    creating = {name for name, one in resources.items() if "kafka-cluster:CreateTopic" in str(one)}
    assert creating == {"TopicsRole"}


@pytest.mark.parametrize("path", ["kafka/users.yaml", "kafka/acls.sh"])
def test_every_right_is_granted(path: str) -> None:
    text = fresh()[path]
    for right in acls(defaults()):
        assert right.name in text
        assert right.operation in text


def test_other_topics_and_tenants_follow_the_settings() -> None:
    settings = load(environ={**PLACEHOLDERS, "CRML_TOPICS__PREFIX": "ours", "CRML_TENANTS__BLUE__TARGETS": "default"})
    made = files(settings)
    assert "name: ours.blue.commands" in made["kafka/topics.yaml"]
    assert "cleanroomsml.commands" not in "".join(made.values())


def test_placeholders_appear_nowhere() -> None:
    assert "kafka:9092" not in "".join(fresh().values())
