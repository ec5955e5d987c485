"""What moto breaks on is answered with 400 in the words of the service, and is one line in the log.

moto has no check of requests: a member that is missing or of another type is an exception in the middle of its work,
and was answered with 500 and a page of HTML, which no SDK reads and every SDK repeats.
"""

import json
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final
from xml.sax.saxutils import escape

from botocore.model import OperationNotFoundError
from moto.moto_server.werkzeug_app import create_backend_app

Environ = dict[str, Any]
_STATUS: Final = "400 Bad Request"


def created(service: Any) -> Any:
    """The application of moto for a service, which lets exceptions through."""
    application = create_backend_app(service)
    application.config["PROPAGATE_EXCEPTIONS"] = True
    return application


class Contained:
    """A WSGI application around moto's."""

    def __init__(self, application: Callable[[Environ, Any], Iterable[bytes]]) -> None:
        self._application = application

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Answer a request; what is not foreseen is the request's fault, as far as can be said."""
        try:
            answer = self._application(environ, start_response)
            try:
                return list(answer)
            finally:
                if hasattr(answer, "close"):
                    answer.close()
        except Exception as error:
            what = f"{environ.get('REQUEST_METHOD')} {action(environ)}".strip()
            sys.stderr.write(f"WARNING sandbox.moto: {what} can't be answered: {type(error).__name__}\n")
            kind, body = refusal(environ, error)
            start_response(_STATUS, [("Content-Type", kind), ("Content-Length", str(len(body)))], sys.exc_info())
            return [body]


def action(environ: Environ) -> str:
    """What is asked for, as far as a header says it; a path may name a person's data."""
    return "".join(each for each in str(environ.get("HTTP_X_AMZ_TARGET", "")) if each.isalnum() or each == ".")[:80]


def refusal(environ: Environ, error: Exception) -> tuple[str, bytes]:
    """Media type and body of the answer."""
    missing = isinstance(error, NotImplementedError | OperationNotFoundError)
    message = "The sandbox does not have this operation" if missing else "The request can't be read"
    if environ.get("HTTP_X_AMZ_TARGET"):
        code = "UnknownOperationException" if missing else "InvalidInputException"
        return "application/x-amz-json-1.1", json.dumps({"__type": code, "Message": message}).encode()
    if "form-urlencoded" in str(environ.get("CONTENT_TYPE", "")):
        code = "InvalidAction" if missing else "ValidationError"
        details = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return "text/xml", f"<ErrorResponse>{details}</ErrorResponse>".encode()
    code = "NotImplemented" if missing else "InvalidRequest"
    return "application/xml", f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>".encode()
