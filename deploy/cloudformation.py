"""CloudFormation templates: topics of an MSK cluster, and the roles that pods get from EKS Pod Identity."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.aws_policies import trust
from schemas.aws_policies.iam import Scope
from service.adapters.kafka.topics import TopicSpec, config_at_creation
from service.operator.access.formats import as_msk_iam
from service.operator.access.iam_policies import documents
from service.operator.access.kafka_acls import REPAIR, SERVICE, TOPICS, Acl
from service.settings import Settings, Target

CLUSTER_ARN: Final = (
    "arn:${AWS::Partition}:kafka:${AWS::Region}:${AWS::AccountId}:cluster/${MskClusterName}/${MskClusterUuid}"
)
CLUSTER: Final = "arn:${AWS::Partition}:eks:${AWS::Region}:${AWS::AccountId}:cluster/${EksClusterName}"
PODS: Final[Mapping[str, str]] = {
    SERVICE: "ServiceAccount",
    TOPICS: "TopicsServiceAccount",
    REPAIR: "RepairServiceAccount",
}
"""Components that run as pods, each with the parameter that names its Kubernetes service account."""

_MSK: Final = {
    "MskClusterName": {"Type": "String", "Description": "Second part of the cluster's ARN"},
    "MskClusterUuid": {"Type": "String", "Description": "Third part of the cluster's ARN"},
}
_ACCESS: Final = {
    **_MSK,
    "EksClusterName": {"Type": "String"},
    "Namespace": {"Type": "String", "Default": "crml"},
    "ServiceAccount": {"Type": "String", "Default": "crml-cleanrooms-ml-service"},
    "TopicsServiceAccount": {"Type": "String", "Default": "crml-cleanrooms-ml-service-topics"},
    "RepairServiceAccount": {"Type": "String", "Default": "crml-cleanrooms-ml-service-repair"},
    "CleanRoomsMlRegion": {
        "Type": "String",
        "Description": "Region in which Clean Rooms ML is called, as in the target's settings",
        "AllowedPattern": "[a-z]{2}(-[a-z]+)+-[0-9]+",
    },
    "DataRoleArns": {
        "Type": "CommaDelimitedList",
        "Description": "Roles that commands may name, by which Clean Rooms ML reads and writes data",
        "AllowedPattern": "arn:aws[a-z-]*:iam::[0-9]{12}:role/.+",
    },
}
_DATA_ROLES: Final = "${DataRoleArns}"
_AT_AWS: Final = {SERVICE: "own", REPAIR: "repair"}
"""Components that call AWS, each with the name of its policy among those that `python -m service iam` prints."""


def topics(specs: Iterable[TopicSpec], replication: int) -> dict[str, Any]:
    """A template of all topics, which stay when the stack goes: in them is what the service knows."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Topics of the Clean Rooms ML service on MSK",
        "Parameters": _MSK,
        "Resources": {_logical(spec.name): _topic(spec, replication) for spec in specs},
    }


def access(rights: Iterable[Acl], settings: Settings) -> dict[str, Any]:
    """A template of a role and its association for each pod, and of policies that other components attach.

    What the service's pod may do at AWS is what `python -m service iam` prints as ``own`` for the same settings, and
    what the repair pod may do is what it prints as ``repair``.
    """
    kafka = json.loads(as_msk_iam(list(rights), cluster_arn=CLUSTER_ARN))
    resources: dict[str, Any] = {}
    for component, policy in kafka.items():
        name = _logical(component)
        if component in PODS:
            policies = {"kafka": policy} | _at_aws(settings, component)
            resources[f"{name}Role"] = _role(PODS[component], policies)
            resources[f"{name}Association"] = _association(f"{name}Role", PODS[component])
        else:
            resources[f"{name}Policy"] = {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": _substituted(policy)},
            }
    used = json.dumps(resources)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Roles of the Clean Rooms ML service for EKS Pod Identity, and rights on MSK with IAM",
        "Parameters": {
            name: what for name, what in _ACCESS.items() if f"${{{name}}}" in used or f'"Ref": "{name}"' in used
        },
        "Resources": resources,
        "Outputs": {
            f"{name}Arn": {"Value": {"Fn::GetAtt": [name, "Arn"]}} for name in resources if name.endswith("Role")
        },
    }


def _at_aws(settings: Settings, component: str) -> dict[str, Any]:
    """The policy at AWS of a pod's own role, by its name; none if the pod does not call AWS."""
    if component not in _AT_AWS:
        return {}
    direct = [target for target in settings.targets.values() if not target.role_arn]

    def scope(target: Target) -> Scope:
        region = "${CleanRoomsMlRegion}" if len(direct) == 1 else target.region
        return Scope("${AWS::Partition}", region, "${AWS::AccountId}")

    found = documents(settings, data_roles=[_DATA_ROLES], scope=scope)
    return {"clean-rooms-ml": dict(found[_AT_AWS[component]])}


def _topic(spec: TopicSpec, replication: int) -> dict[str, Any]:
    config = "".join(f"{name}={value}\n" for name, value in config_at_creation(spec, replication).items())
    return {
        "Type": "AWS::MSK::Topic",
        "DeletionPolicy": "Retain",
        "UpdateReplacePolicy": "Retain",
        "Properties": {
            "ClusterArn": {"Fn::Sub": CLUSTER_ARN},
            "TopicName": spec.name,
            "PartitionCount": spec.partitions,
            "ReplicationFactor": replication,
            "Configs": {"Fn::Base64": config},
        },
    }


def _role(account: str, policies: Mapping[str, Any]) -> dict[str, Any]:
    trusted = trust.pod_identity_trust(CLUSTER, "${AWS::AccountId}", "${Namespace}", f"${{{account}}}")
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "AssumeRolePolicyDocument": _substituted(trusted),
            "Policies": [
                {"PolicyName": name, "PolicyDocument": _substituted(document)} for name, document in policies.items()
            ],
        },
    }


def _association(role: str, account: str) -> dict[str, Any]:
    return {
        "Type": "AWS::EKS::PodIdentityAssociation",
        "Properties": {
            "ClusterName": {"Ref": "EksClusterName"},
            "Namespace": {"Ref": "Namespace"},
            "ServiceAccount": {"Ref": account},
            "RoleArn": {"Fn::GetAtt": [role, "Arn"]},
        },
    }


def _substituted(part: Any) -> Any:
    """The same, with what CloudFormation must fill in marked for it."""
    if isinstance(part, dict):
        return {name: _substituted(value) for name, value in part.items()}
    if part == [_DATA_ROLES]:
        return {"Ref": "DataRoleArns"}
    if isinstance(part, list):
        return [_substituted(value) for value in part]
    return {"Fn::Sub": part} if isinstance(part, str) and "${" in part else part


def _logical(name: str) -> str:
    """Letters and digits only: ``cleanroomsml.dead-letters`` -> ``CleanroomsmlDeadLetters``."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))
