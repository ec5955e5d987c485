"""The check of a target says which way led in, and what to mend if none did."""

from typing import Any

import pytest
from botocore import exceptions

from service.adapters.aws import Sessions, probe, remedies
from service.settings import Target
from tests.adapters import wire
from tests.adapters.identities import Aws, joined
from tests.adapters.wire import Behaviour, Server, answer, refusal


async def test_probe_finds_all_well(made: list[Sessions], server: Server) -> None:
    sessions, api = joined(made, server, account="111122223333")
    findings = await probe(sessions, api, "default")
    assert [finding.ok for finding in findings] == [True, True, True]
    assert "keys in the environment" in findings[0].message
    assert "111122223333" in findings[1].message


async def test_probe_finds_the_wrong_account(made: list[Sessions], server: Server) -> None:
    sessions, api = joined(made, server, account="999999999999")
    finding = (await probe(sessions, api, "default"))[1]
    assert not finding.ok
    assert "found account 111122223333, expected 999999999999" in finding.message


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        (refusal(403, "AccessDeniedException"), "cleanrooms-ml:ListAudienceModels"),
        (answer(200, b"<html>"), "endpoint_url"),
        (wire.hang, "network"),
    ],
)
async def test_probe_says_what_to_mend(
    made: list[Sessions], server: Server, aws: Aws, behaviour: Behaviour, told: str
) -> None:
    aws.ml = behaviour
    sessions, api = joined(made, server)
    finding = (await probe(sessions, api, "default", 1.0))[2]
    assert not finding.ok
    assert told in finding.message


@pytest.mark.parametrize("behaviour", [wire.hang, wire.garbage, answer(500, b"oops"), refusal(403, "AccessDenied")])
async def test_probe_survives_a_broken_sts(
    made: list[Sessions], server: Server, aws: Aws, behaviour: Behaviour
) -> None:
    aws.identity = behaviour
    sessions, api = joined(made, server)
    finding = (await probe(sessions, api, "default", 0.5))[1]
    assert not finding.ok
    assert "STS" in finding.message


@pytest.mark.parametrize("deadline", [1.0, 15.0], ids=["amid STS's attempts", "after them"])
async def test_probe_without_an_endpoint(made: list[Sessions], server: Server, deadline: float) -> None:
    sessions, api = joined(made, server, endpoint_url="http://127.0.0.1:9")
    findings = await probe(sessions, api, "default", deadline)
    assert [finding.ok for finding in findings] == [True, False, False]
    assert "network to STS" in findings[1].message
    assert "ConnectFailed" in findings[2].message


def _nothing_reached() -> list[BaseException]:
    said: dict[str, Any] = {"endpoint_url": "x", "proxy_url": "x", "error": "x"}
    return [
        TimeoutError(),
        exceptions.EndpointConnectionError(**said),
        exceptions.ConnectTimeoutError(**said),
        exceptions.ReadTimeoutError(**said),
        exceptions.ConnectionClosedError(**said),
        exceptions.ProxyConnectionError(**said),
        exceptions.SSLError(**said),
        exceptions.HTTPClientError(**said),
    ]


@pytest.mark.parametrize("error", _nothing_reached(), ids=lambda error: type(error).__name__)
def test_nothing_reached_is_a_matter_of_the_network(error: BaseException) -> None:
    assert "network to STS" in remedies.of_credentials(error, Target(region="us-east-1"), {})
