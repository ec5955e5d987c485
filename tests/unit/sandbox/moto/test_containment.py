"""What moto breaks on: 400 in the service's words, one line in the log, and no value of the request."""

import json
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pytest

from sandbox.moto.containment import Contained, created

CANARY = "canary-of-the-data"


class Broken:
    """Fails as it is told to, before or after its answer has begun."""

    def __init__(self, error: Exception, begun: bool = False) -> None:
        self._error, self._begun = error, begun

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self._begun:
            start_response("200 OK", [])
        raise self._error


def asked(application: Any, **environ: str) -> tuple[str, dict[str, str], bytes]:
    seen: list[Any] = []
    body = b"".join(
        Contained(application)(
            {"REQUEST_METHOD": "PUT", "PATH_INFO": f"/{CANARY}", **environ}, lambda *answer: seen.append(answer)
        )
    )
    return seen[-1][0], dict(seen[-1][1]), body


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("error", [KeyError(CANARY), RecursionError(CANARY), AttributeError(CANARY)])
def test_json(error: Exception, begun: bool, capsys: pytest.CaptureFixture[str]) -> None:
    status, headers, body = asked(Broken(error, begun), HTTP_X_AMZ_TARGET="AWSGlue.CreateTable\r\nx")
    assert (status, headers["Content-Type"]) == ("400 Bad Request", "application/x-amz-json-1.1")
    assert json.loads(body) == {"__type": "InvalidInputException", "Message": "The request can't be read"}
    name = type(error).__name__
    assert capsys.readouterr().err == f"WARNING sandbox.moto: PUT AWSGlue.CreateTablex can't be answered: {name}\n"


@pytest.mark.parametrize(
    ("error", "form", "code"),
    [
        (NotImplementedError(CANARY), "application/x-www-form-urlencoded; charset=utf-8", "InvalidAction"),
        (KeyError(CANARY), "application/x-www-form-urlencoded", "ValidationError"),
        (NotImplementedError(CANARY), "", "NotImplemented"),
        (RecursionError(CANARY), "text/xml", "InvalidRequest"),
    ],
)
def test_xml(error: Exception, form: str, code: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, body = asked(Broken(error), CONTENT_TYPE=form)
    assert status == "400 Bad Request"
    assert [each.text for each in ElementTree.fromstring(body).iter("Code")] == [code]  # noqa: S314 - our own
    assert CANARY not in body.decode() + capsys.readouterr().err


def test_what_is_answered_is_left_as_it_is_and_closed() -> None:
    class Answer(list[bytes]):
        closed = 0

        def close(self) -> None:
            type(self).closed += 1

    def application(_environ: dict[str, Any], start_response: Any) -> Answer:
        start_response("404 Not Found", [("A", "b")])
        return Answer([b"a", b"b"])

    assert asked(application) == ("404 Not Found", {"A": "b"}, b"ab")
    assert Answer.closed == 1


def test_an_application_lets_exceptions_through() -> None:
    """Else Flask answers with a page of HTML, and writes a traceback."""
    assert created("sts").config["PROPAGATE_EXCEPTIONS"] is True
