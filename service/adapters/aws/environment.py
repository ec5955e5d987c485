"""AWS's own variables, before botocore reads them: cleaned, pinned or refused by name.

botocore takes a variable as it is: an empty one counts as set, and a line break at its end, as a secret or a file often
brings, belongs to the value. Some then fail only with the first call. So white space around values goes and an empty
variable counts as not set; what does not concern this service is pinned; what is still wrong stops the start.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Final

from botocore.configprovider import BOTOCORE_DEFAUT_SESSION_VARIABLES, ConstantProvider
from botocore.exceptions import BotoCoreError, ConfigParseError
from botocore.utils import ContainerMetadataFetcher, is_valid_uri
from dateutil.parser import parse  # type: ignore[import-untyped]

from service.adapters.aws.transport import proxy_of
from service.settings import SettingsError

_OF_AWS: Final = re.compile(r"(AWS|BOTO(CORE)?)_\w+|(REQUESTS|CURL)_CA_BUNDLE")
_PROXIES: Final = ("https_proxy", "http_proxy")
_PROXY: Final = re.compile(r"(https?|no)_proxy", re.IGNORECASE)
_CONTAINER: Final = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

PINNED: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "account_id_endpoint_mode": "disabled",
        "api_versions": {},
        "auth_scheme_preference": None,
        "csm_enabled": False,
        "data_path": None,
        "defaults_mode": "legacy",
        "disable_host_prefix_injection": False,
        "disable_request_compression": True,
        "endpoint_discovery_enabled": False,
        "max_attempts": 3,
        "parameter_validation": True,
        "request_checksum_calculation": "when_required",
        "request_min_compression_size_bytes": 10240,
        "response_checksum_validation": "when_required",
        "retry_mode": "standard",
        "s3_disable_express_session_auth": None,
        "sigv4a_signing_region_set": None,
        "sts_regional_endpoints": "regional",
        "tcp_keepalive": None,
    }
)
"""What neither a variable nor a profile changes, for the targets' clients and for those of the credential chain."""


def clean(environ: MutableMapping[str, str]) -> None:
    """Takes white space off the values of AWS's variables; an empty one is removed.

    A proxy's variable may stay empty: `https_proxy=` says that `HTTPS_PROXY` does not hold.
    """
    for name, value in list(environ.items()):
        bare = value.strip()
        if _OF_AWS.fullmatch(name) and not bare:
            del environ[name]
        elif bare != value and (_OF_AWS.fullmatch(name) or _PROXY.fullmatch(name)):
            environ[name] = bare


def pin(session: Any) -> None:
    """Lets a session have the pinned values, whatever the machine says."""
    store = session.get_component("config_store")
    for name, value in PINNED.items():
        store.set_config_provider(name, ConstantProvider(value))


def require_profile(session: Any) -> None:
    """Reads the profile.

    Raises:
        SettingsError: It does not exist, or a configuration file can't be read.
    """
    try:
        session.get_scoped_config()
    except ConfigParseError as error:
        broken = str(error.kwargs.get("path"))
        shared = broken == os.path.expanduser(session.get_config_variable("credentials_file"))
        name = "AWS_SHARED_CREDENTIALS_FILE" if shared else "AWS_CONFIG_FILE"
        raise SettingsError(f"{name}: {error}; correct the file or name another") from error
    except BotoCoreError as error:
        name = next((name for name in ("AWS_DEFAULT_PROFILE", "AWS_PROFILE") if name in os.environ), "AWS_PROFILE")
        files = "AWS_CONFIG_FILE (~/.aws/config) and AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials)"
        raise SettingsError(f"{name}: {error}; correct it or unset it; profiles are in {files}") from error


def require_usable(session: Any, environ: Mapping[str, str]) -> None:
    """Reads what the credential chain takes from variables and the profile.

    Raises:
        SettingsError: A value is none that it can have; the message names it.
    """
    problems = [*_values(session, environ), *_addresses(environ)]
    if problems:
        raise SettingsError("\n".join(problems))


def _truth(value: str) -> str:
    return "" if value.lower() in {"true", "false"} else "must be true or false"


def _number(value: str) -> str:
    return "" if value.isascii() and value.isdigit() and 1 <= int(value) <= 3600 else "must be a number from 1 to 3600"


def _version(value: str) -> str:
    return "" if value.lower() in {"ipv4", "ipv6"} else "must be IPv4 or IPv6"


def _address(value: str) -> str:
    usable = is_valid_uri(value) and value.lower().startswith(("http://", "https://"))
    return "" if usable else "must be an address such as http://169.254.169.254"


_FORMS: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {
        "ec2_metadata_service_endpoint": _address,
        "ec2_metadata_service_endpoint_mode": _version,
        "ec2_metadata_v1_disabled": _truth,
        "ignore_configured_endpoint_urls": _truth,
        "imds_use_ipv6": _truth,
        "metadata_service_num_attempts": _number,
        "metadata_service_timeout": _number,
        "use_dualstack_endpoint": _truth,
        "use_fips_endpoint": _truth,
    }
)


def _moment(value: str) -> str:
    try:
        parse(value)
    except (ValueError, OverflowError):
        return "must be a time such as 2026-01-31T12:00:00Z"
    return ""


_BESIDE: Final[Mapping[str, Callable[[str], str]]] = MappingProxyType(
    {"AWS_CREDENTIAL_EXPIRATION": _moment, "AWS_EC2_METADATA_DISABLED": _truth}
)
"""Variables that are none of botocore's options."""


def _values(session: Any, environ: Mapping[str, str]) -> Iterator[str]:
    profile = session.get_scoped_config()
    for name, problem_of in _FORMS.items():
        option, variable, *_ = BOTOCORE_DEFAUT_SESSION_VARIABLES[name]
        value = environ.get(variable, profile.get(option))
        if value is not None and (problem := problem_of(str(value))):
            where = variable if variable in environ else f"{option} of the profile (AWS_CONFIG_FILE)"
            yield f"{where}: {problem}, found {str(value)[:100]!r}"
    for variable, problem_of in _BESIDE.items():
        if variable in environ and (problem := problem_of(environ[variable])):
            yield f"{variable}: {problem}, found {environ[variable][:100]!r}"


def _addresses(environ: Mapping[str, str]) -> Iterator[str]:
    """Addresses that go into no option of botocore. A proxy may have a password, so it is not quoted."""
    full = environ.get(_CONTAINER)
    if full is not None and "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" not in environ:
        try:
            agent: Any = ContainerMetadataFetcher(session=object())
            agent._validate_allowed_url(full)
        except ValueError as error:
            yield f"{_CONTAINER}: {error}"
    old = environ.get("AWS_CREDENTIAL_FILE")
    if old is not None and not os.path.isfile(os.path.expanduser(old)):
        yield f"AWS_CREDENTIAL_FILE: there is no file {old[:200]}; correct it or unset it"
    for name in _PROXIES:
        for variable in (name, name.upper()):
            if environ.get(variable) and proxy_of(environ[variable]) is None:
                yield f"{variable}: must be an address such as http://host:3128"
