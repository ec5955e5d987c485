"""Credentials of one target: the environment's, or those of sessions of the role that it names.

Searches and polls serve many commands or none, and share one session of the role. A call that changes something is
signed by a session of its own command, whose name carries the marker, so that AWS's records name the command behind
every change by something that is signed. A session is asked for once and kept, so a repeated call costs no second one.
"""

import asyncio
from collections import OrderedDict
from contextlib import AsyncExitStack
from datetime import datetime
from functools import partial
from typing import Any, Final

import aiohttp
from aiobotocore.credentials import AioCredentials, AioDeferredRefreshableCredentials
from aiobotocore.session import AioSession
from botocore.exceptions import BotoCoreError, ClientError, CredentialRetrievalError, NoCredentialsError

from service.adapters.aws.config import client_config, trusted
from service.adapters.aws.transport import ATTEMPT, Signer, TransportError
from service.runtime.ports import Cause
from service.settings import Target

_LONGEST_NAME: Final = 64
_MARKER_LENGTH: Final = 26
_LONGEST_TAG: Final = 256
_TAG_ALPHABET: Final = frozenset(" _.:/=+-@")
_URGENT: Final = 600
"""Seconds before the end of credentials from which on botocore uses them no longer."""

_RENEWAL_WAIT: Final = 0.5
"""Seconds that a call waits for a renewal which is not urgent yet; well below the call window."""

_LONGEST_RENEWAL: Final = 30.0

CREDENTIAL_ERRORS: Final = (
    *(BotoCoreError, ClientError, aiohttp.ClientError, OSError),
    *(ValueError, LookupError, TypeError, AttributeError),
)
"""What a source of credentials raises: a refusal, a broken connection or file, and, since botocore does not check the
shape of what an agent or a file says, the errors of reading nonsense.

Such a failure passes, so a call waits for it to. Any other exception is a defect of the service.
"""

_KEPT: Final = 512
"""Sessions of single commands that are cached; an evicted one is requested again."""


class Access:
    """The way into one target. Safe for concurrent use within one event loop."""

    def __init__(self, target: Target, base: AioSession) -> None:
        self._target, self._base = target, base
        self._lock = asyncio.Lock()
        self._sts: Any = None
        self._stack = AsyncExitStack()
        self._shared: Signer | None = None
        self._own: OrderedDict[str, Signer] = OrderedDict()
        self._renewals: set[asyncio.Task[Any]] = set()

    async def base(self) -> Signer:
        """What the environment gives: variables, a profile, a web identity, a container's endpoint.

        Raises:
            NoCredentialsError: Nothing; the next call tries again.
        """
        found: Signer | None = await self._base.get_credentials()
        if found is None:
            raise NoCredentialsError
        return found

    async def shared(self) -> Signer:
        """The credentials of calls that no single command stands behind."""
        if self._target.role_arn is None:
            return await self.base()
        if self._shared is None:
            self._shared = self._session(None)
        return self._shared

    def own(self, cause: Cause) -> Signer | None:
        """The credentials of one command's session; None where commands share one."""
        if self._target.role_arn is None or not self._target.session_per_command:
            return None
        known = self._own.pop(cause.marker, None) or self._session(cause)
        self._own[cause.marker] = known
        while len(self._own) > _KEPT:
            self._own.popitem(last=False)
        return known

    async def keys(self, signer: Signer) -> Any:
        """Keys that are valid now.

        botocore renews early, from a quarter of an hour before the end on, but within a call, and if that fails, again
        at each one: a source that hangs would close every call window although the present keys are good. So a
        renewal that isn't urgent and drags on is left to itself, and callers in the meantime get the current keys.
        """
        due = getattr(signer, "refresh_needed", None)
        if due is None or not due() or due(_URGENT):
            return await signer.get_frozen_credentials()
        renewal = asyncio.create_task(_renewed(signer), name=f"credentials:{self._target.region}")
        self._renewals.add(renewal)
        renewal.add_done_callback(self._ended)
        await asyncio.wait({renewal}, timeout=_RENEWAL_WAIT)
        return renewal.result() if renewal.done() else await signer.get_frozen_credentials()

    @property
    def expiry(self) -> float | None:
        """When what signs most calls ends, in epoch seconds; None before the first one, and for lasting credentials."""
        signer = self._shared or getattr(self._base, "_credentials", None)
        end = getattr(signer, "_expiry_time", None)  # botocore has no other name for it
        return end.timestamp() if isinstance(end, datetime) else None

    def _ended(self, renewal: asyncio.Task[Any]) -> None:
        self._renewals.discard(renewal)
        if not renewal.cancelled():
            renewal.exception()  # raised for those who waited; botocore has logged it in any case

    def invalidate(self, cause: Cause | None) -> None:
        """AWS has refused the credentials before their time: the next call asks for new ones."""
        if cause is not None and self._own.pop(cause.marker, None) is not None:
            return
        self._shared = None

    async def close(self) -> None:
        """Closes the client of STS. Idempotent."""
        for renewal in list(self._renewals):
            renewal.cancel()
        await asyncio.gather(*self._renewals, return_exceptions=True)
        async with self._lock:
            self._sts = None
            await self._stack.aclose()

    def _session(self, cause: Cause | None) -> Signer:
        session: Signer = AioDeferredRefreshableCredentials(
            refresh_using=partial(self._assume, cause), method="assume-role"
        )
        return session

    async def _assume(self, cause: Cause | None) -> dict[str, str]:
        sts = await self._client()
        given = (await sts.assume_role(**assumption(self._target, cause))).get("Credentials")
        if not given:
            raise CredentialRetrievalError(provider="assume-role", error_msg="the answer holds no credentials")
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    async def _client(self) -> Any:
        await self.base()  # or the client would be made without credentials, once and for all
        async with self._lock:
            if self._sts is None:
                self._sts = await self._stack.enter_async_context(sts_client(self._base, self._target))
            return self._sts


async def _renewed(signer: Signer) -> Any:
    async with asyncio.timeout(_LONGEST_RENEWAL):
        return await signer.get_frozen_credentials()


class PerCall(AioCredentials):  # type: ignore[misc]
    """What a target's one client signs with: the credentials that the current call brings, else the shared ones."""

    def __init__(self, access: Access) -> None:
        super().__init__("", "", method="per-call")
        self._access = access

    async def get_frozen_credentials(self) -> Any:
        """Asked by botocore for each request.

        Raises:
            TransportError: There are none, which is not the request's fault.
        """
        try:
            return await self._access.keys(ATTEMPT.get().signer or await self._access.shared())
        except CREDENTIAL_ERRORS as error:
            raise TransportError("CredentialsUnavailable", str(error) or type(error).__name__) from error


def assumption(target: Target, cause: Cause | None) -> dict[str, Any]:
    """The request for a session of the target's role; ``cause`` None for the one that is shared."""
    tags = session_tags(target, cause)
    inherited = [key for key in target.transitive_tags if key in tags]
    members = {
        "RoleArn": target.role_arn,
        "RoleSessionName": session_name(target, cause),
        "DurationSeconds": target.session_duration,
        "ExternalId": target.external_id,
        "SourceIdentity": target.source_identity,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
        "TransitiveTagKeys": inherited,
    }
    return {name: value for name, value in members.items() if value}


def session_name(target: Target, cause: Cause | None) -> str:
    """The target's name for sessions, shortened in favour of the marker."""
    if cause is None:
        return target.session_name
    return f"{target.session_name[: _LONGEST_NAME - len(cause.marker) - 1]}-{cause.marker}"


def session_pattern(target: Target) -> list[str]:
    """Patterns of the names that sessions of this target have, for its role's trust policy."""
    own = session_name(target, Cause("*" * _MARKER_LENGTH)).rstrip("*") + "*"
    return [target.session_name, *([own] if target.session_per_command else [])]


def session_tags(target: Target, cause: Cause | None) -> dict[str, str]:
    """The session's tags; a command's session also says whose it is, and which, if the target wants it."""
    tags = dict(target.session_tags)
    if cause is not None and target.tenant_tag:
        tags[target.tenant_tag] = tag_value(cause.tenant or "default")
    if cause is not None and target.command_tag:
        tags[target.command_tag] = tag_value(cause.command_id)
    return tags


def tag_value(text: str) -> str:
    """A text as STS takes it: what isn't allowed becomes an underscore."""
    return "".join(c if c.isalnum() or c in _TAG_ALPHABET else "_" for c in text)[:_LONGEST_TAG]


def sts_client(session: AioSession, target: Target, **keys: str) -> Any:
    """A client of STS as a context, signing with what the session has, or with keys."""
    return session.create_client(
        "sts",
        region_name=target.region,
        endpoint_url=target.sts_endpoint_url or target.endpoint_url,
        verify=trusted(target),
        config=client_config(target, attempts=3),
        **keys,
    )
