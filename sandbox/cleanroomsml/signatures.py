"""SigV4 signatures, checked with botocore's own signer: what it would have signed is compared with what came."""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from sandbox.cleanroomsml.errors import InvalidSignature, MissingAuthentication, SignatureExpired, UnrecognizedClient

SKEW: Final = timedelta(minutes=5)
_HEADER: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/,\s]+)/([0-9]{8})/([^/]+)/([^/]+)/aws4_request,\s*"
    r"SignedHeaders=([^,\s]+),\s*Signature=([0-9a-f]{64})"
)
_STAMP: Final = "%Y%m%dT%H%M%SZ"
UNSIGNED: Final = "UNSIGNED-PAYLOAD"


class Signatures:
    """Checks requests against the secrets of their access keys."""

    def __init__(
        self, secret_of: Callable[[str], str | None], now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._secret_of, self._now = secret_of, now

    def check(self, method: str, raw_path: str, headers: Mapping[str, str], body: bytes | None) -> None:
        """Check one request; of a presigned URL the signature is in the query.

        Args:
            method: HTTP method.
            raw_path: path and query as they came, still percent-encoded.
            headers: all headers.
            body: the body, or None when it is streamed and its hash is in a header (S3).

        Raises:
            ApiError: The request is not signed, by an unknown key, wrongly, or at another time than now.
        """
        path, _, query = raw_path.partition("?")
        claim = _Claim.of_query(query) or _Claim.of_headers(headers)
        secret = self._secret_of(claim.key)
        if secret is None:
            raise UnrecognizedClient("The security token included in the request is invalid.")
        self._check_time(claim)
        made = claim.signatures_by(secret, method, path, query, headers, body)
        if not any(hmac.compare_digest(expected, claim.signature) for expected in made):
            raise InvalidSignature(
                "The request signature we calculated does not match the signature you provided. "
                "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
            )

    def _check_time(self, claim: "_Claim") -> None:
        now = self._now()
        if not claim.stamp.startswith(claim.date):
            raise InvalidSignature("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date")
        if claim.at + max(SKEW, claim.valid) < now:
            bound = (now - SKEW).strftime(_STAMP)
            raise SignatureExpired(
                f"Signature expired: {claim.stamp} is now earlier than {bound} ({now.strftime(_STAMP)} - 5 min.)"
            )
        if claim.at - SKEW > now:
            bound = (now + SKEW).strftime(_STAMP)
            raise SignatureExpired(
                f"Signature not yet current: {claim.stamp} is still later than {bound} "
                f"({now.strftime(_STAMP)} + 5 min.)"
            )


class _Claim:
    """What a request says about its signature."""

    def __init__(self, scope: tuple[str, str, str, str], signed: str, signature: str, stamp: str) -> None:
        self.key, self.date, self.region, self.service = scope
        self.signed, self.signature, self.stamp = signed.split(";"), signature, stamp
        self.presigned, self.valid = False, timedelta()
        try:
            self.at = datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC)
        except ValueError as error:
            raise InvalidSignature("X-Amz-Date must be of the form YYYYMMDD'T'HHMMSS'Z'") from error

    @classmethod
    def of_headers(cls, headers: Mapping[str, str]) -> "_Claim":
        text = headers.get("Authorization")
        if text is None:
            raise MissingAuthentication("Missing Authentication Token")
        found = _HEADER.fullmatch(text)
        if found is None:
            raise InvalidSignature("Authorization header must have Credential, SignedHeaders and Signature of SigV4")
        *scope, signed, signature = found.groups()
        return cls((scope[0], scope[1], scope[2], scope[3]), signed, signature, headers.get("X-Amz-Date", ""))

    @classmethod
    def of_query(cls, query: str) -> "_Claim | None":
        members = dict(parse_qsl(query, keep_blank_values=True))
        if "X-Amz-Signature" not in members:
            return None
        scope = members.get("X-Amz-Credential", "").split("/")
        seconds = members.get("X-Amz-Expires", "")
        if len(scope) != 5 or not seconds.isdecimal():
            raise InvalidSignature("X-Amz-Credential and X-Amz-Expires must have the form of SigV4")
        claim = cls(
            (scope[0], scope[1], scope[2], scope[3]),
            members.get("X-Amz-SignedHeaders", ""),
            members["X-Amz-Signature"],
            members.get("X-Amz-Date", ""),
        )
        claim.presigned, claim.valid = True, timedelta(seconds=min(int(seconds), 7 * 86_400))
        return claim

    def signatures_by(
        self, secret: str, method: str, path: str, query: str, headers: Mapping[str, str], body: bytes | None
    ) -> Iterator[str]:
        """Yield what the holder of a secret would have signed.

        There are two when a query parameter is repeated: most SDKs sort its values encoded, Go's v1 decoded.
        """
        kept = "&".join(each for each in query.split("&") if not each.startswith("X-Amz-Signature="))
        request = AWSRequest(method=method, url=f"http://{headers.get('Host', '')}{path}?{kept}", data=body or b"")
        for name, value in headers.items():
            request.headers[name] = value
        request.context["timestamp"] = self.stamp
        credentials = Credentials(self.key, secret)
        kind: type[_S3Signer | _Signer] = _S3Signer if self.service == "s3" else _Signer
        signer = kind(credentials, self.service, self.region)
        signer.signed, signer.presigned = frozenset(self.signed), self.presigned
        for signer.order in (str, unquote) if "&" in kept else (str,):
            text = signer.string_to_sign(request, signer.canonical_request(request))
            yield str(signer.signature(text, request))


class _Exact:
    """Signs the headers which the client has signed, whichever they are."""

    signed: frozenset[str]
    presigned: bool
    order: Callable[[str], str]
    """What the values of a repeated parameter are sorted by."""

    def canonical_query_string(self, request: Any) -> str:
        query = quote(request.url.partition("?")[2], safe="-_.~%=&+")  # clients sign what they may leave unencoded
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        ordered = sorted((name, self.order(value), value) for name, _, value in pairs)
        return "&".join(f"{name}={value}" for name, _, value in ordered)

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self.signed:
                chosen[name.lower()] = value
        return chosen


class _Signer(_Exact, SigV4Auth):
    """Hashes the body, whatever a header says of its hash."""

    def canonical_request(self, request: Any) -> str:
        claimed = request.headers.get("X-Amz-Content-SHA256", UNSIGNED)
        if claimed not in {UNSIGNED, hashlib.sha256(request.data).hexdigest()}:
            raise InvalidSignature("The value of x-amz-content-sha256 is not the hash of the body")
        return str(super().canonical_request(request))


class _S3Signer(_Exact, S3SigV4Auth):
    """S3 signs the path as it is, and hashes no body of a presigned URL."""

    def payload(self, request: Any) -> str:
        return UNSIGNED if self.presigned else str(request.headers.get("X-Amz-Content-SHA256", UNSIGNED))
