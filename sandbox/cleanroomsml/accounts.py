"""Who calls which service: read from the SigV4 credential scope."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sandbox import SECRET
from sandbox.cleanroomsml.options import AccessKey
from sandbox.cleanroomsml.persistence import InMemory, Persistence

_HEADER_SCOPE: Final = re.compile(r"Credential=([^/,\s]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request")
_QUERY_SCOPE: Final = re.compile(r"([^/,\s]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request")
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_ISSUED: Final = re.compile(r"<(Credentials|AccessKey|member)>(.*?)</\1>", re.DOTALL)
_ACCESS_KEY: Final = re.compile(r"<AccessKeyId>([^<]+)</AccessKeyId>")
_SECRET: Final = re.compile(r"<SecretAccessKey>([^<]+)</SecretAccessKey>")
_ASSUMED_ROLE: Final = re.compile(r"<Arn>arn:[^:<]+:sts::([0-9]{12}):assumed-role/[^/<]+/([^<]+)</Arn>")


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's credential scope, as an account, and the session of an assumed role that signed it."""

    account: str
    region: str
    service: str
    session: str | None = None


class Accounts:
    """Which account an access key belongs to, and which secret.

    An access key of 12 digits is that account; keys handed out by STS or IAM through this sandbox belong to the account
    they were made for; keys named when the sandbox was started to the one named with them; every other key belongs to
    the default account.
    """

    def __init__(self, default: str, given: tuple[AccessKey, ...] = (), persistence: Persistence | None = None) -> None:
        self._default, self._persistence = default, persistence or InMemory()
        self._given = {each.key: (each.account, each.secret) for each in given}
        self._issued = {key: (account, secret) for key, account, secret in self._persistence.access_keys()}
        self._sessions: dict[str, str] = {}  # for the request log only, so not kept

    def of(self, access_key: str) -> str:
        """Return the account of an access key."""
        known = self._given.get(access_key) or self._issued.get(access_key)
        if known is None and _ACCOUNT.fullmatch(access_key):
            return access_key
        return known[0] if known else self._default

    def secret_of(self, access_key: str) -> str | None:
        """Return the secret of an access key; None for an unknown one."""
        known = self._given.get(access_key) or self._issued.get(access_key)
        if known is None:
            return SECRET if _ACCOUNT.fullmatch(access_key) else None
        return known[1]

    def identify(self, headers: Mapping[str, str], query: Mapping[str, str]) -> Caller | None:
        """Read the credential scope from the Authorization header or a presigned URL; None if unsigned."""
        scope = _HEADER_SCOPE.search(headers.get("Authorization", "")) or _QUERY_SCOPE.fullmatch(
            query.get("X-Amz-Credential", "")
        )
        if scope is None:
            return None
        access_key, _date, region, service = scope.groups()
        return Caller(self.of(access_key), region, service, self._sessions.get(access_key))

    def learn(self, body: str, caller: Caller | None) -> None:
        """Remember the keys in an STS or IAM answer: the assumed role's account owns them, else the caller's."""
        role = _ASSUMED_ROLE.search(body)
        account = role.group(1) if role else (caller.account if caller else self._default)
        for _, issued in _ISSUED.findall(body):
            key, secret = _ACCESS_KEY.search(issued), _SECRET.search(issued)
            if key and secret:
                self._issued[key.group(1)] = account, secret.group(1)
                if role:
                    self._sessions[key.group(1)] = role.group(2)
                self._persistence.save_key(key.group(1), account, secret.group(1))

    def forget(self) -> None:
        """Forget the keys that were handed out."""
        self._issued.clear()
        self._sessions.clear()
