"""STS and Clean Rooms ML behind one address on loopback: who asked for which session, and who signed which call."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from service.adapters.aws import AwsApi, Clients
from service.settings import Target
from tests.support.wire import Behaviour, Request, Server, answer, hang

ROLE = "arn:aws:iam::111122223333:role/runner"


SECRETS = {"access": "canary-secret-access-key", "session": "canary-session-token"}
"""What every granted session carries, and no log may show."""


def assumed(key: str = "ASIAROLE", lifetime: float = 3600, action: str = "AssumeRole") -> Behaviour:
    """Grants a session."""
    until = (datetime.now(UTC) + timedelta(seconds=lifetime)).isoformat()
    body = (
        f'<{action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><{action}Result><Credentials>'
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>{SECRETS['access']}</SecretAccessKey>"
        f"<SessionToken>{SECRETS['session']}</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials></{action}Result></{action}Response>"
    )
    return answer(200, body.encode(), Content_Type="text/xml")


def denied(code: str, message: str = "no", status: int = 403) -> Behaviour:
    """STS's refusal."""
    body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return answer(status, body.encode(), Content_Type="text/xml")


def identity(account: str) -> Behaviour:
    body = (
        '<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        f"<Arn>arn:aws:sts::{account}:assumed-role/runner/x</Arn><Account>{account}</Account>"
        "</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    return answer(200, body.encode(), Content_Type="text/xml")


class Aws:
    """STS and Clean Rooms ML behind one address.

    Attributes:
        assume: What STS does; by default each session's key is ``ASIA`` and the number of its assumption, from 1.
        identity: What STS says of who asks.
        ml: What Clean Rooms ML does.
        assumptions: The members of each request for a session.
        calls: The requests that reached Clean Rooms ML.
        lifetime: Seconds for which what a token is given for is valid.
        good_token: The only token that is accepted, by STS for a web identity and by the pod's agent; any if empty.
        tokens: The tokens that were shown.
        hung: Whether nobody answers who is shown a token.
        agent: What the pod's agent does.
        signatures: The access key that each request for a session was signed with.
    """

    def __init__(self) -> None:
        self.assume: Behaviour | None = None
        self.lifetime = 3600.0
        self.good_token = ""
        self.hung = False
        self.tokens: list[str] = []
        self.agent: Behaviour | None = None
        self.signatures: list[str] = []
        self.identity: Behaviour = identity("111122223333")
        self.ml: Behaviour = answer(200, {"audienceModels": []})
        self.assumptions: list[dict[str, str]] = []
        self.calls: list[Request] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if request.path.startswith("/v1/credentials"):
            await self._give_to_pod(request, writer)
        elif b"Action=AssumeRoleWithWebIdentity" in request.body:
            await self._give_for_token(request, writer)
        elif b"Action=AssumeRole" in request.body:
            self.assumptions.append(_members(request))
            self.signatures.append(_key_of(request))
            behave = self.assume or assumed(f"ASIA{len(self.assumptions)}")
            await behave(request, writer)
        elif b"Action=GetCallerIdentity" in request.body:
            await self.identity(request, writer)
        else:
            self.calls.append(request)
            await self.ml(request, writer)

    async def _give_for_token(self, request: Request, writer: asyncio.StreamWriter) -> None:
        token = _members(request)["WebIdentityToken"]
        self.tokens.append(token)
        if self.hung:
            await hang(request, writer)
        if self.good_token not in {"", token}:
            await denied("ExpiredTokenException", "Token expired: current date/time must be before", 400)(
                request, writer
            )
            return
        key = f"ASIAWEB{len(self.tokens)}"
        await assumed(key, self.lifetime, "AssumeRoleWithWebIdentity")(request, writer)

    async def _give_to_pod(self, request: Request, writer: asyncio.StreamWriter) -> None:
        self.tokens.append(request.headers.get("authorization", ""))
        if self.hung:
            await hang(request, writer)
        if self.good_token not in {"", self.tokens[-1]}:
            await answer(400, b"the token has expired")(request, writer)
            return
        until = datetime.now(UTC) + timedelta(seconds=self.lifetime)
        given = {
            "AccessKeyId": f"ASIAPOD{len(self.tokens)}",
            "SecretAccessKey": SECRETS["access"],
            "Token": SECRETS["session"],
            "AccountId": "111122223333",
            "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        await (self.agent or answer(200, dict(given)))(request, writer)

    def signed_by(self, call: Request) -> str:
        """The name of the session that a call is signed by."""
        return self.assumptions[int(_key_of(call).removeprefix("ASIA")) - 1]["RoleSessionName"]

    def signers(self) -> list[str]:
        """The access keys that the calls were signed with."""
        return [_key_of(call) for call in self.calls]


def _members(request: Request) -> dict[str, str]:
    return {name: text for name, [text] in parse_qs(request.body.decode()).items()}


def _key_of(request: Request) -> str:
    scope = re.search(r"Credential=([^/]+)/", request.headers["authorization"])
    assert scope is not None, request.headers["authorization"]
    return scope[1]


def joined(made: list[Clients], server: Server, **more: Any) -> tuple[Clients, AwsApi]:
    target = Target(**({"region": "eu-west-1", "endpoint_url": server.url, "connect_timeout": 1} | more))
    sessions = Clients({"default": target})
    made.append(sessions)
    return sessions, AwsApi(sessions)
