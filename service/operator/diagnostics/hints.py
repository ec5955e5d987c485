"""What to correct when AWS gives no credentials or refuses a call: a table by error code."""

from collections.abc import Mapping
from typing import Final

from botocore.exceptions import (
    ClientError,
    ConnectionError,  # noqa: A004 - botocore's: no connection was made
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
)
from botocore.parsers import ResponseParserError

from service.operator.diagnostics import credential_sources
from service.settings import Target

NONE_FOUND: Final = "give credentials (environment, profile, pod identity); a role to assume must trust the service"

CALLS: Final = {
    "AccessDeniedException": "allow {action} to this role",
    "UnrecognizedClientException": "the credentials are not valid here: check the account, the Region and the clock",
    "InvalidSignatureException": "check the secret key, and that this machine's clock is right",
    "ExpiredTokenException": "renew the credentials",
    "CredentialsUnavailable": NONE_FOUND,
    "ConnectFailed": "check the Region, endpoint_url, proxy and firewall",
    "ReadTimeout": "check the network between here and {where}",
    "InvalidResponse": "something else than AWS answers at {where}: check endpoint_url and proxy",
}
"""By the code of a refused call."""

_WEB_IDENTITY: Final = {
    "ExpiredTokenException": "the token has expired: is it projected into the pod, and renewed by the kubelet?",
    "InvalidIdentityToken": "IAM must have an OIDC provider for the token's issuer, and the token its audience",
    "IDPCommunicationError": "AWS can't reach the cluster's OIDC issuer: try again, then check that it is public",
    "AccessDenied": "the trust policy of {role} must allow sts:AssumeRoleWithWebIdentity to {subject}",
}
_ASSUME_ROLE: Final = {
    "AccessDenied": "the trust policy of {role} must allow {actions} to the service{condition}; so must its own policy",
    "ValidationError": "if it is about DurationSeconds: session_duration is above the role's maximum, "
    "or above 3600, the most for a role assumed from another",
    "PackedPolicyTooLarge": "session_tags are too many or too long",
    "RegionDisabledException": "activate STS in this Region",
    "ExpiredTokenException": "the service's own credentials have expired: see the credentials above",
    "ExpiredToken": "the service's own credentials have expired: see the credentials above",
    "InvalidClientTokenId": "the service's own credentials are not valid: see the credentials above",
}
_ENDPOINT: Final = (
    "the agent must run on this node, the service account needs a Pod Identity association, "
    "and network policies must allow connections to it"
)


def of_credentials(error: BaseException, target: Target, environ: Mapping[str, str]) -> str:
    """What to correct when there are no credentials."""
    match error:
        case NoCredentialsError():
            return NONE_FOUND
        case ClientError(operation_name="AssumeRoleWithWebIdentity"):
            hint = _WEB_IDENTITY.get(_code(error), "see AWS's message")
            role, subject = (
                environ.get("AWS_ROLE_ARN", "the role"),
                credential_sources.subject(environ) or "this service account",
            )
            return hint.format(role=role, subject=subject)
        case ClientError(operation_name="AssumeRole"):
            hint = _ASSUME_ROLE.get(_code(error), "see AWS's message")
            return hint.format(role=target.role_arn, actions=" and ".join(_actions(target)), condition=_demands(target))
        case CredentialRetrievalError() | MetadataRetrievalError():
            return _ENDPOINT if environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else NONE_FOUND
        case TimeoutError() | ConnectionError() | HTTPClientError():
            return "check the network to STS: the Region, sts_endpoint_url, proxy and firewall"
        case ClientError() | ResponseParserError():
            return "check what answers for STS: endpoint_url, sts_endpoint_url and proxy"
        case _:
            return NONE_FOUND


def _actions(target: Target) -> list[str]:
    """What our request for a session needs to be allowed."""
    tagged = target.session_tags or target.tenant_tag or target.command_tag
    wanted = {"sts:AssumeRole": True, "sts:TagSession": tagged, "sts:SetSourceIdentity": target.source_identity}
    return [action for action, needed in wanted.items() if needed]


def _demands(target: Target) -> str:
    return " with the external id that is set" if target.external_id else ", demanding no external id, as none is set"


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))
