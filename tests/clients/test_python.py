"""boto3 and aiobotocore go through all 25 operations."""

from tests.clients.harness import check, stage
from tests.clients.players import play_aiobotocore, play_boto3


async def test_boto3(served_url: str) -> None:
    given = stage("boto3", served_url)
    check(given, await play_boto3(given))


async def test_aiobotocore(served_url: str) -> None:
    given = stage("aiobotocore", served_url)
    check(given, await play_aiobotocore(given))
