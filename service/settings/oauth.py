"""Settings of SASL OAUTHBEARER: the source of the tokens that authenticate the service to Kafka."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, model_validator

from service.settings.aws import Region, RoleArn, address_fault, is_exposed
from service.settings.base import SettingsGroup
from service.settings.role_session import SessionName

Provider = Literal["msk_iam", "client_credentials", "file"]

_OF: Final[dict[str, tuple[str, ...]]] = {
    "msk_iam": ("region", "role_arn", "external_id", "session_name", "sts_endpoint_url", "allow_plain_http"),
    "client_credentials": (
        "token_url",
        "client_id",
        "client_secret",
        "client_secret_file",
        "scope",
        "audience",
        "ca_file",
        "allow_plain_http",
    ),
    "file": ("token_file",),
}
"""Which settings belong to which provider."""

_NEEDED: Final[dict[str, tuple[str, ...]]] = {
    "msk_iam": ("region",),
    "client_credentials": ("token_url", "client_id", "client_secret"),
    "file": ("token_file",),
}


class OAuth(SettingsGroup):
    """Where tokens come from; for `OAUTHBEARER` only."""

    provider: Provider
    """`msk_iam`: signed with AWS credentials. `client_credentials`: by a token endpoint. `file`: mounted."""
    region: Region | None = None
    """`msk_iam`: the MSK cluster's Region; `AWS_REGION` or `AWS_DEFAULT_REGION` if not set."""
    role_arn: RoleArn | None = None
    """`msk_iam`: role to assume for Kafka; without one the standard credential chain is used as it is."""
    external_id: Annotated[str, Field(min_length=2, max_length=1224)] | None = None
    """`msk_iam`: external id that the role's trust policy requires."""
    session_name: SessionName = "cleanroomsml-service"
    """`msk_iam`: name of the assumed session; the brokers' logs show it."""
    sts_endpoint_url: str | None = None
    """`msk_iam`: address of STS instead of AWS's own."""
    token_url: str | None = None
    """`client_credentials`: the token endpoint of the identity provider."""
    client_id: str | None = None
    """`client_credentials`: client id."""
    client_secret: SecretStr | None = None
    """`client_credentials`: client secret."""
    client_secret_file: Path | None = None
    """`client_credentials`: file with the secret, instead of `client_secret`; read again for every token."""
    scope: str | None = None
    """`client_credentials`: scopes to ask for, separated by blanks."""
    audience: str | None = None
    """`client_credentials`: audience of the token, if the identity provider requires one."""
    ca_file: Path | None = None
    """`client_credentials`: certificates to trust at the token endpoint, PEM; the system's own if not set."""
    allow_plain_http: bool = False
    """`client_credentials`, `msk_iam`: permits an `http://` token endpoint or STS on other machines."""
    token_file: Path | None = None
    """`file`: file with a token that another process renews, such as a projected service-account token."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        own = _OF[self.provider]
        problems = [f"{name} is needed for {self.provider}" for name in _NEEDED[self.provider] if self._lacks(name)]
        foreign = sorted(self.model_fields_set - {*own, "provider"})
        problems += [f"{name} is not for {self.provider}; its settings are: {', '.join(own)}" for name in foreign]
        problems += self._address_problems()
        if self.external_id and not self.role_arn:
            problems.append("external_id is of no use without role_arn")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _lacks(self, name: str) -> bool:
        value: Any = getattr(self, name)
        return value is None or value == ""

    def _address_problems(self) -> list[str]:
        given = {name: url for name in ("token_url", "sts_endpoint_url") if (url := getattr(self, name))}
        rules = {"token_url": {"query": True}, "sts_endpoint_url": {"of_aws": True}}
        faults = {name: address_fault(url, **rules[name]) for name, url in given.items()}
        problems = [f"{name} must be {fault}" for name, fault in faults.items() if fault]
        if not self.allow_plain_http:
            remedy = "is plain http beyond this machine: use https, or set allow_plain_http"
            problems += [f"{name} {remedy}" for name, url in given.items() if is_exposed(url)]
        return problems
