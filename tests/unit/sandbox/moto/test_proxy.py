"""S3, Glue and STS through the same port."""

import hashlib
import http.client
from collections.abc import Iterator
from urllib.parse import urlsplit

import aiobotocore.session
import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.sandbox_account import World

FORM = "application/x-www-form-urlencoded"
BODY = bytes(range(256)) * 4096  # 1 MiB


def test_objects_pass_byte_for_byte(world: World) -> None:
    s3, bucket = world.client("s3"), world.bucket()
    key = "a b/ü+%2F//x.bin"
    s3.put_object(Bucket=bucket, Key=key, Body=BODY, ContentEncoding="gzip", Metadata={"who": "me"})
    got = s3.get_object(Bucket=bucket, Key=key)
    assert hashlib.sha256(got["Body"].read()).digest() == hashlib.sha256(BODY).digest()
    assert got["Metadata"] == {"who": "me"}
    head = s3.head_object(Bucket=bucket, Key=key)
    assert (head["ContentLength"], head["ContentEncoding"]) == (len(BODY), "gzip")
    part = s3.get_object(Bucket=bucket, Key=key, Range="bytes=10-19")
    assert part["Body"].read() == BODY[10:20]
    assert [each["Key"] for each in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=bucket, Key=key)


def test_uploads_of_unknown_length(world: World) -> None:
    s3, bucket = world.client("s3"), world.bucket()
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "stream"})
    assert send("PUT", url, iter([BODY, BODY, b"end"]))[0] == 200
    assert s3.head_object(Bucket=bucket, Key="stream")["ContentLength"] == 2 * len(BODY) + 3


def test_aws_chunked_uploads(world: World) -> None:
    """An unsigned-payload upload with a trailing checksum, as SDKs send it: Content-Encoding aws-chunked."""
    s3, bucket = world.client("s3"), world.bucket()
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "chunked"})
    body = b"5\r\nhello\r\n6\r\n world\r\n0\r\nx-amz-checksum-crc32:DUoRhQ==\r\n\r\n"
    headers = {
        "Content-Encoding": "aws-chunked",
        "x-amz-decoded-content-length": "11",
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-trailer": "x-amz-checksum-crc32",
    }
    assert send("PUT", url, body, headers)[0] == 200
    assert s3.get_object(Bucket=bucket, Key="chunked")["Body"].read() == b"hello world"


def test_presigned_and_unsigned_requests(world: World) -> None:
    s3, bucket = world.client("s3"), world.bucket()
    params = {"Bucket": bucket, "Key": "k"}
    assert send("PUT", s3.generate_presigned_url("put_object", Params=params), b"hello")[0] == 200
    assert send("GET", s3.generate_presigned_url("get_object", Params=params)) == (200, b"hello")
    s3.put_object_acl(**params, ACL="public-read")
    assert send("GET", f"{world.url}/{bucket}/k") == (200, b"hello")


def test_virtual_host_style(world: World) -> None:
    s3, bucket = world.client("s3"), world.bucket()
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ACL="public-read")
    host = {"Host": f"{bucket}.localhost:{urlsplit(world.url).port}"}
    assert send("GET", f"{world.url}/k", None, host) == (200, b"hello")


def send(
    method: str, url: str, body: bytes | Iterator[bytes] | None = None, headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=5)
    connection.request(method, f"{parts.path}?{parts.query}", body, headers or {})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, content


def test_glue(world: World) -> None:
    glue = world.client("glue")
    glue.create_database(DatabaseInput={"Name": "films"})
    columns = [{"Name": "user_id", "Type": "string"}]
    table = {"Name": "ratings", "StorageDescriptor": {"Columns": columns, "Location": "s3://b/ratings/"}}
    glue.create_table(DatabaseName="films", TableInput=table)
    got = glue.get_table(DatabaseName="films", Name="ratings")["Table"]
    assert got["StorageDescriptor"]["Columns"] == columns


def test_glue_keeps_names_in_lower_case(world: World) -> None:
    glue = world.client("glue")
    glue.create_database(DatabaseInput={"Name": "FilmsÄ"})
    columns = [{"Name": "User_Id", "Type": "string"}]
    descriptor = {"Columns": columns, "Location": "s3://B/Ratings/", "SerdeInfo": {"Name": "CSV"}}
    keys = [{"Name": "Day", "Type": "int"}]
    glue.create_table(
        DatabaseName="FILMSÄ", TableInput={"Name": "Ratings", "StorageDescriptor": descriptor, "PartitionKeys": keys}
    )
    part = {"Values": ["X"], "StorageDescriptor": descriptor}
    glue.create_partition(DatabaseName="filmsÄ", TableName="RATINGS", PartitionInput=part)
    assert [each["Name"] for each in glue.get_databases()["DatabaseList"]] == ["filmsä"]
    got = glue.get_table(DatabaseName="Filmsä", Name="rAtings")["Table"]
    assert (got["DatabaseName"], got["Name"]) == ("filmsä", "ratings")
    stored = got["StorageDescriptor"]
    assert (stored["Location"], stored["SerdeInfo"]["Name"], stored["Columns"]) == ("s3://B/Ratings/", "CSV", columns)
    assert glue.get_partitions(DatabaseName="filmsä", TableName="Ratings")["Partitions"][0]["Values"] == ["X"]
    with pytest.raises(glue.exceptions.AlreadyExistsException):
        glue.create_table(DatabaseName="filmsä", TableInput={"Name": "RATINGS", "StorageDescriptor": descriptor})
    glue.batch_delete_table(DatabaseName="filmsä", TablesToDelete=["RATINGS"])
    assert glue.get_tables(DatabaseName="FILMSä")["TableList"] == []
    glue.delete_database(Name="FILMSä")


def scoped(world: World, service: str, **headers: str) -> dict[str, str]:
    credential = f"Credential={world.account}/20261127/eu-west-1/{service}/aws4_request"
    return {"Authorization": f"AWS4-HMAC-SHA256 {credential}, SignedHeaders=host, Signature=0", **headers}


@pytest.mark.parametrize(
    ("service", "method", "path", "body", "headers", "code"),
    [
        ("glue", "POST", "/", b"", {"X-Amz-Target": "AWSGlue.CreateDatabase"}, b"InvalidInputException"),
        ("glue", "POST", "/", b'{"Name": []}', {"X-Amz-Target": "AWSGlue.GetDatabase"}, b"SerializationException"),
        ("glue", "POST", "/", b"{}", {"X-Amz-Target": "AWSGlue.Nope"}, b"UnknownOperationException"),
        ("glue", "POST", "/", b"{}", {}, b"UnknownOperationException"),
        ("s3", "PUT", "/deep", b"<a>" * 5_000, {}, b"<Code>InvalidRequest</Code>"),
        ("sts", "POST", "/", b"Action=Nope&Version=2011-06-15", {"Content-Type": FORM}, b"<Code>InvalidAction</Code>"),
    ],
)
def test_what_is_wrong_is_400_in_the_services_words(
    world: World, service: str, method: str, path: str, body: bytes, headers: dict[str, str], code: bytes
) -> None:
    status, answer = send(method, f"{world.url}{path}", body, scoped(world, service, **headers))
    assert (status, code in answer, b"Traceback" in answer or b"<html" in answer) == (400, True, False), answer


def test_accounts_are_apart(world: World) -> None:
    world.client("glue").create_database(DatabaseInput={"Name": "mine"})
    other = World(world.url, "999988887777")
    assert other.client("glue").get_databases()["DatabaseList"] == []
    assert other.client("sts").get_caller_identity()["Account"] == "999988887777"
    other.close()


def test_an_assumed_role_acts_in_its_own_account(world: World) -> None:
    role = world.role.replace(world.account, "444455556666")
    keys = world.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    credentials = {
        "aws_access_key_id": keys["AccessKeyId"],
        "aws_secret_access_key": keys["SecretAccessKey"],
        "aws_session_token": keys["SessionToken"],
    }
    ml = world.client("cleanroomsml", **credentials)
    ml.list_training_datasets()
    entries = world.admin("GET", "requests?operation=ListTrainingDatasets")["requests"]
    assert (entries[-1]["account"], entries[-1]["session"]) == ("444455556666", "session")
    identity = world.client("sts", **credentials).get_caller_identity()
    assert identity["Arn"] == "arn:aws:sts::444455556666:assumed-role/sandbox/session"


def test_a_session_token_stays_in_the_account(world: World) -> None:
    key = world.client("sts").get_session_token()["Credentials"]["AccessKeyId"]
    own = world.client("sts", aws_access_key_id=key, aws_secret_access_key="x")
    assert own.get_caller_identity()["Account"] == world.account


def test_one_environment_variable_is_enough(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", world.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    session = boto3.Session(region_name="eu-west-1")
    assert session.client("sts").get_caller_identity()["Account"] == "123456789012"
    assert session.client("s3").list_buckets()["Buckets"] == []
    assert "trainingDatasets" in session.client("cleanroomsml").list_training_datasets()


async def test_aiobotocore(world: World) -> None:
    async with aiobotocore.session.get_session().create_client(
        "s3",
        endpoint_url=world.url,
        region_name=world.region,
        aws_access_key_id=world.account,
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}),
    ) as s3:
        bucket = world.bucket()
        await s3.put_object(Bucket=bucket, Key="k", Body=BODY)
        got = await s3.get_object(Bucket=bucket, Key="k")
        assert await got["Body"].read() == BODY
