"""Which addresses a target's calls go to: settings decide; what the environment or a profile names is ignored.

`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>` and a profile's `endpoint_url` would lead calls past `allow_plain_http`
and `fips`. Some calls are not a target's: a pod's token, a profile's role or a single sign-on is shown to the STS or
SSO of the standard credential chain. These variables may move them, but not to plain http beyond this machine and not
for a FIPS target.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from botocore.configprovider import ConfiguredEndpointProvider
from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError

from schemas.shapes import loader
from service.settings import Target
from service.settings.aws import is_exposed

ML: Final = "cleanroomsml"
STS: Final = "sts"
_CHAIN: Final = (STS, "sso", "sso-oidc", "signin")
"""Services that the standard credential chain may show a token to."""
_GENERAL: Final = "AWS_ENDPOINT_URL"
_PROFILE: Final = "a profile's endpoint_url"


def api_address(target: Target) -> str:
    """Where Clean Rooms ML is called."""
    return target.endpoint_url or _own(ML, target)


def sts_address(target: Target) -> str:
    """Where the target's role is assumed, and asked who we are."""
    return target.sts_endpoint_url or target.endpoint_url or _own(STS, target)


def ignored(session: Any, service: str, environ: Mapping[str, str], used: str) -> Iterator[str]:
    """Names of what would move a service's address, and does not; what names the address that is used is no matter."""
    for name in (_GENERAL, f"{_GENERAL}_{service.upper()}"):
        if environ.get(name, "").strip() not in {"", used}:
            yield name
    if (_configured(session, service, {}) or used) != used:
        yield _PROFILE


def settle_chain(session: Any, targets: Mapping[str, Target]) -> None:
    """Decides which STS the standard credential chain asks: AWS's own, or the configured one where that is safe."""
    fips = any(target.fips for target in targets.values())
    plain = all(target.allow_plain_http for target in targets.values())
    exposed = any(is_exposed(_configured(session, service)) for service in _CHAIN)
    if fips or (exposed and not plain):
        session.set_config_variable("ignore_configured_endpoint_urls", True)
    if fips:
        session.set_config_variable("use_fips_endpoint", True)


def chain_address(session: Any, region: str) -> str:
    """The STS of the standard credential chain."""
    configured = None
    if not session.get_config_variable("ignore_configured_endpoint_urls"):
        configured = _configured(session, STS)
    fips = bool(session.get_config_variable("use_fips_endpoint"))
    return configured or _resolved(STS, region, fips, bool(session.get_config_variable("use_dualstack_endpoint")))


def _configured(session: Any, service: str, environ: Mapping[str, str] | None = None) -> str | None:
    provider = ConfiguredEndpointProvider(
        full_config=session.full_config,
        scoped_config=session.get_scoped_config(),
        client_name=service,
        environ=environ,
    )
    url: str | None = provider.provide()
    return url


def _own(service: str, target: Target) -> str:
    return _resolved(service, target.region, target.fips, target.dualstack)


@cache
def _resolved(service: str, region: str, fips: bool, dualstack: bool) -> str:
    """AWS's own address, by the rules that botocore's client follows."""
    rules = EndpointProvider(
        loader().load_service_model(service, "endpoint-rule-set-1"), loader().load_data("partitions")
    )
    wanted = {"Region": region, "UseFIPS": fips, "UseDualStack": dualstack}
    try:
        return str(rules.resolve_endpoint(**wanted, **({"UseGlobalEndpoint": False} if service == STS else {})).url)
    except EndpointProviderError as error:
        return f"none: {error}"
