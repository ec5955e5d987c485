"""Who calls which service: read from the SigV4 credential scope, never verified."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_HEADER_SCOPE: Final = re.compile(r"Credential=([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")
_QUERY_SCOPE: Final = re.compile(r"([^/,\s]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request")
_ACCOUNT: Final = re.compile(r"\d{12}")
_ACCESS_KEY: Final = re.compile(r"<AccessKeyId>([^<]+)</AccessKeyId>")
_ASSUMED_ROLE: Final = re.compile(r"<Arn>arn:[^:<]+:sts::(\d{12}):assumed-role/[^/<]+/([^<]+)</Arn>")


@dataclass(frozen=True, slots=True)
class Caller:
    """A request's credential scope, as an account, and the session of an assumed role that signed it."""

    account: str
    region: str
    service: str
    session: str | None = None


class Accounts:
    """Which account an access key belongs to.

    An access key of 12 digits is that account; keys handed out by STS or IAM through this sandbox belong to the account
    they were made for; every other key belongs to the default account.
    """

    def __init__(self, default: str) -> None:
        self._default = default
        self._issued: dict[str, str] = {}
        self._sessions: dict[str, str] = {}

    def of(self, access_key: str) -> str:
        """Return the account of an access key."""
        if _ACCOUNT.fullmatch(access_key):
            return access_key
        return self._issued.get(access_key, self._default)

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
        for access_key in _ACCESS_KEY.findall(body):
            self._issued[access_key] = account
            if role:
                self._sessions[access_key] = role.group(2)
