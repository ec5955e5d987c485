"""The errors a client can be sent, one class each.

ApiError
├── ValidationError      400  the request itself is wrong
├── AccessDenied         403  another account's role or resource
├── NotFound             404
├── Conflict             409  a name is taken, or another resource depends on this one
├── Throttled            429
├── QuotaExceeded        402  carries quotaName and quotaValue
├── InternalError        500  only by a fault switch
├── InvalidSignature     403  when signatures are checked
│   └── SignatureExpired 403  the clocks differ; also by a fault switch
├── MissingAuthentication 403  the request is not signed
├── UnrecognizedClient   403  when signatures are checked: this access key is unknown
├── NotBuilt             501  an operation of custom models, outside the sandbox
└── UnknownOperation     404  no such route
"""

from typing import Any, ClassVar

from sandbox.cleanroomsml.api_model import error_status


class ApiError(Exception):
    """An answer to the caller that is not a success."""

    code: ClassVar[str]

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    @property
    def status(self) -> int:
        """The HTTP status, as the model has it."""
        return error_status(self.code)

    @property
    def body(self) -> dict[str, Any]:
        """The JSON body."""
        return {"message": self.message}


class ValidationError(ApiError):
    """One or more members break a rule; the message names each member and its rule."""

    code = "ValidationException"

    @classmethod
    def of(cls, problems: list[tuple[str, str]]) -> "ValidationError":
        """Join (member, rule) pairs into AWS's usual sentence; values are never echoed, they may be sensitive."""
        count = f"{len(problems)} validation error{'s' if len(problems) > 1 else ''} detected: "
        return cls(count + "; ".join(f"Value at '{at}' failed to satisfy constraint: {rule}" for at, rule in problems))


class AccessDenied(ApiError):
    """The caller's account must not use what it named."""

    code = "AccessDeniedException"


class NotFound(ApiError):
    """No such resource in this account and Region."""

    code = "ResourceNotFoundException"


class Conflict(ApiError):
    """A name is taken, another resource depends on this one, or it is busy."""

    code = "ConflictException"


class Throttled(ApiError):
    """Too many requests."""

    code = "ThrottlingException"


class QuotaExceeded(ApiError):
    """A concurrency quota is full."""

    code = "ServiceQuotaExceededException"

    def __init__(self, message: str, quota_name: str, quota_value: float) -> None:
        super().__init__(message)
        self.quota_name, self.quota_value = quota_name, quota_value

    @property
    def body(self) -> dict[str, Any]:
        """The message, and which quota it was."""
        return {"message": self.message, "quotaName": self.quota_name, "quotaValue": self.quota_value}


class InternalError(ApiError):
    """A fault of the service, armed on purpose."""

    code = "InternalServiceException"

    @property
    def status(self) -> int:
        """Always 500."""
        return 500


class _AuthenticationError(ApiError):
    """Refused before it is known which operation is meant; no model lists these."""

    @property
    def status(self) -> int:
        """Always 403."""
        return 403


class InvalidSignature(_AuthenticationError):
    """The signature is not what the secret of its access key makes."""

    code = "InvalidSignatureException"


class SignatureExpired(InvalidSignature):
    """The request's time differs from the server's by more than five minutes."""


class MissingAuthentication(_AuthenticationError):
    """There is no signature."""

    code = "MissingAuthenticationTokenException"


class UnrecognizedClient(_AuthenticationError):
    """There is no such access key."""

    code = "UnrecognizedClientException"


class NotBuilt(ApiError):
    """A custom-model operation: real in AWS, not performed here. 501, which SDKs do not retry."""

    code = "NotImplementedException"

    @property
    def status(self) -> int:
        """Always 501."""
        return 501


class UnknownOperation(ApiError):
    """No operation has this method and path."""

    code = "UnknownOperationException"

    @property
    def status(self) -> int:
        """Always 404."""
        return 404
