"""One session and one client per target: made when first needed, kept, closed at the end."""

import asyncio
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack
from functools import cache
from typing import Any

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError
from botocore.httpsession import get_cert_path

from schemas.shapes import API_VERSION, loader
from service.adapters.aws import addresses, environment
from service.adapters.aws.bodies import BoundedSession
from service.adapters.aws.config import client_config, require_trust, trusted
from service.adapters.aws.credentials import Access, PerCall, sts_client
from service.adapters.aws.direct_calls import DirectCalls
from service.adapters.aws.responses import rfc3339
from service.adapters.aws.transport import ClientClosed, SingleSendSession, TransportError
from service.settings import Target


class Clients:
    """Clients by target name. Safe for concurrent use within one event loop."""

    def __init__(self, targets: Mapping[str, Target]) -> None:
        self._targets = dict(targets)
        self._locks = {name: asyncio.Lock() for name in targets}
        self._clients: dict[str, tuple[Any, AsyncExitStack]] = {}
        self._base = _session()
        require_trust(targets, self._base.get_config_variable("ca_bundle"))
        addresses.settle_chain(self._base, self._targets)
        if targets and self._base.get_config_variable("region") is None:
            # The STS that takes a pod's token is asked there; botocore by itself does not know AWS_REGION.
            self._base.set_config_variable("region", next(iter(targets.values())).region)
        environment.require_usable(self._base, os.environ)
        self._accesses = {name: Access(target, self._base) for name, target in targets.items()}
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
            ClientClosed: Everything was closed.
            TransportError: The machine's configuration permits no client, which is not the request's fault.
        """
        known = self._clients.get(name)
        if known is not None:
            return known[0]
        async with self._locks[name]:
            if self._closed:
                raise ClientClosed
            if name not in self._clients:
                try:
                    self._clients[name] = await self._create(name)
                except (BotoCoreError, ValueError) as error:
                    raise TransportError("ConnectFailed", f"the client can't be made: {error}") from error
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
        for access in self._accesses.values():
            await access.close()

    def access(self, name: str) -> Access:
        """The way into a target.

        Raises:
            KeyError: There is no such target.
        """
        return self._accesses[name]

    def expiries(self) -> dict[str, float]:
        """When the credentials of each target end, in epoch seconds; only those that are known, and end."""
        return {name: end for name, access in self._accesses.items() if (end := access.expiry) is not None}

    @property
    def base(self) -> AioSession:
        """What the machine configures: the standard credential chain."""
        return self._base

    async def identity(self, name: str) -> dict[str, Any]:
        """Who AWS thinks we are in a target: ``Account`` and ``Arn``."""
        signer = await self._accesses[name].shared()
        given = await signer.get_frozen_credentials()
        keys = {
            "aws_access_key_id": given.access_key,
            "aws_secret_access_key": given.secret_key,
            "aws_session_token": given.token,
        }
        async with sts_client(self._base, self._targets[name], **keys) as sts:
            answer: dict[str, Any] = await sts.get_caller_identity()
        return answer

    async def frozen_credentials(self, name: str) -> Any:
        """The target's credentials at this moment, renewed if they are about to expire.

        Raises:
            KeyError: There is no such target.
            NoCredentialsError: No credentials were found; the next call tries again.
        """
        access = self._accesses[name]
        return await access.keys(await access.shared())

    async def _create(self, name: str) -> tuple[Any, AsyncExitStack]:
        target, session = self._targets[name], _session()
        parsers = session.get_component("response_parser_factory")
        parsers.set_parser_defaults(timestamp_parser=rfc3339)
        session.register_component("credential_provider", _Provided(PerCall(self._accesses[name])))
        stack = AsyncExitStack()
        client = await stack.enter_async_context(
            session.create_client(
                addresses.ML,
                api_version=API_VERSION,
                region_name=target.region,
                endpoint_url=target.endpoint_url,
                verify=trusted(target),
                config=client_config(target, http_session_cls=SingleSendSession, parameter_validation=False),
            )
        )
        client._make_api_call = DirectCalls(client)
        return client, stack


class _Provided:
    """botocore's ``credential_provider`` component, with credentials that are known already."""

    def __init__(self, credentials: PerCall) -> None:
        self._credentials = credentials

    async def load_credentials(self) -> PerCall:
        return self._credentials


@cache
def partition_of(region: str) -> str:
    """The part of AWS that a region belongs to, as ARNs call it; empty for a region that botocore doesn't know."""
    partitions = loader().load_data("partitions")["partitions"]
    return next((str(one["id"]) for one in partitions if re.match(one["regionRegex"], region)), "")


def _session() -> AioSession:
    """The session of botocore with what the machine configures.

    Raises:
        SettingsError: The profile that is named does not exist, or a configuration file can't be read.
    """
    environment.clean(os.environ)
    session = AioSession()
    session.register_component("data_loader", loader())
    session.set_default_client_config(AioConfig(http_session_cls=BoundedSession))
    store = session.get_component("config_store")
    store.set_config_provider("profile", _Profile())
    for name, provider in (("region", _Region), ("ca_bundle", _Bundle)):
        store.set_config_provider(name, provider(store.get_config_provider(name)))
    environment.pin(session)
    environment.require_profile(session)
    return session


class _Profile:
    """Gives botocore the profile's name; a variable that is empty or blank counts as not set."""

    def provide(self) -> str | None:
        return next(_given("AWS_DEFAULT_PROFILE", "AWS_PROFILE"), None)


class _Region:
    """Gives botocore the Region of the machine, without white space."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine

    def provide(self) -> str | None:
        return str(self._machine.provide() or "").strip() or None


class _Bundle(_Region):
    """Gives botocore certificates to trust, always: it refuses every call for an empty `AWS_CA_BUNDLE`."""

    def provide(self) -> str | None:
        more = _given("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
        return super().provide() or next(more, None) or str(get_cert_path(True))


def _given(*names: str) -> Iterator[str]:
    return filter(None, (os.environ.get(name, "").strip() for name in names))
