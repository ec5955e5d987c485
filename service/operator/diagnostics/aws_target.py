"""Checks a target: the credential source, the identity, and one call; errors say what to correct."""

import asyncio
import os
from collections.abc import Awaitable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from schemas.operations import AUDIENCE_MODEL, OPERATIONS
from service.adapters.aws import addresses
from service.adapters.aws.api import AwsApi
from service.adapters.aws.clients import Clients
from service.adapters.aws.credentials import session_name
from service.core.redaction import without_userinfo
from service.operator.diagnostics import credential_sources, hints
from service.operator.diagnostics.finding import Finding
from service.runtime.ports import Cause, Failure

_BROKEN: Final = (BotoCoreError, ClientError, ResponseParserError, OSError, LookupError, ValueError)
_MOST_SKEW: Final = 30
"""Seconds; deadlines and start times of commands are compared with the same clock."""

_TRIAL: Final = Cause("CHECK" + "0" * 21, "check")


async def probe(
    sessions: Clients, api: AwsApi, target: str, deadline: float = 15.0, environ: Mapping[str, str] = os.environ
) -> tuple[Finding, ...]:
    """Finds the credential source, asks STS for the identity, and lists one resource."""
    probe = _TargetProbe(sessions, api, target, deadline, environ)
    way = await probe.credentials()
    if not way.ok:
        return (way,)
    identity = await probe.identity()
    session = [await probe.session()] if probe.has_sessions and identity.ok else []
    return (way, identity, *session, await probe.listing(), *probe.clock())


class _TargetProbe:
    def __init__(self, sessions: Clients, api: AwsApi, name: str, deadline: float, environ: Mapping[str, str]) -> None:
        self._sessions, self._api, self._name = sessions, api, name
        self._deadline, self._environ = deadline, environ
        self._target, self._access = sessions.target(name), sessions.access(name)

    @property
    def has_sessions(self) -> bool:
        """Whether commands have sessions of their own."""
        return bool(self._target.role_arn) and self._target.session_per_command

    async def credentials(self) -> Finding:
        """Whether the environment gives credentials, and which."""
        found = tuple(credential_sources.problems(self._environ, datetime.now(UTC)))
        method, broken = await self._try(self._found())
        if broken is not None:
            problems = "; ".join((*found, broken))
            return self._finding("credentials", False, f"no credentials: {problems}")
        notes = "".join(f"; but {problem}" for problem in found)
        shown = f", shown to {self._chain()}" if method in credential_sources.BY_STS else ""
        return self._finding("credentials", True, f"{credential_sources.describe(method, self._environ)}{shown}{notes}")

    async def identity(self) -> Finding:
        """Who AWS says we are."""
        caller, broken = await self._try(self._sessions.identity(self._name))
        target = self._target
        if broken is not None:
            role = f" as {target.role_arn}" if target.role_arn else ""
            return self._finding("identity", False, f"no identity{role}: {broken}")
        account = caller.get("Account")
        if target.account and account != target.account:
            message = f"found account {account}, expected {target.account}: correct account or role_arn of this target"
            return self._finding("identity", False, message)
        where = addresses.sts_address(target)
        unused = self._ignored(addresses.STS, where, "sts_endpoint_url")
        return self._finding("identity", True, f"{caller.get('Arn')} in account {account}, says {where}{unused}")

    async def session(self) -> Finding:
        """Whether a command gets a session of its own."""
        signer = self._access.own(_TRIAL)
        assert signer is not None  # noqa: S101 - as has_sessions says
        _, broken = await self._try(signer.get_frozen_credentials())
        name = session_name(self._target, _TRIAL)
        if broken is None:
            return self._finding("sessions", True, f"of commands are granted, such as {name}")
        hint = "correct that, or set session_per_command to false"
        return self._finding("sessions", False, f"no session {name}: {broken}; {hint}")

    async def listing(self) -> Finding:
        """Whether the API answers us."""
        row = OPERATIONS[AUDIENCE_MODEL.list_operation]
        where = addresses.api_address(self._target)
        outcome = await self._api.call(self._name, row.name, {"maxResults": 1}, timeout=self._deadline)
        if not isinstance(outcome, Failure):
            unused = self._ignored(addresses.ML, where, "endpoint_url")
            return self._finding(row.name, True, f"answers at {where}{unused}")
        remedy = hints.CALLS.get(outcome.code, "see AWS's message").format(action=row.action, where=where)
        return self._finding(row.name, False, f"{outcome.code} from {where}: {outcome.message}; {remedy}")

    def clock(self) -> Iterator[Finding]:
        """How far this machine's clock is from AWS's; nothing when AWS has not answered."""
        skew = self._api.skews().get(self._name)
        if skew is None:
            return
        if abs(skew) <= _MOST_SKEW:
            yield self._finding("clock", True, f"agrees with AWS's within {_MOST_SKEW} s")
            return
        which = "ahead of" if skew > 0 else "behind"
        message = f"is {abs(skew):.0f} s {which} AWS's; AWS refuses signatures from 300 s on: synchronize it (NTP)"
        yield self._finding("clock", False, message)

    def _chain(self) -> str:
        return addresses.chain_address(self._sessions.base, self._sessions.base.get_config_variable("region") or "")

    def _ignored(self, service: str, used: str, setting: str) -> str:
        """A warning of what would lead elsewhere with an SDK."""
        names = " and ".join(addresses.ignored(self._sessions.base, service, self._environ, used))
        return f"; ignored: {names}; set {setting} of this target to go elsewhere" if names else ""

    async def _found(self) -> str:
        base = await self._access.base()
        await base.get_frozen_credentials()
        return str(getattr(base, "method", "") or "unknown")

    async def _try(self, probe: Awaitable[Any]) -> tuple[Any, str | None]:
        """The result, or what is wrong and how to correct it."""
        try:
            async with asyncio.timeout(self._deadline):
                return await probe, None
        except _BROKEN as error:
            remedy = hints.of_credentials(error, self._target, self._environ)
            return None, f"{without_userinfo(str(error)) or 'no answer in time'}; {remedy}"

    def _finding(self, what: str, ok: bool, message: str) -> Finding:
        return Finding(f"target {self._name}: {what}", ok, message)
