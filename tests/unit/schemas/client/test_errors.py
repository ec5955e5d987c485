"""One tree; what a reply says is at hand, whatever it lacks."""

import inspect

import pytest

from schemas.client import errors
from schemas.client.changes import Received, ReplyReceived, decode
from schemas.client.errors import CommandError, FailedError, PublisherError, RejectedError
from schemas.docs import examples
from schemas.events import ReplyKind


def reply(kind: ReplyKind) -> ReplyReceived:
    message = examples.reply_message(kind)
    found = decode(Received("t", 0, 0, 0.0, message.key, message.value, message.headers))
    assert isinstance(found, ReplyReceived)
    return found


def test_all_are_of_one_tree() -> None:
    classes = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    assert len(classes) >= 9
    assert all(issubclass(each, PublisherError) for each in classes)


@pytest.mark.parametrize(("kind", "error"), [(ReplyKind.FAILED, FailedError), (ReplyKind.REJECTED, RejectedError)])
def test_what_a_reply_says(kind: ReplyKind, error: type[CommandError]) -> None:
    raised = error(reply(kind))
    data = raised.reply.data["error"]
    assert (raised.code, raised.message, raised.retryable) == (data["code"], data["message"], data["retryable"])
    assert raised.code in str(raised)


def test_a_reply_without_an_error_breaks_nothing() -> None:
    failed, rejected = FailedError(reply(ReplyKind.ACCEPTED)), RejectedError(reply(ReplyKind.ACCEPTED))
    assert (failed.code, failed.message, failed.http_status, failed.status_details) == ("", "", None, {})
    assert rejected.violations == ()
