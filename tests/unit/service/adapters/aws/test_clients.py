"""Targets: roles to assume, and one client each."""

import asyncio

import pytest

from service.adapters.aws import Clients
from service.adapters.aws.clients import partition_of
from service.runtime.ports import Cause, Failure, Reply
from tests.support import wire
from tests.support.identities import ROLE, SECRETS, Aws, assumed, denied, joined
from tests.support.wire import Server

LIST = ("ListAudienceModels", {"maxResults": 1})


async def test_the_role_is_assumed_once_for_many_calls(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(made, server, role_arn=ROLE, external_id="ours", session_name="crml", session_duration=1800)
    outcomes = await asyncio.gather(*(api.call("default", *LIST, timeout=5) for _ in range(10)))
    assert all(isinstance(outcome, Reply) for outcome in outcomes)
    [assumption] = aws.assumptions
    assert assumption["RoleArn"] == ROLE
    assert assumption["ExternalId"] == "ours"
    assert assumption["RoleSessionName"] == "crml"
    assert assumption["DurationSeconds"] == "1800"
    calls = [request for request in server.requests if request.method == "GET"]
    assert {"Credential=ASIA1/" in request.headers["authorization"] for request in calls} == {True}
    assert {request.headers["x-amz-security-token"] for request in calls} == {SECRETS["session"]}


async def test_the_source_identity_is_told_once_and_each_command_in_the_user_agent(
    made: list[Clients], server: Server, aws: Aws
) -> None:
    """CloudTrail keeps both; reads share one session."""
    _, api = joined(made, server, role_arn=ROLE, source_identity="crml")
    for cause in (Cause("01ARZ3NDEKTSV4RRFFQ69G5FAV"), Cause("01BX5ZZKBKACTAV9WEVGEMMVRZ"), None):
        assert isinstance(await api.call("default", *LIST, timeout=5, cause=cause), Reply)
    [assumption] = aws.assumptions
    assert assumption["SourceIdentity"] == "crml"
    assert "ExternalId" not in assumption
    calls = [request.headers for request in server.requests if request.method == "GET"]
    agents = [headers["user-agent"] for headers in calls]
    assert agents[0].endswith(" crml/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert agents[1].endswith(" crml/01BX5ZZKBKACTAV9WEVGEMMVRZ")
    assert "crml/" not in agents[2]
    assert not any("user-agent" in headers["authorization"] for headers in calls), "or the signature would be wrong"


@pytest.mark.parametrize(
    ("region", "partition"),
    [("eu-west-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("zz-moon-1", "")],
)
def test_partitions(region: str, partition: str) -> None:
    assert partition_of(region) == partition


async def test_an_expired_role_is_assumed_again(made: list[Clients], server: Server, aws: Aws) -> None:
    aws.assume = assumed("ASIAOLD", lifetime=120)
    _, api = joined(made, server, role_arn=ROLE)
    await api.call("default", *LIST, timeout=5)
    aws.assume = assumed("ASIANEW")
    await api.call("default", *LIST, timeout=5)
    assert len(aws.assumptions) == 2
    assert "Credential=ASIANEW" in server.requests[-1].headers["authorization"]


async def test_a_role_that_cannot_be_assumed_sends_nothing(made: list[Clients], server: Server, aws: Aws) -> None:
    aws.assume = denied("AccessDenied", "not trusted")
    _, api = joined(made, server, role_arn=ROLE)
    outcome = await api.call("default", *LIST, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, outcome.http_status) == ("CredentialsUnavailable", False, 0)
    assert "not trusted" in outcome.message
    aws.assume = None
    assert isinstance(await api.call("default", *LIST, timeout=5), Reply)


async def test_keys_that_come_expired_are_a_matter_of_credentials(
    made: list[Clients], server: Server, aws: Aws
) -> None:
    """A clock of ours that is days ahead sees every session as expired; the call waits until it is right again."""
    aws.assume = assumed("ASIAOLD", lifetime=-3600.0)
    _, api = joined(made, server, role_arn=ROLE)
    outcome = await api.call("default", *LIST, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("CredentialsUnavailable", False)
    assert {request.path for request in server.requests} == {"/"}, "only STS was asked"


async def test_sts_hanging_at_the_deadline_sends_nothing(made: list[Clients], server: Server, aws: Aws) -> None:
    aws.assume = wire.hang
    _, api = joined(made, server, role_arn=ROLE)
    outcome = await api.call("default", *LIST, timeout=0.5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("CredentialsUnavailable", False)
    aws.assume = None
    assert isinstance(await api.call("default", *LIST, timeout=5), Reply)


async def test_without_credentials_nothing_is_sent_until_there_are_some(
    made: list[Clients], server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    _, api = joined(made, server)
    outcome = await api.call("default", *LIST, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, server.requests) == ("CredentialsUnavailable", False, [])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDLATE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    assert isinstance(await api.call("default", *LIST, timeout=5), Reply)


async def test_one_client_per_target_and_a_new_one_for_a_broken_one(made: list[Clients], server: Server) -> None:
    sessions, api = joined(made, server)
    first, second = await asyncio.gather(sessions.client("default"), sessions.client("default"))
    assert first is second
    await first.close()
    outcome = await api.call("default", *LIST, timeout=5)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("ConnectFailed", False)
    assert isinstance(await api.call("default", *LIST, timeout=5), Reply)


async def test_a_proxy_is_used(made: list[Clients], server: Server) -> None:
    _, api = joined(made, server, endpoint_url="http://127.0.0.1:9", proxy=server.url)
    assert isinstance(await api.call("default", *LIST, timeout=5), Reply)
    assert server.requests[0].path.startswith("http://127.0.0.1:9/audience-model")
