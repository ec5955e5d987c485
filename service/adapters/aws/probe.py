"""Looks whether a target works, and says what to mend if it does not."""

import asyncio
from dataclasses import dataclass

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from schemas.operations import AUDIENCE_MODEL, OPERATIONS
from service.adapters.aws.api import AwsApi
from service.adapters.aws.sessions import Sessions
from service.runtime.ports import Failure


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        subject: What was looked at.
        ok: Whether it works.
        message: What was found, and how to mend it.
    """

    subject: str
    ok: bool
    message: str


_MEND = {
    "AccessDeniedException": "allow {action} to this role",
    "UnrecognizedClientException": "the credentials are not valid here: check the account, the Region and the clock",
    "InvalidSignatureException": "check the secret key, and that this machine's clock is right",
    "ExpiredTokenException": "renew the credentials",
    "CredentialsUnavailable": "give credentials (environment, profile, pod identity); a role to assume must trust us",
    "ConnectFailed": "check the Region, endpoint_url, proxy and firewall",
    "ReadTimeout": "check the network between here and {where}",
    "InvalidResponse": "something else than AWS answers at {where}: check endpoint_url and proxy",
}


async def probe(sessions: Sessions, api: AwsApi, target: str, deadline: float = 15.0) -> tuple[Finding, ...]:
    """Asks who we are and lists one resource."""
    return (await _identity(sessions, target, deadline), await _listing(sessions, api, target, deadline))


async def _identity(sessions: Sessions, name: str, deadline: float) -> Finding:
    subject = f"target {name}: identity"
    target = sessions.target(name)
    try:
        async with asyncio.timeout(deadline):
            caller = await sessions.identity(name)
    except (BotoCoreError, ClientError, ResponseParserError, OSError) as error:
        role = f" as {target.role_arn}" if target.role_arn else ""
        return Finding(
            subject, False, f"no identity{role}: {str(error) or 'no answer in time'}; {_MEND['CredentialsUnavailable']}"
        )
    account = caller.get("Account")
    if target.account and account != target.account:
        message = f"found account {account}, expected {target.account}: mend account or role_arn of this target"
        return Finding(subject, False, message)
    return Finding(subject, True, f"{caller.get('Arn')} in account {account}")


async def _listing(sessions: Sessions, api: AwsApi, name: str, deadline: float) -> Finding:
    row = OPERATIONS[AUDIENCE_MODEL.list_operation]
    subject = f"target {name}: {row.name}"
    where = sessions.target(name).endpoint_url or f"AWS in {sessions.target(name).region}"
    outcome = await api.call(name, row.name, {"maxResults": 1}, timeout=deadline)
    if not isinstance(outcome, Failure):
        return Finding(subject, True, f"answers at {where}")
    mend = _MEND.get(outcome.code, "see AWS's message").format(action=row.action, where=where)
    return Finding(subject, False, f"{outcome.code} from {where}: {outcome.message}; {mend}")
