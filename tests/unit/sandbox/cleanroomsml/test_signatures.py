"""Signatures, when they are checked: what boto3 signs is let in, what is wrong is refused as AWS refuses it."""

import http.client
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from sandbox.cleanroomsml.errors import InvalidSignature, SignatureExpired
from sandbox.cleanroomsml.options import AccessKey, Options, Timing
from sandbox.cleanroomsml.signatures import Signatures
from sandbox.embedded import running_sandbox
from tests.support.sandbox_account import World

KEY = AccessKey("AKIAEXAMPLE", "s3cr/et+", "444455556666")


@pytest.fixture(scope="module")
def strict_url() -> Iterator[str]:
    options = Options(
        timing=Timing(0.02, 0.02), check_signatures=True, access_keys=(KEY,), jobs_module="tests.support.quick_jobs"
    )
    with running_sandbox(options) as url:
        yield url


class Signed(World):
    """Knows the secret."""

    def client(self, service: str, *, config: Config | None = None, **credentials: str) -> Any:
        keys = credentials or {"aws_access_key_id": KEY.key, "aws_secret_access_key": KEY.secret}
        return super().client(service, config=config or Config(retries={"total_max_attempts": 1}), **keys)


@pytest.fixture
def signed(strict_url: str) -> Iterator[Signed]:
    world = Signed(strict_url, KEY.account)
    world.admin("POST", "reset")
    yield world
    world.close()


def told(error: pytest.ExceptionInfo[ClientError]) -> tuple[int, str]:
    response: Any = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


def test_everything_that_boto3_signs_is_let_in(signed: Signed) -> None:
    job = signed.active_job(tags={"a b/ü+%2F=&?": "ö~*'()"})
    signed.ml.untag_resource(resourceArn=job, tagKeys=["a b/ü+%2F=&?", "other"])
    assert signed.ml.list_tags_for_resource(resourceArn=job)["tags"] == {}
    signed.export(job)
    assert signed.until_export(job)["status"] == "ACTIVE", "the jobs' own requests are signed too"
    s3 = signed.client("s3")
    [bucket] = [each["Name"] for each in s3.list_buckets()["Buckets"]]
    s3.put_object(Bucket=bucket, Key="a b/ü+%2F//x", Body=b"hello")
    assert s3.get_object(Bucket=bucket, Key="a b/ü+%2F//x")["Body"].read() == b"hello"
    signed.client("glue").create_database(DatabaseInput={"Name": "films"})
    signs_v4 = signed.client("s3", config=Config(signature_version="s3v4"))
    url = signs_v4.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a b/ü+%2F//x"})
    assert fetch(url) == (200, b"hello")
    assert fetch(url[:-1] + ("0" if url[-1] != "0" else "1"))[0] == 403


def test_keys_from_sts_have_their_secrets(signed: Signed) -> None:
    keys = signed.client("sts").assume_role(RoleArn=signed.role, RoleSessionName="session")["Credentials"]
    names = {"aws_access_key_id": keys["AccessKeyId"], "aws_session_token": keys["SessionToken"]}
    signed.client("cleanroomsml", **names, aws_secret_access_key=keys["SecretAccessKey"]).list_audience_models()
    with pytest.raises(ClientError) as error:
        signed.client("cleanroomsml", **names, aws_secret_access_key="guess").list_audience_models()
    assert told(error) == (403, "InvalidSignatureException")


@pytest.mark.parametrize(
    ("service", "ask", "code"),
    [
        ("cleanroomsml", "list_audience_models", "InvalidSignatureException"),
        ("glue", "get_databases", "InvalidSignatureException"),
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sts", "get_caller_identity", "SignatureDoesNotMatch"),
    ],
)
def test_a_wrong_secret(signed: Signed, service: str, ask: str, code: str) -> None:
    client = signed.client(service, aws_access_key_id=KEY.key, aws_secret_access_key="wrong")
    with pytest.raises(ClientError) as error:
        getattr(client, ask)()
    assert told(error) == (403, code)


def test_an_unknown_key(signed: Signed) -> None:
    for service, ask, code in [
        ("cleanroomsml", "list_audience_models", "UnrecognizedClientException"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ]:
        client = signed.client(service, aws_access_key_id="AKIANOBODY", aws_secret_access_key="x")
        with pytest.raises(ClientError) as error:
            getattr(client, ask)()
        assert told(error) == (403, code)


def test_an_unsigned_request(strict_url: str) -> None:
    status, body = fetch(f"{strict_url}/audience-model")
    assert status == 403
    assert b"Missing Authentication Token" in body


def fetch(url: str) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def request(at: datetime, body: bytes = b"{}") -> tuple[str, str, dict[str, str], bytes]:
    """A request as botocore signs it at some time."""
    made = AWSRequest("POST", "http://h/audience-model", {"Content-Type": "application/json"}, body)
    signer = SigV4Auth(Credentials(KEY.key, KEY.secret), "cleanrooms-ml", "eu-west-1")
    made.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    made.headers["X-Amz-Date"] = made.context["timestamp"]
    made.headers["Host"] = "h"
    signature = signer.signature(signer.string_to_sign(made, signer.canonical_request(made)), made)
    scope = f"Credential={signer.scope(made)}, SignedHeaders={signer.signed_headers(signer.headers_to_sign(made))}"
    made.headers["Authorization"] = f"AWS4-HMAC-SHA256 {scope}, Signature={signature}"
    return "POST", "/audience-model", dict(made.headers), body


def check(method: str, path: str, headers: dict[str, str], body: bytes) -> None:
    Signatures(lambda key: KEY.secret if key == KEY.key else None, lambda: NOW).check(method, path, headers, body)


@pytest.mark.parametrize("seconds", [-299, 0, 299])
def test_five_minutes_of_skew_are_allowed(seconds: int) -> None:
    check(*request(NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(("seconds", "text"), [(-301, "Signature expired"), (301, "not yet current")])
def test_more_skew_is_told(seconds: int, text: str) -> None:
    with pytest.raises(SignatureExpired, match=text):
        check(*request(NOW + timedelta(seconds=seconds)))


def test_nothing_that_is_signed_can_be_changed() -> None:
    method, path, headers, body = request(NOW)
    wrong = [
        ("PUT", path, headers, body),
        (method, "/audience-models", headers, body),
        (method, path + "?a=b", headers, body),
        (method, path, headers | {"Content-Type": "text/plain"}, body),
        (method, path, headers, b"[]"),
        (method, path, headers | {"X-Amz-Content-SHA256": "0" * 64}, body),
        (method, path, headers | {"Authorization": headers["Authorization"].replace("20261125", "20261124")}, body),
        (method, path, headers | {"Authorization": "AWS4-HMAC-SHA256 Credential=x"}, body),
        (method, path, headers | {"X-Amz-Date": "now"}, body),
    ]
    for each in wrong:
        with pytest.raises(InvalidSignature):
            check(*each)


@pytest.mark.parametrize("text", ["", "k:s", "k:s:12", "k::123456789012", ":s:123456789012"])
def test_access_keys_of_another_form_are_refused_without_their_secret(text: str) -> None:
    with pytest.raises(ValueError, match="expected KEY:SECRET:ACCOUNT") as error:
        AccessKey.parse(text)
    assert ":s" not in str(error.value)
    assert AccessKey.parse("k:s/+:123456789012") == AccessKey("k", "s/+", "123456789012")


class SortsDecoded(SigV4Auth):
    """Sorts as the Go SDK v1 does."""

    def canonical_query_string(self, request: Any) -> str:
        return str(request.url.partition("?")[2])


@pytest.mark.parametrize("signer", [SigV4Auth, SortsDecoded])
def test_values_of_a_repeated_parameter_may_be_sorted_encoded_or_decoded(signer: type[SigV4Auth]) -> None:
    path = "/tags/arn%3Aa?tagKeys=a%20b&tagKeys=%D0%BA"
    made = AWSRequest("DELETE", f"http://h{path}", {"Host": "h"})
    signing = signer(Credentials(KEY.key, KEY.secret), "cleanrooms-ml", "eu-west-1")
    signing.add_auth(made)
    Signatures(lambda _: KEY.secret).check("DELETE", path, dict(made.headers), b"")
    with pytest.raises(InvalidSignature):
        Signatures(lambda _: KEY.secret).check("DELETE", path + "&tagKeys=c", dict(made.headers), b"")


def test_what_a_client_leaves_unencoded_in_the_query_is_signed_encoded() -> None:
    """As curl does, and AWS's own suite (tests/others)."""
    made = AWSRequest("DELETE", "http://h/tags/arn%3Aa?tagKeys=a%3Ab%2Fc", {"Host": "h"})
    SigV4Auth(Credentials(KEY.key, KEY.secret), "cleanrooms-ml", "eu-west-1").add_auth(made)
    Signatures(lambda _: KEY.secret).check("DELETE", "/tags/arn%3Aa?tagKeys=a:b/c", dict(made.headers), b"")
