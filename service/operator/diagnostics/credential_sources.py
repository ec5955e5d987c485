"""The credential source in the environment, and what is wrong with it: variables and token files, before AWS is asked.

The ways are botocore's; the first that is there wins: keys in the environment, a profile's role, a web identity (IRSA),
keys in files, a container's endpoint (EKS Pod Identity, ECS), the machine's role.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

_ROLE, _WEB_TOKEN = "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"
_KEY, _SECRET, _TOKEN = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_FULL_URI, _CONTAINER_TOKEN = "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
_POD_IDENTITY_HOSTS: Final = frozenset({"169.254.170.23", "fd00:ec2::23"})
_STS_AUDIENCE: Final = "sts.amazonaws.com"

_WORDS: Final = {
    "env": f"keys in the environment ({_KEY})",
    "assume-role": "the role of profile {AWS_PROFILE}",
    "assume-role-with-web-identity": f"web identity (IRSA): role {{{_ROLE}}}, token {{{_WEB_TOKEN}}}",
    "sso": "single sign-on of profile {AWS_PROFILE}",
    "shared-credentials-file": "keys in the credentials file, profile {AWS_PROFILE}",
    "config-file": "keys in the configuration file, profile {AWS_PROFILE}",
    "custom-process": "the process of profile {AWS_PROFILE}",
    "container-role": f"container credentials from {{{_FULL_URI}}}",
    "iam-role": "the machine's role, from its metadata service",
}


BY_STS: Final = frozenset({"assume-role", "assume-role-with-web-identity"})
"""Credential sources that call STS before a target is called."""


def describe(method: str, environ: Mapping[str, str]) -> str:
    """Describes the credential source; ``method`` is botocore's name for it."""
    if method == "container-role" and _is_pod_identity(environ):
        return f"EKS Pod Identity: {environ[_FULL_URI]}, token {environ[_CONTAINER_TOKEN]}"
    return _WORDS.get(method, method).format_map(_EnvironmentNames(environ))


class _EnvironmentNames(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "default" if key == "AWS_PROFILE" else f"(no {key})"


def problems(environ: Mapping[str, str], now: datetime) -> Iterator[str]:
    """Yields what is wrong with the environment, or perhaps unintended."""
    if bool(environ.get(_KEY)) != bool(environ.get(_SECRET)):
        yield f"{_KEY} and {_SECRET} go together: set both or none"
    for name in (_KEY, _SECRET, _TOKEN, _ROLE, _WEB_TOKEN, _FULL_URI, _CONTAINER_TOKEN):
        if environ.get(name, "") != environ.get(name, "").strip():
            yield f"{name} begins or ends with white space, which does not belong to it: set it without"
    web, container = bool(environ.get(_WEB_TOKEN)), bool(environ.get(_FULL_URI))
    if environ.get(_KEY) and (web or container):
        yield f"{_KEY} is set and goes before the pod's own identity: unset it to use that"
    elif web and container:
        yield f"{_WEB_TOKEN} (IRSA) goes before {_FULL_URI} (Pod Identity): keep one"
    if web and not environ.get(_ROLE):
        yield f"{_ROLE} is missing beside {_WEB_TOKEN}: is the service account annotated with its role?"
    if web:
        yield from _token_problems(_WEB_TOKEN, environ[_WEB_TOKEN], now, _STS_AUDIENCE)
    if container and environ.get(_CONTAINER_TOKEN):
        yield from _token_problems(_CONTAINER_TOKEN, environ[_CONTAINER_TOKEN], now)


def _is_pod_identity(environ: Mapping[str, str]) -> bool:
    uri = environ.get(_FULL_URI, "")
    return bool(environ.get(_CONTAINER_TOKEN)) and (
        urlsplit(uri).hostname in _POD_IDENTITY_HOSTS or "eks-pod-identity" in environ[_CONTAINER_TOKEN]
    )


def _token_problems(variable: str, file: str, now: datetime, audience: str = "") -> Iterator[str]:
    try:
        token = Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield f"{variable}: {file} can't be read ({type(error).__name__}): is the token's volume mounted?"
        return
    if not token.strip():
        yield f"{variable}: {file} is empty: has the kubelet written it?"
        return
    if token != token.strip():
        yield f"{variable}: {file} ends with white space, which belongs to no token: write it without"
    claims = _claims(token)
    until = claims.get("exp")
    if isinstance(until, int | float) and until <= now.timestamp():
        ended = datetime.fromtimestamp(until, UTC)
        yield f"{variable}: the token in {file} expired at {ended:%Y-%m-%dT%H:%M:%SZ}: is it projected and renewed?"
    meant = claims.get("aud", audience)
    if audience and audience not in (meant if isinstance(meant, list) else [meant]):
        yield f"{variable}: the token in {file} is meant for {meant}, expected {audience}: correct its audience"


def subject(environ: Mapping[str, str]) -> str:
    """Whom the pod's token names, such as ``system:serviceaccount:<namespace>:<name>``; empty if it can't be read."""
    try:
        token = Path(environ[_WEB_TOKEN]).read_text(encoding="utf-8")
    except (KeyError, OSError, UnicodeDecodeError):
        return ""
    return str(_claims(token).get("sub", ""))


def _claims(token: str) -> dict[str, Any]:
    """What a JSON web token says of itself, unverified: AWS verifies it. Empty for any other token."""
    _, _, rest = token.partition(".")
    body = rest.partition(".")[0]
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except ValueError:
        return {}
    return claims if isinstance(claims, dict) else {}
