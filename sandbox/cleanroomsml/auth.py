"""Refuses requests without a valid signature, in the words of the service they were meant for."""

import html
import json
import uuid
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from sandbox.cleanroomsml import api_model
from sandbox.cleanroomsml.accounts import Caller
from sandbox.cleanroomsml.errors import (
    ApiError,
    InvalidSignature,
    MissingAuthentication,
    SignatureExpired,
    UnrecognizedClient,
)
from sandbox.cleanroomsml.signatures import Signatures

_S3: Final[Mapping[type[ApiError], str]] = {
    InvalidSignature: "SignatureDoesNotMatch",
    SignatureExpired: "RequestTimeTooSkewed",
    UnrecognizedClient: "InvalidAccessKeyId",
    MissingAuthentication: "AccessDenied",
}
_QUERY: Final[Mapping[type[ApiError], str]] = {
    InvalidSignature: "SignatureDoesNotMatch",
    SignatureExpired: "SignatureDoesNotMatch",
    UnrecognizedClient: "InvalidClientTokenId",
    MissingAuthentication: "MissingAuthenticationToken",
}


class Authenticator:
    """Refuses unsigned requests to Clean Rooms ML, and checks signatures if that is switched on."""

    def __init__(self, signatures: Signatures | None) -> None:
        self._signatures = signatures

    async def refusal(self, request: web.Request, caller: Caller | None) -> web.Response | None:
        """Return the answer to a request that is refused; None lets it in.

        Unsigned requests that can't be for Clean Rooms ML are let in: S3 has public objects, and STS calls that are
        not signed. Of old S3 signatures (SigV2) nothing is checked, of bodies that S3 streams the announced hash only.
        """
        if caller is None and not _is_ours(request):
            return None
        if self._signatures is None:
            unsigned = MissingAuthentication("Missing Authentication Token")
            return _answer(api_model.SIGNING_NAME, unsigned) if caller is None else None
        service = caller.service if caller else api_model.SIGNING_NAME
        body = None if service == "s3" else await request.read()
        try:
            self._signatures.check(request.method, api_model.origin_form(request.raw_path), request.headers, body)
        except ApiError as error:
            return _answer(service, error)
        return None


def _is_ours(request: web.Request) -> bool:
    path = api_model.origin_form(request.raw_path).partition("?")[0]
    return api_model.match(request.method, path) is not None or api_model.concerns(path)


def _answer(service: str, error: ApiError) -> web.Response:
    request_id = str(uuid.uuid4())
    if service in {"s3", "sts", "iam"}:
        code = (_S3 if service == "s3" else _QUERY)[type(error)]
        details = f"<Error><Code>{code}</Code><Message>{html.escape(error.message)}</Message></Error>"
        wrapped = f"<ErrorResponse>{details}<RequestId>{request_id}</RequestId></ErrorResponse>"
        text = details if service == "s3" else wrapped
        return web.Response(status=error.status, text=text, content_type="text/xml")
    headers = {"x-amzn-RequestId": request_id, "x-amzn-ErrorType": error.code}
    body = json.dumps({"__type": error.code, **error.body}).encode()
    return web.Response(status=error.status, body=body, content_type="application/json", headers=headers)
