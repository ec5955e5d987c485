"""CloudFormation templates: topics of an MSK cluster, and the roles that pods get from EKS Pod Identity."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from schemas.aws_policies.iam import iam_policy
from service.adapters.kafka.topics import TopicSpec, config_at_creation
from service.operator.access.formats import as_msk_iam
from service.operator.access.kafka_acls import SERVICE, TOPICS, Acl

CLUSTER_ARN: Final = (
    "arn:${AWS::Partition}:kafka:${AWS::Region}:${AWS::AccountId}:cluster/${MskClusterName}/${MskClusterUuid}"
)
PODS: Final[Mapping[str, str]] = {SERVICE: "ServiceAccount", TOPICS: "TopicsServiceAccount"}
"""Components that run as pods, each with the parameter that names its Kubernetes service account."""

_MSK: Final = {
    "MskClusterName": {"Type": "String", "Description": "Second part of the cluster's ARN"},
    "MskClusterUuid": {"Type": "String", "Description": "Third part of the cluster's ARN"},
}
_TRUST: Final = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "pods.eks.amazonaws.com"},
            "Action": ["sts:AssumeRole", "sts:TagSession"],
        }
    ],
}


def topics(specs: Iterable[TopicSpec], replication: int) -> dict[str, Any]:
    """A template of all topics, which stay when the stack goes: in them is what the service knows."""
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Topics of the Clean Rooms ML service on MSK",
        "Parameters": _MSK,
        "Resources": {_logical(spec.name): _topic(spec, replication) for spec in specs},
    }


def access(rights: Iterable[Acl]) -> dict[str, Any]:
    """A template of a role and its association for each pod, and of policies that other components attach."""
    kafka = json.loads(as_msk_iam(list(rights), cluster_arn=CLUSTER_ARN))
    resources: dict[str, Any] = {}
    for component, policy in kafka.items():
        name = _logical(component)
        document = _substituted(policy)
        if component in PODS:
            resources[f"{name}Role"] = _role(component, document)
            resources[f"{name}Association"] = _association(f"{name}Role", PODS[component])
        else:
            resources[f"{name}Policy"] = {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": document},
            }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": "Roles of the Clean Rooms ML service for EKS Pod Identity, and rights on MSK with IAM",
        "Parameters": {
            **_MSK,
            "EksClusterName": {"Type": "String"},
            "Namespace": {"Type": "String", "Default": "cleanrooms-ml"},
            "ServiceAccount": {"Type": "String", "Default": "cleanrooms-ml-service"},
            "TopicsServiceAccount": {"Type": "String", "Default": "cleanrooms-ml-service-topics"},
            "DataRoleArns": {
                "Type": "CommaDelimitedList",
                "Description": "Roles that commands may name, by which Clean Rooms ML reads and writes data",
            },
        },
        "Resources": resources,
        "Outputs": {
            f"{name}Arn": {"Value": {"Fn::GetAtt": [name, "Arn"]}} for name in resources if name.endswith("Role")
        },
    }


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


def _role(component: str, kafka: dict[str, Any]) -> dict[str, Any]:
    policies = [{"PolicyName": "kafka", "PolicyDocument": kafka}]
    if component == SERVICE:
        document = iam_policy(roles=["DataRoleArns"])
        for statement in document["Statement"]:
            if statement["Resource"] == ["DataRoleArns"]:
                statement["Resource"] = {"Ref": "DataRoleArns"}
        policies.append({"PolicyName": "clean-rooms-ml", "PolicyDocument": document})
    return {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": _TRUST, "Policies": policies}}


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
    if isinstance(part, list):
        return [_substituted(value) for value in part]
    return {"Fn::Sub": part} if isinstance(part, str) and "${" in part else part


def _logical(name: str) -> str:
    """Letters and digits only: ``cleanroomsml.dead-letters`` -> ``CleanroomsmlDeadLetters``."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))
