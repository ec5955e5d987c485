"""Requests in every form that HTTP allows, unsigned ones, and JSON that means harm."""

import http.client
import json
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from sandbox.cleanroomsml.api_model import origin_form
from tests.support.sandbox_account import World


def send(
    world: World, method: str, target: str, body: bytes = b"", headers: dict[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(world.url).netloc, timeout=5)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def signed(world: World, method: str, target: str, body: bytes = b"", service: str = "cleanrooms-ml") -> dict[str, str]:
    path = origin_form(target)
    request = AWSRequest(method=method, url=world.url + path, data=body, headers={"Host": urlsplit(world.url).netloc})
    SigV4Auth(Credentials(world.account, "sandbox"), service, world.region).add_auth(request)
    return dict(request.headers)


def test_a_request_in_absolute_form_is_served(world: World) -> None:
    """As a client sends it that has been given a forward proxy."""
    arn = world.dataset()
    quoted = arn.replace(":", "%3A").replace("/", "%2F")
    for path in ("/training-dataset?maxResults=1", f"/training-dataset/{quoted}"):
        status, _, body = send(world, "GET", world.url + path, headers=signed(world, "GET", path))
        assert (status, arn in body.decode()) == (200, True)
    bucket = world.bucket()
    status, _, body = send(
        world, "GET", f"{world.url}/{bucket}", headers=signed(world, "GET", f"/{bucket}", service="s3")
    )
    assert (status, b"<ListBucketResult" in body) == (200, True)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/training-dataset"),
        ("POST", "/audience-generation-job"),
        ("DELETE", "/audience-model/arn%3Aaws%3Ax"),
        ("GET", "/tags/arn%3Aaws%3Ax"),
    ],
)
@pytest.mark.parametrize("authorization", [None, "Basic eDp5", "AWS4-HMAC-SHA256 nonsense"])
def test_an_unsigned_request_is_refused_by_clean_rooms_ml(
    world: World, method: str, path: str, authorization: str | None
) -> None:
    """Whether signatures are checked or not: AWS has no operation for the anonymous."""
    headers = {"Authorization": authorization} if authorization else {}
    for target in (path, world.url + path):
        status, answered, body = send(world, method, target, b"{}" if method == "POST" else b"", headers)
        assert (status, answered["x-amzn-errortype"]) == (403, "MissingAuthenticationTokenException")
        assert json.loads(body)["message"] == "Missing Authentication Token"
        assert "x-amzn-requestid" in answered


HOSTILE = {
    "lists": b"[" * 5000,
    "objects": b'{"a":' * 5000,
    "closed": b'{"name":' + b"[" * 5000 + b"]" * 5000 + b"}",
    "unknown member": b'{"x":' + b'{"y":' * 5000 + b"1" + b"}" * 5001,
    "digits": b'{"name": ' + b"9" * 5000 + b"}",
    "half a character": b'{"name": "\\ud800"}',
    "half a key": b'{"tags": {"\\udfff": ""}}',
    "no UTF-8": b'{"name": "\xff"}',
    "not a number": b'{"name": NaN}',
    "byte order": "{}".encode("utf-16"),
    "nothing": b"null",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("path", ["/training-dataset", "/audience-model", "/audience-generation-job"])
def test_hostile_json_is_refused_and_nothing_breaks(world: World, path: str, body: bytes) -> None:
    status, headers, answer = send(world, "POST", path, body, signed(world, "POST", path, body))
    assert (status, headers["x-amzn-errortype"]) == (400, "ValidationException"), answer


def test_a_hostile_policy_is_refused(world: World) -> None:
    arn = world.configured()
    refused = world.ml.exceptions.ValidationException
    for text in (
        "[" * 5000,
        '{"Statement":' * 1500,
        '{"Statement": [{"Effect": "Deny", "Condition": {"Like": {"a": "b"}}}]}',
    ):
        with pytest.raises(refused, match="configuredAudienceModelPolicy"):
            world.ml.put_configured_audience_model_policy(
                configuredAudienceModelArn=arn, configuredAudienceModelPolicy=text
            )


@pytest.mark.parametrize("path", ["faults", "remove"])
@pytest.mark.parametrize(
    "body", [b"[" * 5000, b'{"fault": []}', b'{"fault": "throttle", "account": []}', b"\xff", b"[]"]
)
def test_hostile_json_at_the_admin_endpoints(world: World, path: str, body: bytes) -> None:
    assert send(world, "POST", f"/_sandbox/{path}", body)[0] in {400, 404}


@pytest.mark.parametrize(
    "body", [b"[" * 5000, b'{"DatabaseInput": {"Name": ' + b"[" * 5000, b"{", b"\xff", b"[]", b"3"]
)
def test_hostile_json_for_glue(world: World, body: bytes) -> None:
    headers = signed(world, "POST", "/", body, "glue") | {
        "X-Amz-Target": "AWSGlue.CreateDatabase",
        "Content-Type": "application/x-amz-json-1.1",
    }
    assert send(world, "POST", "/", body, headers)[0] == 400


def test_the_time_of_a_signature_is_not_needed_unless_it_is_checked(world: World) -> None:
    headers = signed(world, "GET", "/training-dataset")
    headers["X-Amz-Date"] = datetime(2001, 1, 1, tzinfo=UTC).strftime("%Y%m%dT%H%M%SZ")
    assert send(world, "GET", "/training-dataset", headers=headers)[0] == 200
