"""STS and Clean Rooms ML behind one address on loopback: who asked for which session, and who signed which call."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from service.adapters.aws import AwsApi, Sessions
from service.settings import Target
from tests.adapters.wire import Behaviour, Request, Server, answer

ROLE = "arn:aws:iam::111122223333:role/runner"


def assumed(key: str = "ASIAROLE", lifetime: float = 3600) -> Behaviour:
    until = (datetime.now(UTC) + timedelta(seconds=lifetime)).isoformat()
    body = (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
        f"<AccessKeyId>{key}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"
        f"<Expiration>{until}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
    )
    return answer(200, body.encode(), Content_Type="text/xml")


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
    """

    def __init__(self) -> None:
        self.assume: Behaviour | None = None
        self.identity: Behaviour = identity("111122223333")
        self.ml: Behaviour = answer(200, {"audienceModels": []})
        self.assumptions: list[dict[str, str]] = []
        self.calls: list[Request] = []

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        if b"Action=AssumeRole" in request.body:
            self.assumptions.append({name: text for name, [text] in parse_qs(request.body.decode()).items()})
            behave = self.assume or assumed(f"ASIA{len(self.assumptions)}")
            await behave(request, writer)
        elif b"Action=GetCallerIdentity" in request.body:
            await self.identity(request, writer)
        else:
            self.calls.append(request)
            await self.ml(request, writer)

    def signed_by(self, call: Request) -> str:
        """The name of the session that a call is signed by."""
        scope = re.search(r"Credential=ASIA(\d+)/", call.headers["authorization"])
        assert scope is not None, call.headers["authorization"]
        return self.assumptions[int(scope[1]) - 1]["RoleSessionName"]


def joined(made: list[Sessions], server: Server, **more: Any) -> tuple[Sessions, AwsApi]:
    target = Target(**({"region": "eu-west-1", "endpoint_url": server.url, "connect_timeout": 1} | more))
    sessions = Sessions({"default": target})
    made.append(sessions)
    return sessions, AwsApi(sessions)
