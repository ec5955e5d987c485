"""Exceptions of the AWS client, as :class:`Failure` values."""

import traceback
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from service.adapters.aws.transport import Attempt, Stage, TransportError
from service.core.faults import SERVICE_ERROR
from service.core.redaction import without_userinfo
from service.runtime.ports import Failure

_LONGEST_MESSAGE: Final = 2048

_DEADLINE: Final = {
    Stage.PREPARING: "CredentialsUnavailable",
    Stage.CONNECTING: "ConnectFailed",
    Stage.SENT: "ReadTimeout",
}

_NO_CREDENTIALS: Final = (
    ConfigNotFound,
    ConfigParseError,
    CredentialRetrievalError,
    InvalidConfigError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    OSError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
"""Problems of credentials and their files that show before a request is signed; they pass, so the call waits."""

_CREDENTIAL_CODE: Final = frozenset(
    {f"{package}.{module}" for package in ("botocore", "aiobotocore") for module in ("credentials", "tokens")}
)

_UNBUILDABLE: Final = (BotoCoreError, LookupError, TypeError, ValueError, ArithmeticError)

_NOT_EXTRA: Final = frozenset({"Error", "ResponseMetadata", "message", "Message"})


def timed_out(attempt: Attempt, timeout: float) -> Failure:
    """The deadline passed."""
    message = f"no outcome within {timeout:g} s; was waiting for {attempt.stage.value}"
    return Failure(_DEADLINE[attempt.stage], message, sent=attempt.sent)


def invalid(message: str) -> Failure:
    """AWS, or something before it, answered with success that says nothing."""
    return Failure("InvalidResponse", message, http_status=200)


def failure_of(error: Exception, attempt: Attempt) -> Failure:
    """Any exception of a call.

    An exception before anything was written is about ourselves: a request that can't be built, credentials, or a
    defect, which ends the command since it would come again. One after it that is neither AWS's refusal nor the
    transport's comes from reading the answer.
    """
    if isinstance(error, TransportError):
        return Failure(error.code, _text(error), sent=attempt.sent)
    if attempt.sent:
        return (
            _refusal(error) if isinstance(error, ClientError) else invalid(f"the answer can't be read: {_text(error)}")
        )
    if isinstance(error, _NO_CREDENTIALS) or _from_credentials(error):
        return Failure("CredentialsUnavailable", _text(error), sent=False)
    if isinstance(error, _UNBUILDABLE):
        return Failure("InvalidRequest", f"the request can't be built: {_text(error)}", sent=False)
    message = f"{type(error).__name__} in the service before anything was sent; please report it"
    return Failure(SERVICE_ERROR, message, sent=False)


def _from_credentials(error: Exception) -> bool:
    """True when the SDK's credential code raised it: as a bare RuntimeError, say, for keys that came expired.

    A wrong local clock has this effect, and it is temporary.
    """
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_globals.get("__name__") in _CREDENTIAL_CODE for frame, _ in frames)


def _refusal(error: ClientError) -> Failure:
    response: Mapping[str, Any] = error.response
    details = response.get("Error", {})
    metadata = response.get("ResponseMetadata", {})
    status = int(metadata.get("HTTPStatusCode", 0))
    extra = {name: value for name, value in response.items() if name not in _NOT_EXTRA}
    retry_after = metadata.get("HTTPHeaders", {}).get("retry-after")
    if retry_after:
        extra["retryAfter"] = retry_after
    message = str(details.get("Message") or details.get("message") or f"HTTP {status}")[:_LONGEST_MESSAGE]
    return Failure(str(details.get("Code") or status), message, http_status=status, extra=extra or None)


def _text(error: Exception) -> str:
    return without_userinfo(str(error) or type(error).__name__)[:_LONGEST_MESSAGE]
