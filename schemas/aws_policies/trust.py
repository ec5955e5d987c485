"""Who may become whom: trust policies of the roles that the service comes in by, and the right to assume the others."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

VERSION: Final = "2012-10-17"
ASSUME, TAG, IDENTIFY = "sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"


def assumed_role_trust(
    principal: str,
    *,
    external_id: str | None = None,
    source_identity: str | None = None,
    session_names: Iterable[str] = (),
    tags: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The trust policy of a target's role.

    Args:
        principal: ARN of the role that the service has by itself.
        external_id: Required of every caller, if set.
        source_identity: The only one that may be set.
        session_names: Patterns of the sessions' names; any if empty.
        tags: Tags of which a session that has them must have these values. To bring tags is allowed in any case: the
            credentials of EKS Pod Identity carry some, and pass them on.
    """
    comes: dict[str, dict[str, Any]] = {
        "StringEquals": {"sts:ExternalId": external_id} if external_id else {},
        "StringLike": {"sts:RoleSessionName": sorted(session_names)} if session_names else {},
    }
    tagged: dict[str, dict[str, Any]] = {
        "StringEqualsIfExists": {f"aws:RequestTag/{key}": value for key, value in (tags or {}).items()}
    }
    statements = [
        _statement("Assume", principal, ASSUME, comes),
        _statement("Tag", principal, TAG, tagged),
    ]
    if source_identity:
        named = {"StringEquals": {"sts:SourceIdentity": source_identity}}
        statements.append(_statement("Identify", principal, IDENTIFY, named))
    return {"Version": VERSION, "Statement": statements}


def pod_identity_trust(cluster: str, account: str, namespace: str, service_account: str) -> dict[str, Any]:
    """The trust policy of the service's own role, for an EKS Pod Identity association.

    Without its conditions, any association in the account could bring the role to any pod. EKS sets the tags itself; an
    association with ``disableSessionTags`` has none, and is refused.

    Args:
        cluster: ARN of the EKS cluster.
        account: The cluster's.
        namespace: Of the service account.
        service_account: Its name.
    """
    asked = {
        "aws:SourceAccount": account,
        "aws:RequestTag/eks-cluster-arn": cluster,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": service_account,
    }
    statement = {
        "Sid": "PodIdentity",
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": [ASSUME, TAG],
        "Condition": {"StringEquals": asked},
    }
    return {"Version": VERSION, "Statement": [statement]}


def web_identity_trust(provider: str, namespace: str, service_account: str) -> dict[str, Any]:
    """The trust policy of the service's own role, for a service account with a role (IRSA).

    Args:
        provider: ARN of the cluster's OIDC provider in IAM, ``arn:aws:iam::<account>:oidc-provider/<issuer>``.
        namespace: Of the service account.
        service_account: Its name.
    """
    issuer = provider.partition(":oidc-provider/")[2]
    claims = {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": f"system:serviceaccount:{namespace}:{service_account}",
    }
    statement = {
        "Sid": "WebIdentity",
        "Effect": "Allow",
        "Principal": {"Federated": provider},
        "Action": ["sts:AssumeRoleWithWebIdentity"],
        "Condition": {"StringEquals": claims},
    }
    return {"Version": VERSION, "Statement": [statement]}


def assume_statement(roles: Iterable[str], *, source_identity: bool = False) -> dict[str, Any]:
    """The statement of the service's own policy by which it may become others."""
    actions = [ASSUME, TAG, *([IDENTIFY] if source_identity else [])]
    return {"Sid": "AssumeRoles", "Effect": "Allow", "Action": actions, "Resource": sorted(roles)}


def templates() -> dict[str, dict[str, Any]]:
    """The trust policies with placeholders in angle brackets, by name."""
    own, pods = "arn:aws:iam::<account>:role/<the service's own role>", ("<namespace>", "<service account>")
    return {
        "trust-target-role": assumed_role_trust(
            own,
            external_id="<external_id>",
            source_identity="<source_identity>",
            session_names=("<session_name>", "<session_name>-*"),
            tags={"<key of session_tags>": "<value>"},
        ),
        "trust-pod-identity": pod_identity_trust(
            "arn:aws:eks:<region>:<account>:cluster/<cluster>", "<account>", *pods
        ),
        "trust-web-identity": web_identity_trust("arn:aws:iam::<account>:oidc-provider/<issuer>", *pods),
    }


def _statement(sid: str, principal: str, action: str, condition: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    filled = {operator: keys for operator, keys in condition.items() if keys}
    statement = {"Sid": sid, "Effect": "Allow", "Principal": {"AWS": principal}, "Action": [action]}
    return {**statement, "Condition": filled} if filled else statement
