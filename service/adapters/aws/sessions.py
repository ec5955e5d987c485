"""One session and one client per target: made when first needed, kept, closed at the end."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import Any, Final

from aiobotocore.config import AioConfig
from aiobotocore.credentials import (
    AioCredentials,
    AioDeferredRefreshableCredentials,
)
from aiobotocore.session import AioSession
from botocore.exceptions import NoCredentialsError
from botocore.loaders import Loader, create_loader

from service.adapters.aws.parsing import rfc3339
from service.adapters.aws.transport import ClientClosed, OnceSession
from service.settings import Target

SERVICE: Final = "cleanroomsml"
USER_AGENT: Final = "cleanroomsml-service"


class Sessions:
    """Clients by target name. Safe for concurrent use within one event loop."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)
        self._locks = {name: asyncio.Lock() for name in targets}
        self._clients: dict[str, tuple[Any, AsyncExitStack]] = {}
        self._found: dict[str, Any] = {}
        self._base = _session()
        self._closed = False

    def target(self, name: str) -> Target:
        """The settings of a target.

        Raises:
            KeyError: There is no such target.
        """
        return self._targets[name]

    async def client(self, name: str) -> Any:
        """The target's client; concurrent callers share one creation.

        Raises:
            KeyError: There is no such target.
            NoCredentialsError: No credentials were found; the next call looks again.
            ClientClosed: Everything was closed.
        """
        known = self._clients.get(name)
        if known is not None:
            return known[0]
        async with self._locks[name]:
            if self._closed:
                raise ClientClosed
            if name not in self._clients:
                self._clients[name] = await self._create(self._targets[name])
            return self._clients[name][0]

    async def discard(self, name: str, client: Any) -> None:
        """Closes a client that has broken; the next call makes a new one."""
        known = self._clients.get(name)
        if known is not None and known[0] is client:
            del self._clients[name]
            await known[1].aclose()

    async def close(self) -> None:
        """Closes every client. Idempotent."""
        self._closed = True
        clients, self._clients = self._clients, {}
        for _, stack in clients.values():
            await stack.aclose()

    async def identity(self, name: str) -> dict[str, Any]:
        """Who AWS thinks we are in a target: ``Account`` and ``Arn``."""
        target = self._targets[name]
        credentials = await (await self._credentials(target)).get_frozen_credentials()
        async with self._sts(target, credentials) as sts:
            answer: dict[str, Any] = await sts.get_caller_identity()
        return answer

    async def frozen_credentials(self, name: str) -> Any:
        """The target's credentials at this moment, renewed if they were about to expire.

        Raises:
            KeyError: There is no such target.
            NoCredentialsError: No credentials were found; the next call looks again.
        """
        async with self._locks[name]:
            if name not in self._found:
                self._found[name] = await self._credentials(self._targets[name])
        return await self._found[name].get_frozen_credentials()

    async def _create(self, target: Target) -> tuple[Any, AsyncExitStack]:
        session = _session()
        parsers = session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=rfc3339)
        session.register_component("credential_provider", _Provided(await self._credentials(target)))
        stack = AsyncExitStack()
        client = await stack.enter_async_context(
            session.create_client(
                SERVICE,
                region_name=target.region,
                endpoint_url=target.endpoint_url,
                verify=_verify(target),
                config=_config(target, http_session_cls=OnceSession, parameter_validation=False),
            )
        )
        return client, stack

    async def _credentials(self, target: Target) -> Any:
        base = await self._base.get_credentials()
        if base is None:
            raise NoCredentialsError
        if target.role_arn is None:
            return base

        async def assume() -> dict[str, str]:
            return await self._assume(target, await base.get_frozen_credentials())

        return AioDeferredRefreshableCredentials(refresh_using=assume, method="assume-role")

    async def _assume(self, target: Target, credentials: Any) -> dict[str, str]:
        request = {
            "RoleArn": target.role_arn,
            "RoleSessionName": target.session_name,
            "DurationSeconds": target.session_duration,
        }
        if target.external_id:
            request["ExternalId"] = target.external_id
        if target.source_identity:
            request["SourceIdentity"] = target.source_identity
        async with self._sts(target, credentials) as sts:
            given = (await sts.assume_role(**request))["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    def _sts(self, target: Target, credentials: Any) -> Any:
        return self._base.create_client(
            "sts",
            region_name=target.region,
            endpoint_url=target.sts_endpoint_url or target.endpoint_url,
            verify=_verify(target),
            aws_access_key_id=credentials.access_key,
            aws_secret_access_key=credentials.secret_key,
            aws_session_token=credentials.token,
            config=_config(target, attempts=3),
        )


class _Provided:
    """botocore's ``credential_provider`` component, with credentials that are known already."""

    def __init__(self, credentials: AioCredentials) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> AioCredentials:
        return self._credentials


@cache
def _loader() -> Loader:
    """Parses each service model once per process: 200 ms and 1 MiB for each further session otherwise."""
    return create_loader()


@cache
def partition_of(region: str) -> str:
    """The part of AWS that a region belongs to, as ARNs call it; empty for a region that botocore doesn't know."""
    partitions = _loader().load_data("partitions")["partitions"]
    return next((str(one["id"]) for one in partitions if re.match(one["regionRegex"], region)), "")


def _session() -> AioSession:
    session = AioSession()
    session.register_component("data_loader", _loader())
    return session


def _verify(target: Target) -> bool | str | None:
    """None leaves it to ``AWS_CA_BUNDLE``."""
    return False if not target.verify else target.ca_file


def _config(target: Target, attempts: int = 1, **more: Any) -> AioConfig:
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
