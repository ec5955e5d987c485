"""What a target's settings mean to botocore."""

import ssl
from collections.abc import Mapping
from typing import Any, Final

from aiobotocore.config import AioConfig

from service.settings import SettingsError, Target

USER_AGENT: Final = "cleanroomsml-service"


def trusted(target: Target) -> bool | str | None:
    """Which certificates are trusted; None leaves it to the machine's configuration, such as ``AWS_CA_BUNDLE``."""
    return False if not target.verify else target.ca_file or None


def require_trust(targets: Mapping[str, Target], bundle: str) -> None:
    """Reads the trusted certificates: a file that can't be used would make every call fail permanently.

    Each file is read once, however many targets trust it: it takes some 20 ms.

    Args:
        targets: Settings by target name.
        bundle: What the machine's configuration trusts.

    Raises:
        SettingsError: They can't be used.
    """
    wanted: dict[str, str] = {}
    for name, target in targets.items():
        if target.verify:
            where = f"targets.{name}.ca_file" if target.ca_file else "AWS_CA_BUNDLE"
            wanted.setdefault(target.ca_file or bundle, where)
    for file, where in wanted.items():
        try:
            ssl.create_default_context(cafile=file)
        except OSError as error:
            raise SettingsError(f"{where}: {file} can't be used as certificates (PEM): {error}") from error


def client_config(target: Target, attempts: int = 1, **more: Any) -> AioConfig:
    """What a target decides; `environment.PINNED` has what no target, no variable and no profile does."""
    proxy = target.proxy.get_secret_value() if target.proxy else None
    return AioConfig(
        user_agent=USER_AGENT,
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=target.connect_timeout,
        read_timeout=target.read_timeout,
        max_pool_connections=target.pool,
        connector_args={"keepalive_timeout": target.keepalive},
        proxies={"http": proxy, "https": proxy} if proxy else None,
        use_fips_endpoint=target.fips,
        use_dualstack_endpoint=target.dualstack,
        ignore_configured_endpoint_urls=True,
        defaults_mode="legacy",
        warm_up_loader_caches=True,
        **more,
    )
