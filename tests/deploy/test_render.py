"""What is generated in deploy/: it is fresh, and says what the service itself would do."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.render import PLACEHOLDERS, REPLICATION, ROOT, defaults, files, stale
from schemas.operations import OPERATIONS, RESOURCES, Operation
from service.adapters.kafka.topics import config_at_creation
from service.operator.access.iam_policies import documents
from service.operator.access.kafka_acls import acls
from service.settings import load
from service.topology import topic_specs
from tests.support.iam_evaluation import allowed, filled_in


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
    assert {name for name, one in resources.items() if one["Type"] == "AWS::IAM::Role"} == {
        "ServiceRole",
        "TopicsRole",
        "RepairRole",
    }
    for name in ("Service", "Topics", "Repair"):
        association = resources[f"{name}Association"]["Properties"]
        assert association["RoleArn"] == {"Fn::GetAtt": [f"{name}Role", "Arn"]}


STACK = {
    "AWS::Partition": "aws",
    "AWS::Region": "eu-central-1",
    "AWS::AccountId": "111122223333",
    "MskClusterName": "main",
    "MskClusterUuid": "0d6a5b1e-0000-4000-8000-000000000000-2",
    "EksClusterName": "apps",
    "Namespace": "crml",
    "ServiceAccount": "crml-cleanrooms-ml-service",
    "TopicsServiceAccount": "crml-cleanrooms-ml-service-topics",
    "RepairServiceAccount": "crml-cleanrooms-ml-service-repair",
    "CleanRoomsMlRegion": "eu-west-1",
    "DataRoleArns": ["arn:aws:iam::111122223333:role/data-in", "arn:aws:iam::111122223333:role/data-out"],
}


def stack() -> Any:
    """The resources of access.yaml, with parameters."""
    return filled_in(document("aws/access.yaml")["Resources"], STACK)


def own_policy(role: str = "ServiceRole") -> Any:
    """What a pod may do at AWS, by default the service's."""
    policies = stack()[role]["Properties"]["Policies"]
    return next(one["PolicyDocument"] for one in policies if one["PolicyName"] == "clean-rooms-ml")


def test_every_parameter_is_given_and_used() -> None:
    assert set(document("aws/access.yaml")["Parameters"]) == {name for name in STACK if "::" not in name}
    assert stack()


def test_the_service_may_do_what_iam_prints() -> None:
    """One source: the template's policy is the command's, for the same account, Region and roles."""
    settings = load(
        environ={**PLACEHOLDERS, "AWS_REGION": "eu-west-1", "CRML_TARGETS__DEFAULT__ACCOUNT": "111122223333"}
    )
    printed = documents(settings, data_roles=STACK["DataRoleArns"])["own"]["Statement"]
    assert len(printed) == 9
    assert sorted(own_policy()["Statement"], key=str) == sorted(printed, key=str)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_the_repair_pod_only_reads(row: Operation) -> None:
    policy, here = own_policy("RepairRole"), {"aws__RequestedRegion": "eu-west-1"}
    arns = [f"arn:aws:cleanrooms-ml:eu-west-1:111122223333:{kind.arn_type}/a" for kind in RESOURCES.values()]
    asked = {name for kind in RESOURCES.values() for name in (kind.list_operation, kind.get_operation)}
    may = any(allowed(policy, row.action, arn, **here) for arn in [*arns, "*"])
    assert may is (row.name in asked), row.name
    assert "PassRole" not in str(policy)


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=lambda row: row.name)
def test_each_operation_is_allowed_here_and_nowhere_else(row: Operation) -> None:
    """By an evaluator of IAM that is not ours."""
    policy, kinds = own_policy(), {kind.arn_type for kind in RESOURCES.values() if kind.arn_type}

    def arns(region: str, account: str) -> list[str]:
        return [f"arn:aws:cleanrooms-ml:{region}:{account}:{kind}/a" for kind in kinds]

    def may(region: str, account: str) -> bool:
        return any(
            allowed(policy, row.action, arn, aws__RequestedRegion=region) for arn in [*arns(region, account), "*"]
        )

    assert may("eu-west-1", "111122223333")
    assert not may("eu-central-1", "111122223333")
    others = [arn for arn in arns("eu-west-1", "999900001111") if allowed(policy, row.action, arn)]
    partners = ["arn:aws:cleanrooms-ml:eu-west-1:999900001111:configured-audience-model/a"]
    assert others == (partners if row.name == "StartAudienceGenerationJob" else [])


@pytest.mark.parametrize(
    ("role", "service", "passed"),
    [
        ("arn:aws:iam::111122223333:role/data-in", "cleanrooms-ml.amazonaws.com", True),
        ("arn:aws:iam::111122223333:role/data-in", "lambda.amazonaws.com", False),
        ("arn:aws:iam::111122223333:role/admin", "cleanrooms-ml.amazonaws.com", False),
    ],
)
def test_the_service_may_pass_only_the_named_roles(role: str, service: str, passed: bool) -> None:
    assert allowed(own_policy(), "iam:PassRole", role, iam__PassedToService=service) is passed


def test_a_star_stands_only_where_aws_takes_nothing_else_and_says_why() -> None:
    stars = [
        (name, statement)
        for name, one in stack().items()
        for statement in statements_of(one)
        if statement["Resource"] in ("*", ["*"])
    ]
    assert {name for name, _ in stars} == {"ServiceRole", "RepairRole"}
    stars.sort(key=lambda each: each[0] == "RepairRole")
    assert stars[1][1]["Action"] == [action for action in stars[0][1]["Action"] if ":List" in action]
    assert stars[0][1]["Action"] == [
        "cleanrooms-ml:CreateTrainingDataset",
        "cleanrooms-ml:ListAudienceExportJobs",
        "cleanrooms-ml:ListAudienceGenerationJobs",
        "cleanrooms-ml:ListAudienceModels",
        "cleanrooms-ml:ListConfiguredAudienceModels",
        "cleanrooms-ml:ListTrainingDatasets",
    ]
    assert stars[0][1]["Condition"] == {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}}
    lines = fresh()["aws/access.yaml"].splitlines()
    written = [number for number, line in enumerate(lines) if line.strip() == "Resource: '*'"]
    assert len(written) == 2
    assert all("Service Authorization Reference" in lines[star - 2] for star in written)


def statements_of(resource: Any) -> list[Any]:
    """Of a role's or a managed policy."""
    properties = resource["Properties"]
    found = [one["PolicyDocument"] for one in properties.get("Policies", [])]
    found += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    return [statement for policy in found for statement in policy["Statement"]]


@pytest.mark.parametrize(
    ("role", "account"),
    [("Service", "ServiceAccount"), ("Topics", "TopicsServiceAccount"), ("Repair", "RepairServiceAccount")],
)
def test_only_the_pod_itself_comes_by_its_role(role: str, account: str) -> None:
    [statement] = stack()[f"{role}Role"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]
    assert statement["Condition"] == {
        "StringEquals": {
            "aws:SourceAccount": "111122223333",
            "aws:RequestTag/eks-cluster-arn": "arn:aws:eks:eu-central-1:111122223333:cluster/apps",
            "aws:RequestTag/kubernetes-namespace": "crml",
            "aws:RequestTag/kubernetes-service-account": STACK[account],
        }
    }
    association = stack()[f"{role}Association"]["Properties"]
    assert (association["Namespace"], association["ServiceAccount"]) == ("crml", STACK[account])


def test_names_are_those_of_the_guide() -> None:
    """Release, namespace and service accounts, as the guide's commands make them."""
    defaults = {name: what.get("Default") for name, what in document("aws/access.yaml")["Parameters"].items()}
    guide = (ROOT.parent / "docs/howto/install.md").read_text()
    assert f"helm install crml helm/cleanrooms-ml-service --namespace {defaults['Namespace']} " in guide
    assert f"--namespace {defaults['Namespace']} --service-account {defaults['ServiceAccount']}" in guide
    assert defaults["TopicsServiceAccount"] == f"{defaults['ServiceAccount']}-topics"
    assert defaults["RepairServiceAccount"] == f"{defaults['ServiceAccount']}-repair"


def test_policies_are_within_what_iam_takes() -> None:
    """10,240 characters for all inline policies of a role, 6,144 for a managed one; white space does not count."""
    long = {**STACK, "EksClusterName": "e" * 100, "MskClusterName": "m" * 64}
    for name, one in filled_in(document("aws/access.yaml")["Resources"], long).items():
        size = len(json.dumps(statements_of(one) if "Policy" in str(one["Type"]) or name.endswith("Role") else []))
        assert size < (10_240 if name.endswith("Role") else 6_144), (name, size)


def test_a_target_with_a_role_is_entered_by_it() -> None:
    role = "arn:aws:iam::444455556666:role/crml"
    settings = load(environ={**PLACEHOLDERS, "CRML_TARGETS__DEFAULT__ROLE_ARN": role})
    made = yaml.safe_load(files(settings)["aws/access.yaml"])
    policies = made["Resources"]["ServiceRole"]["Properties"]["Policies"]
    [statement] = next(one for one in policies if one["PolicyName"] == "clean-rooms-ml")["PolicyDocument"]["Statement"]
    assert (statement["Action"], statement["Resource"]) == (["sts:AssumeRole", "sts:TagSession"], [role])
    assert not {"CleanRoomsMlRegion", "DataRoleArns"} & set(made["Parameters"])


def test_only_the_topics_pod_creates_all() -> None:
    resources = document("aws/access.yaml")["Resources"]
    creating = {name for name, one in resources.items() if "kafka-cluster:CreateTopic" in str(one)}
    assert creating == {"TopicsRole", "RepairRole"}
    made = {name for name in creating if "cleanroomsml.commands" in str(_creating(resources[name]))}
    assert made == {"TopicsRole"}, "an operator creates lost changelogs, and nothing else"


def _creating(role: Any) -> list[Any]:
    return [one["Resource"] for one in statements_of(role) if "kafka-cluster:CreateTopic" in one["Action"]]


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
