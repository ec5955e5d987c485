"""Who is refused for want of a signature, and in which service's words."""

import json
from collections.abc import Mapping
from xml.etree import ElementTree

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from sandbox.cleanroomsml.accounts import Caller
from sandbox.cleanroomsml.auth import Authenticator
from sandbox.cleanroomsml.errors import (
    ApiError,
    InvalidSignature,
    MissingAuthentication,
    SignatureExpired,
    UnrecognizedClient,
)
from sandbox.cleanroomsml.signatures import Signatures

ML, BUCKET = "/audience-model?maxResults=1", "/bucket/key"


class Checked(Signatures):
    """Answers what a test says; keeps what it was asked."""

    def __init__(self, error: ApiError | None = None) -> None:
        super().__init__(lambda _key: None)
        self._error = error
        self.asked: list[tuple[str, str, bytes | None]] = []

    def check(self, method: str, raw_path: str, headers: Mapping[str, str], body: bytes | None) -> None:
        assert headers["Host"] == "h"
        self.asked.append((method, raw_path, body))
        if self._error is not None:
            raise self._error


def request(target: str) -> web.Request:
    made = make_mocked_request("GET", target, headers={"Host": "h"})
    made._read_bytes = b"{}"
    return made


def caller(service: str) -> Caller:
    return Caller("111122223333", "eu-west-1", service)


async def refused(target: str, who: Caller | None, signatures: Signatures | None) -> web.Response:
    answer = await Authenticator(signatures).refusal(request(target), who)
    assert answer is not None
    return answer


@pytest.mark.parametrize("target", [ML, f"http://h{ML}"])
@pytest.mark.parametrize("signatures", [None, Checked(MissingAuthentication("Missing Authentication Token"))])
async def test_an_unsigned_request_to_clean_rooms_ml_is_refused(target: str, signatures: Signatures | None) -> None:
    answer = await refused(target, None, signatures)
    assert (answer.status, answer.content_type) == (403, "application/json")
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    assert len(answer.headers["x-amzn-RequestId"]) == 36
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "__type": "MissingAuthenticationTokenException",
        "message": "Missing Authentication Token",
    }


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "PUT", "OPTIONS", "POST"])
@pytest.mark.parametrize(
    "target",
    [
        "/training-dataset",
        "/training-dataset/",
        "//training-dataset",
        "/./training-dataset",
        "/training%2Ddataset",
        "/audience-model/arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/x",
        "/audience-model/arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model%2Fx",
        "/configured-audience-model/arn:aws:cleanrooms-ml:eu-west-1:1:configured-audience-model/x/policy",
        "/tags/arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-model/x?tagKeys=a",
    ],
)
async def test_a_path_of_clean_rooms_ml_is_refused_however_it_is_written(method: str, target: str) -> None:
    made = make_mocked_request(method, target, headers={"Host": "h"})
    answer = await Authenticator(None).refusal(made, None)
    assert answer is not None
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"


@pytest.mark.parametrize("target", ["/", "/tags", "/tags/x", "/audience-models", "/bucket/training-dataset", "/a%2Fb"])
async def test_an_object_of_a_public_bucket_is_none_of_its_paths(target: str) -> None:
    made = make_mocked_request("PUT", target, headers={"Host": "h"})
    assert await Authenticator(None).refusal(made, None) is None


@pytest.mark.parametrize("signatures", [None, Checked(MissingAuthentication("no"))])
async def test_an_unsigned_request_to_another_service_is_let_in(signatures: Signatures | None) -> None:
    assert await Authenticator(signatures).refusal(request(BUCKET), None) is None


@pytest.mark.parametrize("service", ["cleanrooms-ml", "s3", "sts"])
async def test_a_scope_is_enough_where_signatures_are_not_checked(service: str) -> None:
    assert await Authenticator(None).refusal(request(ML), caller(service)) is None


async def test_a_right_signature_is_let_in_and_is_checked_on_what_was_sent() -> None:
    signatures = Checked()
    assert await Authenticator(signatures).refusal(request(f"http://h{ML}"), caller("cleanrooms-ml")) is None
    assert await Authenticator(signatures).refusal(request(BUCKET), caller("s3")) is None
    assert signatures.asked == [("GET", ML, b"{}"), ("GET", BUCKET, None)], "a streamed body of S3 is not read"


@pytest.mark.parametrize(
    ("service", "error", "code"),
    [
        ("s3", InvalidSignature, "SignatureDoesNotMatch"),
        ("s3", SignatureExpired, "RequestTimeTooSkewed"),
        ("s3", UnrecognizedClient, "InvalidAccessKeyId"),
        ("s3", MissingAuthentication, "AccessDenied"),
        ("sts", InvalidSignature, "SignatureDoesNotMatch"),
        ("sts", SignatureExpired, "SignatureDoesNotMatch"),
        ("iam", UnrecognizedClient, "InvalidClientTokenId"),
        ("iam", MissingAuthentication, "MissingAuthenticationToken"),
    ],
)
async def test_services_of_xml_have_codes_of_their_own(service: str, error: type[ApiError], code: str) -> None:
    answer = await refused(BUCKET, caller(service), Checked(error('5 < 6 & "x"')))
    assert (answer.status, answer.content_type) == (403, "text/xml")
    document = ElementTree.fromstring(answer.text or "")  # noqa: S314 - the answer is our own
    found = document if service == "s3" else document.find("Error")
    assert found is not None
    assert document.tag == ("Error" if service == "s3" else "ErrorResponse")
    assert (found.findtext("Code"), found.findtext("Message")) == (code, '5 < 6 & "x"')
    assert len(document.findtext("RequestId") or "") == (0 if service == "s3" else 36)


@pytest.mark.parametrize("service", ["cleanrooms-ml", "glue"])
async def test_services_of_json_have_the_code_as_type(service: str) -> None:
    answer = await refused(ML, caller(service), Checked(UnrecognizedClient("unknown")))
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {"__type": "UnrecognizedClientException", "message": "unknown"}


async def test_an_error_that_is_no_refusal_is_not_hidden() -> None:
    class Broken(Signatures):
        def check(self, *_: object) -> None:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Authenticator(Broken(lambda _: None)).refusal(request(ML), caller("cleanrooms-ml"))
