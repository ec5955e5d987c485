"""Calls of one aiobotocore client without its events: the same request, signature and answer for much less CPU.

For each call the SDK emits a dozen events, evaluates the rules of endpoints, derives the signing key and keeps headers
in e-mail messages, although all of that comes out alike every time: this API has one kind of request and one endpoint.
What stands here does the same once for each client, operation or day. The SDK's serializer, credentials, HTTP session,
parser and exceptions stay, and an operation that needs anything else goes the SDK's way. Tests compare what both send.
"""

import hashlib
import hmac
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlsplit

from aiobotocore.endpoint import convert_to_response_dict
from botocore import compat
from botocore.auth import SIGNED_HEADERS_BLACKLIST, SigV4Auth
from botocore.awsrequest import AWSRequest, prepare_request_dict
from botocore.credentials import ReadOnlyCredentials
from botocore.model import OperationModel
from botocore.utils import normalize_url_path

Perform = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]

_NOTHING: Final = hashlib.sha256(b"").hexdigest()
_FIRST_ATTEMPT: Final = "attempt=1"
_BODILESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_KEYS: Final = 1024
"""Signing keys that are kept: one for each session of credentials and day."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """What the HTTP session is given."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where an operation is sent."""

    url: str
    host: str
    headers: Mapping[str, str] = field(default_factory=dict)


class DirectCalls:
    """Performs operations for a client, by name."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._service = client.meta.service_model
        self._by_sdk: Perform = client._make_api_call
        self._parser = client._endpoint._response_parser_factory.create_parser(self._service.resolved_protocol)
        self._signer = _RequestSigner(client.meta.region_name, client._request_signer.signing_name)
        self._endpoints: dict[str, _Endpoint | None] = {}

    async def __call__(self, operation_name: str, api_params: Mapping[str, Any]) -> dict[str, Any]:
        """What the client's methods call.

        Raises:
            ClientError: AWS has refused.
            Exception: As the SDK.
        """
        model = self._service.operation_model(operation_name)
        if operation_name not in self._endpoints:
            self._endpoints[operation_name] = await self._endpoint(model, api_params)
        endpoint = self._endpoints[operation_name]
        if endpoint is None:
            return await self._by_sdk(operation_name, api_params)
        request = await self._request(model, api_params, endpoint)
        return await self._answer(model, await self._client._endpoint.http_session.send(request))

    async def _endpoint(self, model: OperationModel, params: Mapping[str, Any]) -> _Endpoint | None:
        """Where the rules say that the operation goes; None when it needs what only the SDK does."""
        context: dict[str, Any] = {"auth_type": model.resolved_auth_type}
        url, headers, _ = await self._client._resolve_endpoint_ruleset(model, params, context)
        usual = {"region": self._signer.region, "signing_name": self._signer.service}
        signing = context.get("signing", usual)
        version = context["auth_type"] or self._client._request_signer.signature_version
        if not _plain(model) or version != "v4" or any(usual.get(name) != value for name, value in signing.items()):
            return None
        unsigned = AWSRequest(method="GET", url=url)
        return _Endpoint(
            url, SigV4Auth(ReadOnlyCredentials("", "", None), "", "").headers_to_sign(unsigned)["host"], dict(headers)
        )

    async def _request(self, model: OperationModel, params: Mapping[str, Any], endpoint: _Endpoint) -> PreparedRequest:
        made = self._client._serializer.serialize_to_request(params, model)
        prepare_request_dict(made, endpoint_url=endpoint.url, user_agent=self._client._user_agent_creator.to_string())
        headers: dict[str, str] = {**made["headers"], **endpoint.headers}
        body, method, url = made["body"] or None, made["method"], made["url"]
        keys = await self._client._request_signer._credentials.get_frozen_credentials()
        self._signer.sign(method, url, endpoint.host, headers, body, keys)
        headers["amz-sdk-invocation-id"] = str(uuid.uuid4())
        headers["amz-sdk-request"] = _FIRST_ATTEMPT
        if method not in _BODILESS:
            headers["Content-Length"] = str(len(body or b""))
        return PreparedRequest(method, url, headers, body)

    async def _answer(self, model: OperationModel, response: Any) -> dict[str, Any]:
        read = await convert_to_response_dict(response, model)
        parsed: dict[str, Any] = await self._parser.parse(read, model.output_shape)
        if response.status_code < 300:
            return parsed
        await self._client._endpoint._add_modeled_error_fields(read, parsed, model, self._parser)
        code = parsed.get("Error", {}).get("Code")
        raise self._client.exceptions.from_code(code)(parsed, model.name)


def _plain(model: OperationModel) -> bool:
    """True for an operation with nothing but JSON in its body, its path and its query."""
    special = (
        *(model.has_streaming_input, model.has_streaming_output, model.has_event_stream_output),
        *(model.http_checksum, model.http_checksum_required, model.request_compression, model.endpoint),
        *(model.idempotent_members, model.unsigned_payload, model.endpoint_discovery),
        *(model.static_context_parameters, model.context_parameters, model.operation_context_parameters),
    )
    return not any(special)


class _RequestSigner:
    """Signature Version 4 of whole requests, with a signing key that is derived once for a day and a secret."""

    def __init__(self, region: str, service: str) -> None:
        self.region, self.service = region, service
        self._keys: dict[tuple[str, str], bytes] = {}

    def sign(
        self, method: str, url: str, host: str, headers: dict[str, str], body: bytes | None, credentials: Any
    ) -> None:
        """Adds the date, the session's token and the signature to the headers."""
        moment = compat.get_current_datetime().strftime("%Y%m%dT%H%M%SZ")
        headers["X-Amz-Date"] = moment
        if credentials.token:
            headers["X-Amz-Security-Token"] = credentials.token
        names = {name.lower(): " ".join(value.split()) for name, value in headers.items()}
        signed = {name: value for name, value in names.items() if name not in SIGNED_HEADERS_BLACKLIST} | {"host": host}
        ordered = sorted(signed)
        parts, listed = urlsplit(url), ";".join(ordered)
        canonical = "\n".join(
            (
                method,
                quote(normalize_url_path(parts.path), safe="/~"),
                "&".join("=".join(pair) for pair in sorted(_pair(each) for each in parts.query.split("&") if each)),
                *(f"{name}:{signed[name]}" for name in ordered),
                "",
                listed,
                hashlib.sha256(body).hexdigest() if body else _NOTHING,
            )
        )
        scope = f"{moment[:8]}/{self.region}/{self.service}/aws4_request"
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        key = self._key(credentials.secret_key, moment[:8])
        signature = _mac(key, f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}").hex()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
            f"SignedHeaders={listed}, Signature={signature}"
        )

    def _key(self, secret: str, day: str) -> bytes:
        key = self._keys.get((secret, day))
        if key is None:
            key = f"AWS4{secret}".encode()
            for part in (day, self.region, self.service, "aws4_request"):
                key = _mac(key, part)
            while len(self._keys) >= _KEYS:
                del self._keys[next(iter(self._keys))]
            self._keys[secret, day] = key
        return key


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _mac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
