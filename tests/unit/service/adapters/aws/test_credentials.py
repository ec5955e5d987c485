"""A call that changes something is signed by a session of its command; everything else shares one."""

import asyncio
import time
from collections.abc import Callable, Mapping

import pytest

from service.adapters.aws import AwsApi, Clients, credentials
from service.runtime.ports import Cause, Failure, Reply
from tests.support import samples, wire
from tests.support.identities import ROLE, Aws, assumed, denied, joined
from tests.support.wire import Request, Server, answer, refusal

LIST = ("ListAudienceModels", {"maxResults": 1})
CREATE = ("CreateAudienceModel", samples.payload("CreateAudienceModel", full=False))
DELETE = ("DeleteAudienceModel", samples.payload("DeleteAudienceModel", full=False))
FIRST = Cause("01ARZ3NDEKTSV4RRFFQ69G5FAV", "order-1", "films")
SECOND = Cause("01BX5ZZKBKACTAV9WEVGEMMVRZ", "order-2")
MADE = answer(200, {"audienceModelArn": samples.arn("audience-model")})
LISTED = answer(200, {"audienceModels": []})


async def answering(request: Request, writer: asyncio.StreamWriter) -> None:
    await (MADE if request.method == "POST" else answer(200) if request.method == "DELETE" else LISTED)(request, writer)


@pytest.fixture
def aws() -> Aws:
    aws = Aws()
    aws.ml = answering
    return aws


async def perform(api: AwsApi, call: tuple[str, Mapping[str, object]], cause: Cause | None = None) -> Reply | Failure:
    return await api.call("default", *call, timeout=5, cause=cause)


async def succeeds(api: AwsApi, call: tuple[str, Mapping[str, object]], cause: Cause | None = None) -> None:
    outcome = await perform(api, call, cause)
    assert isinstance(outcome, Reply), outcome


async def test_the_end_of_the_session_that_calls_share_is_known(made: list[Clients], server: Server, aws: Aws) -> None:
    """Not before the first call; sessions of single commands come and go."""
    clients, api = joined(made, server, role_arn=ROLE)
    await succeeds(api, CREATE, FIRST)
    assert clients.expiries() == {}
    await succeeds(api, LIST)
    assert 600 < clients.expiries()["default"] - time.time() < 13 * 3600


async def test_lasting_credentials_have_no_end(made: list[Clients], server: Server, aws: Aws) -> None:
    clients, api = joined(made, server)
    await succeeds(api, LIST)
    assert clients.expiries() == {}


async def test_changes_are_signed_by_a_session_of_their_command_and_reads_share_one(
    made: list[Clients], server: Server, aws: Aws
) -> None:
    _, api = joined(made, server, role_arn=ROLE, external_id="ours", session_name="crml")
    await succeeds(api, LIST)
    await succeeds(api, CREATE, FIRST)
    await succeeds(api, DELETE, SECOND)
    await succeeds(api, LIST, SECOND)  # a command that only reads
    assert [aws.signed_by(call) for call in aws.calls] == [
        "crml",
        f"crml-{FIRST.marker}",
        f"crml-{SECOND.marker}",
        "crml",
    ]
    assert [assumption["ExternalId"] for assumption in aws.assumptions] == ["ours"] * 3
    assert all(f"crml/{FIRST.marker}" not in call.headers["user-agent"] for call in aws.calls[2:])
    assert aws.calls[1].headers["user-agent"].endswith(f" crml/{FIRST.marker}"), "as before"


async def test_a_repeat_of_a_command_has_its_session_already(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(made, server, role_arn=ROLE)
    aws.ml = refusal(429, "ThrottlingException")
    assert isinstance(await perform(api, CREATE, FIRST), Failure)
    aws.ml = answering
    await succeeds(api, CREATE, FIRST)
    assert len(aws.calls) == 2
    assert len(aws.assumptions) == 1


async def test_commands_at_the_same_time_keep_their_sessions_apart(
    made: list[Clients], server: Server, aws: Aws
) -> None:
    sessions, api = joined(made, server, role_arn=ROLE)
    causes = [Cause(f"{number:026}") for number in range(20)]
    await asyncio.gather(*(succeeds(api, CREATE, cause) for cause in causes), *(succeeds(api, LIST) for _ in range(20)))
    for call in aws.calls:
        marker = call.headers["user-agent"].rpartition(" crml/")[2] if call.method == "POST" else ""
        assert aws.signed_by(call) == "cleanroomsml-service" + (f"-{marker}" if marker else "")
    assert len(aws.assumptions) == 21
    assert await sessions.client("default") is await sessions.client("default")


async def test_a_long_name_gives_way_to_the_marker(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(made, server, role_arn=ROLE, session_name="n" * 64)
    await succeeds(api, LIST)
    await succeeds(api, CREATE, FIRST)
    assert [one["RoleSessionName"] for one in aws.assumptions] == ["n" * 64, "n" * 37 + f"-{FIRST.marker}"]
    assert len(aws.assumptions[1]["RoleSessionName"]) == 64


def _tags(assumption: dict[str, str]) -> dict[str, str]:
    keys = {name: text for name, text in assumption.items() if name.startswith("Tags.") and name.endswith(".Key")}
    return {key: assumption[name.removesuffix("Key") + "Value"] for name, key in keys.items()}


async def test_session_tags(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(
        made,
        server,
        role_arn=ROLE,
        session_tags={"team": "ads", "stage": "prod"},
        tenant_tag="tenant",
        command_tag="command",
        transitive_tags=("team", "tenant"),
    )
    await succeeds(api, LIST)
    await succeeds(api, CREATE, FIRST)
    await succeeds(api, CREATE, Cause(SECOND.marker, 'a\r\n"ü"/😀' + "x" * 300))
    shared, first, second = aws.assumptions
    fixed = {"team": "ads", "stage": "prod"}
    assert _tags(shared) == fixed
    assert _tags(first) == {**fixed, "tenant": "films", "command": "order-1"}
    assert _tags(second) == {**fixed, "tenant": "default", "command": "a___ü_/_" + "x" * 248}
    assert [shared.get(f"TransitiveTagKeys.member.{n}") for n in (1, 2)] == ["team", None]
    assert [first.get(f"TransitiveTagKeys.member.{n}") for n in (1, 2)] == ["team", "tenant"]


async def test_switched_off_commands_share_the_session_too(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(made, server, role_arn=ROLE, session_per_command=False)
    await succeeds(api, CREATE, FIRST)
    await succeeds(api, CREATE, SECOND)
    assert [aws.signed_by(call) for call in aws.calls] == ["cleanroomsml-service"] * 2


async def test_without_a_role_sts_is_not_asked(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(made, server)
    await succeeds(api, CREATE, FIRST)
    assert aws.assumptions == []
    assert "Credential=AKIDTEST/" in aws.calls[0].headers["authorization"]


DENIED = denied("AccessDenied", "not trusted")


@pytest.mark.parametrize("broken", [DENIED, wire.close, answer(503, b"")], ids=["denied", "closed", "unavailable"])
async def test_while_sts_is_down_nothing_is_changed_and_reads_go_on(
    made: list[Clients], server: Server, aws: Aws, broken: wire.Behaviour
) -> None:
    _, api = joined(made, server, role_arn=ROLE)
    await succeeds(api, LIST)
    await succeeds(api, CREATE, FIRST)
    aws.assume = broken
    outcome = await perform(api, CREATE, SECOND)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, outcome.http_status) == ("CredentialsUnavailable", False, 0)
    assert len(aws.calls) == 2
    await succeeds(api, LIST)
    await succeeds(api, CREATE, FIRST)  # its session is still good
    aws.assume = None
    await succeeds(api, CREATE, SECOND)


def delayed(seconds: float) -> wire.Behaviour:
    async def behave(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await assumed("ASIA1")(request, writer)

    return behave


async def test_a_slow_sts_closes_the_call_window_and_the_renewed_intent_finds_the_session_ready(
    made: list[Clients], server: Server, aws: Aws
) -> None:
    """Law 1: the window is asked after the credentials, right before the request is written."""
    _, api = joined(made, server, role_arn=ROLE)
    aws.assume = delayed(0.4)

    def window(seconds: float) -> Callable[[], bool]:
        until = asyncio.get_running_loop().time() + seconds
        return lambda: asyncio.get_running_loop().time() < until

    late = await api.call("default", *CREATE, timeout=5, may_send=window(0.2), cause=FIRST)
    assert isinstance(late, Failure)
    assert (late.code, late.sent, aws.calls) == ("CallWindowClosed", False, [])
    renewed = await api.call("default", *CREATE, timeout=5, may_send=window(0.2), cause=FIRST)
    assert isinstance(renewed, Reply)
    assert (len(aws.assumptions), len(aws.calls)) == (1, 1)


async def test_a_hanging_sts_at_the_deadline_has_sent_nothing(made: list[Clients], server: Server, aws: Aws) -> None:
    _, api = joined(made, server, role_arn=ROLE)
    aws.assume = wire.hang
    outcome = await api.call("default", *CREATE, timeout=0.3, cause=FIRST)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent, aws.calls) == ("CredentialsUnavailable", False, [])


@pytest.mark.parametrize("code", ["ExpiredTokenException", "UnrecognizedClientException"])
async def test_refused_keys_are_replaced_at_the_next_call(
    made: list[Clients], server: Server, aws: Aws, code: str
) -> None:
    """A role that was made anew knows none of its old sessions, however long they were promised to live."""
    _, api = joined(made, server, role_arn=ROLE)
    for call, cause in ((LIST, None), (CREATE, FIRST)):
        await succeeds(api, call, cause)
        before = len(aws.assumptions)
        aws.ml = refusal(403, code)
        outcome = await perform(api, call, cause)
        assert isinstance(outcome, Failure)
        aws.ml = answering
        await succeeds(api, call, cause)
        assert len(aws.assumptions) == before + 1


async def test_the_oldest_sessions_are_forgotten(
    made: list[Clients], server: Server, aws: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "_KEPT", 2)
    _, api = joined(made, server, role_arn=ROLE)
    third = Cause("01C" + "0" * 23)
    for cause in (FIRST, SECOND, FIRST, third, FIRST, SECOND):
        await succeeds(api, CREATE, cause)
    asked = [one["RoleSessionName"].rpartition("-")[2] for one in aws.assumptions]
    assert asked == [FIRST.marker, SECOND.marker, third.marker, SECOND.marker], "used least, forgotten first"


async def test_one_client_of_sts_serves_all_sessions(made: list[Clients], server: Server, aws: Aws) -> None:
    sessions, api = joined(made, server, role_arn=ROLE, session_per_command=True)
    for number in range(5):
        await succeeds(api, CREATE, Cause(f"{number:026}"))
    assert server.connections == 2, "one to STS and one to Clean Rooms ML"
    await sessions.close()
    closed = await perform(api, CREATE, SECOND)
    assert isinstance(closed, Failure)
    assert not closed.sent
