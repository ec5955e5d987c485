"""The ways in of a pod: web identity (IRSA), Pod Identity, and a role assumed from either; tokens that rotate."""

import asyncio
import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.adapters.aws import AwsApi, Clients
from service.operator.diagnostics import credential_sources
from service.operator.diagnostics.aws_target import probe
from service.runtime.ports import Failure, Reply
from tests.support import wire
from tests.support.identities import ROLE, Aws, assumed, denied, joined
from tests.support.wire import Server, answer

LIST = ("ListAudienceModels", {"maxResults": 1})
POD_ROLE = "arn:aws:iam::111122223333:role/pod"


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No keys in the environment, and no region but the target's."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.fixture
def irsa(bare: pytest.MonkeyPatch, server: Server, tmp_path: Path) -> Path:
    """A pod whose service account has a role; the token's file."""
    file = tmp_path / "token"
    file.write_text("first")
    bare.setenv("AWS_ROLE_ARN", POD_ROLE)
    bare.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(file))
    bare.setenv("AWS_ENDPOINT_URL_STS", server.url)
    return file


@pytest.fixture
def pod_identity(bare: pytest.MonkeyPatch, server: Server, tmp_path: Path) -> Path:
    """A pod with a Pod Identity association; the token's file."""
    file = tmp_path / "eks-pod-identity-token"
    file.write_text("first")
    bare.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/v1/credentials")
    bare.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", str(file))
    return file


@pytest.fixture(params=["irsa", "pod_identity"])
def token(request: pytest.FixtureRequest) -> Path:
    """The token's file of a pod that has come in one way or the other."""
    file: Path = request.getfixturevalue(request.param)
    return file


def put(file: Path, text: str) -> None:
    file.write_text(text)


def remove(file: Path) -> None:
    file.unlink()


async def lists(api: AwsApi) -> None:
    outcome = await api.call("default", *LIST, timeout=8)
    assert isinstance(outcome, Reply), outcome


async def sends_nothing(api: AwsApi) -> Failure:
    outcome = await api.call("default", *LIST, timeout=8)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("CredentialsUnavailable", False)
    return outcome


def own(aws: Aws) -> list[str]:
    """The keys of the calls, without the name of the way: ASIAWEB1 and ASIAPOD1 are 1."""
    return [key[len("ASIAWEB") :] for key in aws.signers()]


async def test_the_token_is_shown_once_for_many_calls(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    _, api = joined(made, server)
    for _ in range(3):
        await lists(api)
    assert aws.tokens == ["first"]
    assert own(aws) == ["1", "1", "1"]


async def test_the_token_file_is_read_again_before_the_credentials_expire(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    """Credentials with five minutes left have to be renewed; the kubelet has put another token there meanwhile."""
    aws.lifetime = 300
    _, api = joined(made, server)
    await lists(api)
    put(token, "second")
    aws.good_token, aws.lifetime = "second", 3600
    await lists(api)
    await lists(api)
    assert aws.tokens[-1] == "second"
    assert own(aws)[1] == own(aws)[2] == str(len(aws.tokens))


async def test_a_renewal_that_fails_in_time_keeps_the_credentials(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    """With 14 minutes left it is tried, and nothing depends on it."""
    aws.lifetime = 14 * 60
    _, api = joined(made, server)
    await lists(api)
    aws.good_token = "another"
    await lists(api)
    assert len(set(own(aws))) == 1
    assert len(aws.tokens) > 1


async def test_a_source_that_hangs_closes_no_call_window_while_the_keys_are_good(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    """Each call would try to renew them, and waiting for it would take longer than the window."""
    aws.lifetime = 14 * 60
    _, api = joined(made, server)
    await lists(api)
    aws.hung = True
    began = time.monotonic()
    for _ in range(3):
        outcome = await api.call("default", *LIST, timeout=8, may_send=lambda: time.monotonic() - began < 1.5)
        assert isinstance(outcome, Reply), outcome
    assert time.monotonic() - began < 1.5


async def test_an_urgent_renewal_that_hangs_sends_nothing_and_ends_with_the_sessions(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    aws.lifetime = 300
    sessions, api = joined(made, server)
    await lists(api)
    aws.hung = True
    outcome = await api.call("default", *LIST, timeout=1)
    assert isinstance(outcome, Failure)
    assert (outcome.code, outcome.sent) == ("CredentialsUnavailable", False)
    await sessions.close()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("credentials:")]


async def test_an_expired_token_sends_nothing_until_it_is_renewed(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    """As after a node's pause, or when the token's volume was not renewed (botocore#3117)."""
    aws.good_token = "second"
    _, api = joined(made, server)
    assert "expired" in (await sends_nothing(api)).message
    assert aws.calls == []
    put(token, "second")
    await lists(api)


async def test_a_token_file_that_is_missing_or_malformed_refuses_no_command(
    made: list[Clients], server: Server, aws: Aws, token: Path
) -> None:
    _, api = joined(made, server)
    remove(token)
    await sends_nothing(api)
    put(token, "first\r\n")
    outcome = await api.call("default", *LIST, timeout=8)
    assert isinstance(outcome, Reply) or outcome.code == "CredentialsUnavailable", outcome
    put(token, "first")
    await lists(api)


@pytest.mark.parametrize("behaviour", [answer(200, {"Code": "Success"}), answer(200, b"<html>"), wire.close])
async def test_an_agent_that_talks_nonsense_refuses_no_command(
    made: list[Clients], server: Server, aws: Aws, pod_identity: Path, behaviour: wire.Behaviour
) -> None:
    """The command waits: it is not to blame."""
    aws.agent = behaviour
    _, api = joined(made, server)
    await sends_nothing(api)
    aws.agent = None
    await lists(api)


async def test_a_role_is_assumed_from_the_pods_own(made: list[Clients], server: Server, aws: Aws, token: Path) -> None:
    _, api = joined(made, server, role_arn=ROLE, external_id="ours")
    await lists(api)
    [assumption] = aws.assumptions
    assert (assumption["RoleArn"], assumption["ExternalId"]) == (ROLE, "ours")
    assert aws.signatures[0] in {"ASIAWEB1", "ASIAPOD1"}
    assert aws.signers() == ["ASIA1"]


async def test_the_whole_chain_is_renewed(made: list[Clients], server: Server, aws: Aws, token: Path) -> None:
    """The pod's own credentials run out too, under the one client of STS that was made with them."""
    aws.lifetime = 300
    sessions, api = joined(made, server, role_arn=ROLE)
    await lists(api)
    put(token, "second")
    aws.good_token, aws.lifetime = "second", 3600
    sessions.access("default").invalidate(None)
    await lists(api)
    assert len(aws.assumptions) == 2
    assert aws.signatures[1].endswith(str(len(aws.tokens)))
    assert aws.tokens[-1] == "second"


async def test_a_profiles_role_lies_between(
    made: list[Clients], server: Server, aws: Aws, pod_identity: Path, bare: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pod Identity, then a profile's role, then the target's: botocore does the first step of the chain."""
    hub = "arn:aws:iam::999900001111:role/hub"
    config = tmp_path / "config"
    config.write_text(f"[default]\nrole_arn = {hub}\ncredential_source = EcsContainer\n")
    bare.setenv("AWS_CONFIG_FILE", str(config))
    bare.setenv("AWS_ENDPOINT_URL_STS", server.url)
    _, api = joined(made, server, role_arn=ROLE)
    await lists(api)
    assert [one["RoleArn"] for one in aws.assumptions] == [hub, ROLE]
    assert aws.signatures == ["ASIAPOD1", "ASIA1"]
    assert aws.signers() == ["ASIA2"]


# --- what the check says ----------------------------------------------------------------------------------------------


def web_token(**claims: Any) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJSUzI1NiJ9.{body}.canary-signature"


async def told(made: list[Clients], server: Server, **more: Any) -> list[tuple[bool, str]]:
    sessions, api = joined(made, server, **more)
    return [(finding.ok, finding.message) for finding in await probe(sessions, api, "default", 8)]


async def test_the_check_names_the_way_in(made: list[Clients], server: Server, irsa: Path) -> None:
    findings = await told(made, server, role_arn=ROLE)
    assert [ok for ok, _ in findings] == [True] * 4
    assert findings[0][1] == f"web identity (IRSA): role {POD_ROLE}, token {irsa}, shown to {server.url}"
    assert "such as cleanroomsml-service-CHECK000" in findings[2][1]


async def test_the_check_names_pod_identity(made: list[Clients], server: Server, pod_identity: Path) -> None:
    [(ok, message), *_] = await told(made, server)
    assert ok
    assert message == f"EKS Pod Identity: {server.url}/v1/credentials, token {pod_identity}"


async def test_the_check_tells_of_an_expired_token(made: list[Clients], server: Server, aws: Aws, irsa: Path) -> None:
    put(irsa, web_token(exp=1_700_000_000, aud=["sts.amazonaws.com"], sub="system:serviceaccount:ml:crml"))
    aws.good_token = "another"
    [(ok, message)] = await told(made, server)
    assert not ok
    assert f"the token in {irsa} expired at 2023-11-14T22:13:20Z" in message
    assert "is it projected into the pod" in message
    assert "canary" not in message


async def test_the_check_tells_of_an_agent_that_does_not_answer(
    made: list[Clients], server: Server, aws: Aws, pod_identity: Path
) -> None:
    aws.good_token = "another"
    [(ok, message)] = await told(made, server)
    assert not ok
    assert "Pod Identity association" in message


async def test_the_check_tells_what_a_trust_policy_lacks(
    made: list[Clients], server: Server, aws: Aws, irsa: Path
) -> None:
    aws.assume = denied("AccessDenied", "not authorized")
    more = {"external_id": "canary-id", "session_tags": {"a": "b"}, "source_identity": "crml"}
    findings = await told(made, server, role_arn=ROLE, **more)
    ok, message = findings[1]
    assert not ok
    assert (
        f"the trust policy of {ROLE} must allow sts:AssumeRole and sts:TagSession and sts:SetSourceIdentity" in message
    )
    assert "with the external id that is set" in message
    assert "canary" not in message


async def test_the_check_tells_when_commands_get_no_sessions(
    made: list[Clients], server: Server, aws: Aws, irsa: Path
) -> None:
    """A trust policy that demands the one session name of before."""
    shared = "cleanroomsml-service"

    async def strict(request: wire.Request, writer: Any) -> None:
        good = aws.assumptions[-1]["RoleSessionName"] == shared
        await (assumed_by_default(aws) if good else denied("AccessDenied"))(request, writer)

    aws.assume = strict
    findings = await told(made, server, role_arn=ROLE)
    assert [ok for ok, _ in findings] == [True, True, False, True]
    assert "set session_per_command to false" in findings[2][1]


def assumed_by_default(aws: Aws) -> wire.Behaviour:
    return assumed(f"ASIA{len(aws.assumptions)}")


NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = web_token(exp=(NOW + timedelta(hours=1)).timestamp(), aud=["sts.amazonaws.com"])


def holding(content: str | bytes | None) -> Callable[[Path], str]:
    def at(folder: Path) -> str:
        file = folder / "token"
        if content is not None:
            file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(file)

    return at


@pytest.mark.parametrize(
    ("environ", "token", "expected"),
    [
        ({}, None, []),
        ({"AWS_ROLE_ARN": "r"}, holding(GOOD), []),
        ({}, holding(GOOD), ["AWS_ROLE_ARN is missing"]),
        ({"AWS_ROLE_ARN": "r"}, holding(None), ["can't be read (FileNotFoundError)"]),
        ({"AWS_ROLE_ARN": "r"}, holding(b"\xff"), ["can't be read (UnicodeDecodeError)"]),
        ({"AWS_ROLE_ARN": "r"}, holding(" "), ["is empty"]),
        ({"AWS_ROLE_ARN": "r"}, holding(GOOD + "\n"), ["ends with white space"]),
        ({"AWS_ROLE_ARN": "r"}, holding("opaque"), []),
        ({"AWS_ROLE_ARN": "r"}, holding(web_token(exp=NOW.timestamp() - 1)), ["expired at 2025-12-31T23:59:59Z"]),
        ({"AWS_ROLE_ARN": "r"}, holding(web_token(aud="kubernetes")), ["is meant for kubernetes, expected sts"]),
        ({"AWS_ACCESS_KEY_ID": "k"}, None, ["go together"]),
        (
            {"AWS_ROLE_ARN": "r", "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
            holding(GOOD),
            ["goes before the pod's own identity"],
        ),
        ({"AWS_ROLE_ARN": "r", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "u"}, holding(GOOD), ["(Pod Identity): keep one"]),
    ],
)
def test_what_is_wrong_with_the_environment(
    environ: dict[str, str], token: Callable[[Path], str] | None, expected: list[str], tmp_path: Path
) -> None:
    if token is not None:
        environ = {**environ, "AWS_WEB_IDENTITY_TOKEN_FILE": token(tmp_path)}
    found = list(credential_sources.problems(environ, NOW))
    assert len(found) == len(expected), found
    for message, words in zip(found, expected, strict=True):
        assert words in message
