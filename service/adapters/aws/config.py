"""What a target's settings mean to botocore."""

from typing import Any, Final

from aiobotocore.config import AioConfig

from service.settings import Target

USER_AGENT: Final = "cleanroomsml-service"


def trusted(target: Target) -> bool | str | None:
    """Which certificates are trusted; None leaves it to ``AWS_CA_BUNDLE``."""
    return False if not target.verify else target.ca_file


def client_config(target: Target, attempts: int = 1, **more: Any) -> AioConfig:
    """Everything is pinned that a newer botocore, or the machine's configuration, might decide otherwise."""
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
        defaults_mode="legacy",
        warm_up_loader_caches=True,
        **more,
    )
