"""Settings of AWS: a target is an account, a Region, and how to get credentials."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from yarl import URL

from schemas.operations import RESOURCES
from service.settings import role_session
from service.settings.base import Count, Names, PerSecond, Seconds, SettingsGroup, hyphenated, is_ipv6, one_of
from service.settings.role_session import NO_TAGS, SessionName, TagKey, Tags

SLOTS: Final = frozenset(resource.slot for resource in RESOURCES.values() if resource.slot)
"""The concurrency quotas in the table of operations."""

DEFAULT_QUOTAS: Final = {"audience-models": 2, "audience-generation-jobs": 10, "audience-export-jobs": 20}
"""AWS's published defaults, per account and Region."""


RoleArn = Annotated[str, Field(pattern=r"^arn:aws[-a-z]*:iam::[0-9]{12}:role/.+$")]
"""A role's name in full."""


Region = Annotated[str, Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-[0-9]+$")]
"""A Region of any partition: `eu-west-1`, `us-isob-east-1`, `eusc-de-east-1`."""


class Params(SettingsGroup):
    """Members that are added to creating requests if a command does not give them; its own are never replaced."""

    tags: Tags = NO_TAGS
    """Tags of created resources, `key=value,...`; a command's own tags are added and take precedence."""
    kms_key_arn: Annotated[str, Field(pattern=r"^arn:aws[-a-z]*:kms:[-a-z0-9]+:[0-9]{12}:key/.+$")] | None = None
    """`kmsKeyArn` of created models."""
    role_arn: RoleArn | None = None
    """`roleArn` of created training datasets; roles in other members are not affected."""

    def members(self) -> dict[str, Any]:
        """The members by their names in the API."""
        found = {"tags": self.tags, "kmsKeyArn": self.kms_key_arn, "roleArn": self.role_arn}
        return {name: value for name, value in found.items() if value}


class Rate(SettingsGroup):
    """Call rates in one account and Region, over all replicas."""

    reads_per_second: PerSecond = 5.0
    """Get and List calls."""
    writes_per_second: PerSecond = 1.0
    """All other calls."""


def _all_quotas(value: Any) -> Any:
    given = hyphenated(value)
    return {**DEFAULT_QUOTAS, **given} if isinstance(given, dict) else given


def _digits(value: Any) -> Any:
    """An account without quotes is a number in YAML, which tools such as Helm write as 1.2e+11."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise ValueError('the 12 digits in quotes, "123456789012": without them they are a number')  # noqa: TRY004 - pydantic's protocol
    return value


class Target(SettingsGroup):
    """An account, a Region, and how to get credentials."""

    account: Annotated[str, Field(pattern=r"^[0-9]{12}$"), BeforeValidator(_digits)] | None = None
    """The account's 12 digits, quoted; when set, `check` verifies it and ARNs of others are refused."""
    region: Region
    """The Region; `AWS_REGION` or `AWS_DEFAULT_REGION` if not set."""
    role_arn: RoleArn | None = None
    """Role to assume; without one the standard credential chain is used as it is."""
    external_id: Annotated[str, Field(min_length=2, max_length=1224)] | None = None
    """External id that the role's trust policy requires."""
    session_name: SessionName = "cleanroomsml-service"
    """Name in CloudTrail of the session for reads and polls; the names of other sessions begin with it."""
    session_per_command: bool = True
    """Whether each call that changes something has its own session, `<session_name>-<marker>`: one STS call each."""
    session_tags: Tags = NO_TAGS
    """Session tags, `key=value,...`, for policies and CloudTrail; trust policies must allow `sts:TagSession`."""
    tenant_tag: TagKey | None = None
    """Key of an additional tag of a command's session: its tenant, for use in policies."""
    command_tag: TagKey | None = None
    """Key of an additional tag of a command's session: the command's id; characters that STS rejects become `_`."""
    transitive_tags: Names = ()
    """Keys of session tags that a role assumed from these sessions inherits."""
    source_identity: SessionName | None = None
    """Source identity for CloudTrail and policies; trust policies must allow `sts:SetSourceIdentity`."""
    session_duration: Annotated[int, Field(ge=1800, le=43200, json_schema_extra={"unit": "seconds"})] = 3600
    """How long assumed credentials are valid; they are renewed before they expire."""
    endpoint_url: str | None = None
    """Address to call instead of AWS's own; `AWS_ENDPOINT_URL` only if no target is set and
    `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS` is not `true`, and ignored otherwise."""
    sts_endpoint_url: str | None = None
    """Address of STS; `endpoint_url` if not set."""
    allow_plain_http: bool = False
    """Permits an `http://` endpoint on other machines."""
    connect_timeout: Seconds = 5.0
    """Time to open a connection."""
    read_timeout: Seconds = 50.0
    """Time to wait for bytes of an answer."""
    retry_base: Seconds | None = None
    """Delay before the first retry, doubled each time with jitter; `timing.retry_base` if not set."""
    retry_cap: Seconds | None = None
    """Longest delay between retries; `timing.retry_cap` if not set."""
    keepalive: Seconds = 12.0
    """How long an idle connection is kept."""
    pool: Count = 50
    """Maximum number of connections for reads, and the same number for all other calls."""
    proxy: SecretStr | None = None
    """Proxy for all calls; `HTTPS_PROXY` and `NO_PROXY` of the environment if not set."""
    proxy_file: Path | None = None
    """File with the proxy's address, which may hold a password, instead of `proxy`."""
    verify: bool = True
    """Whether certificates are verified."""
    ca_file: Annotated[str, Field(min_length=1)] | None = None
    """Certificates to trust, PEM, instead of the bundled ones."""
    fips: bool = False
    """Whether to use FIPS endpoints."""
    dualstack: bool = False
    """Whether to use dual-stack endpoints (IPv4 and IPv6)."""
    params: Params = Params()
    """Members that are added to creating requests; those of a tenant take precedence."""
    rate: Rate = Rate()
    """Call rates."""
    quotas: Annotated[dict[str, Annotated[int, Field(ge=1)]], BeforeValidator(_all_quotas), one_of(SLOTS)] = (
        DEFAULT_QUOTAS
    )
    """Jobs that AWS runs concurrently in this account and Region, by quota."""

    @field_validator("quotas")
    @classmethod
    def _known_quotas(cls, value: dict[str, int]) -> dict[str, int]:
        unknown = sorted(set(value) - SLOTS)
        if unknown:
            raise ValueError(f"unknown: {', '.join(unknown)}; known: {', '.join(sorted(SLOTS))}")
        return value

    @field_validator("endpoint_url", "sts_endpoint_url")
    @classmethod
    def _web_address(cls, value: str | None) -> str | None:
        if value is not None and (fault := address_fault(value, of_aws=True)):
            raise ValueError(fault)
        return value

    @field_validator("proxy")
    @classmethod
    def _proxy_address(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and (fault := address_fault(value.get_secret_value(), user=True, path=False)):
            raise ValueError(fault)
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        problems = [
            f"{name} is plain http beyond this machine: use https, or set allow_plain_http"
            for name in ("endpoint_url", "sts_endpoint_url")
            if not self.allow_plain_http and is_exposed(getattr(self, name))
        ]
        problems += role_session.problems(self)
        if self.endpoint_url and (self.fips or self.dualstack):
            problems.append("endpoint_url excludes fips and dualstack")
        if problems:
            raise ValueError("; ".join(problems))
        return self


_LABEL: Final = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_BRACKETED: Final = re.compile(r"\[[^\[\]]+\](:[0-9]*)?")
_MAX_HOST: Final = 253
_LAST_PORT: Final = 65_535


def address_fault(url: str, *, of_aws: bool = False, user: bool = False, path: bool = True, query: bool = False) -> str:
    """What is expected instead of a URL to call; empty when nothing is wrong with it. The URL itself is not repeated.

    Args:
        url: The URL.
        of_aws: Whether AWS's SDK calls it, which refuses some host names.
        user: Whether it may have a user name, and a password.
        path: Whether it may have a path.
        query: Whether it may have a query.
    """
    wanted = next(_faults(url, of_aws, user, path, query), "")
    return wanted and f"a URL such as https://host:port, {wanted}"


def _faults(url: str, of_aws: bool, user: bool, path: bool, query: bool) -> Iterator[str]:
    if re.fullmatch("[!-~]*", url) is None:
        yield "in ASCII and without blanks; other characters are written as %20, a host name as xn--..."
        return
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        yield f"with a port of 1 to {_LAST_PORT}, and brackets around an IPv6 address only"
        return
    if parts.scheme not in {"http", "https"}:
        yield "beginning with https:// or http://"
    if not user and "@" in parts.netloc:
        yield "without a user name"
    if "#" in url:
        yield "without a fragment (#)"
    if not query and "?" in url:
        yield "without a query (?)"
    if not path and parts.path not in {"", "/"}:
        yield "without a path"
    if port == 0 or parts.netloc.endswith(":"):
        yield f"with a port of 1 to {_LAST_PORT}, or none"
    yield from _host_faults(parts.hostname or "", parts.netloc, of_aws)


def _host_faults(host: str, netloc: str, of_aws: bool) -> Iterator[str]:
    if "[" in netloc or "]" in netloc:
        if not is_ipv6(host) or _BRACKETED.fullmatch(netloc.rpartition("@")[2]) is None:
            yield "with an IPv6 address in its brackets"
        return
    labels = host.removesuffix(".").split(".")
    if len(host) > _MAX_HOST or not all(map(_LABEL.fullmatch, labels)) or (labels[-1].isdigit() and not _is_ip(host)):
        yield "with the name of a host, or its IP address"
    elif not _is_readable(host):
        yield "with labels of its host name after xn-- that stand for other characters (Punycode)"
    elif of_aws and "_" in host:
        yield "without '_' in its host name, which AWS's SDK refuses"


def _is_readable(host: str) -> bool:
    """Whether the HTTP client can read the name: it decodes what follows xn--, and fails where that means nothing."""
    try:
        return URL.build(scheme="http", host=host).host is not None
    except ValueError:
        return False


def _is_ip(host: str) -> bool:
    try:
        return bool(ip_address(host))
    except ValueError:
        return False


def is_exposed(url: str | None) -> bool:
    """True for plain http to anything but this machine."""
    if url is None:
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return True  # what can't be read is not known to be safe
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")


def is_loopback(host: str) -> bool:
    """True when a host name can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_ip(host) and ip_address(host).is_loopback
