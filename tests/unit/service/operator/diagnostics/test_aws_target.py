"""The check of a target says which way led in, and what to mend if none did."""

import time
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from service.adapters.aws import Clients
from service.operator.diagnostics.aws_target import probe
from tests.support import wire
from tests.support.identities import Aws, joined
from tests.support.wire import Behaviour, Server, answer, refusal


async def test_probe_finds_all_well(made: list[Clients], server: Server) -> None:
    sessions, api = joined(made, server, account="111122223333")
    findings = await probe(sessions, api, "default")
    assert [finding.ok for finding in findings] == [True, True, True]
    assert "keys in the environment" in findings[0].message
    assert "111122223333" in findings[1].message


async def test_probe_finds_the_wrong_account(made: list[Clients], server: Server) -> None:
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
    made: list[Clients], server: Server, aws: Aws, behaviour: Behaviour, told: str
) -> None:
    aws.ml = behaviour
    sessions, api = joined(made, server)
    finding = (await probe(sessions, api, "default", 1.0))[2]
    assert not finding.ok
    assert told in finding.message


@pytest.mark.parametrize("behaviour", [wire.hang, wire.garbage, answer(500, b"oops"), refusal(403, "AccessDenied")])
async def test_probe_survives_a_broken_sts(made: list[Clients], server: Server, aws: Aws, behaviour: Behaviour) -> None:
    aws.identity = behaviour
    sessions, api = joined(made, server)
    finding = (await probe(sessions, api, "default", 0.5))[1]
    assert not finding.ok
    assert "STS" in finding.message


@pytest.mark.parametrize("deadline", [1.0, 15.0], ids=["amid STS's attempts", "after them"])
async def test_probe_without_an_endpoint(made: list[Clients], server: Server, deadline: float) -> None:
    sessions, api = joined(made, server, endpoint_url="http://127.0.0.1:9")
    findings = await probe(sessions, api, "default", deadline)
    assert [finding.ok for finding in findings] == [True, False, False]
    assert "network to STS" in findings[1].message
    assert "ConnectFailed" in findings[2].message


def _dated(skew: float) -> Behaviour:
    """An answer by a clock that is behind ours by so many seconds."""
    moment = format_datetime(datetime.fromtimestamp(time.time() - skew, UTC), usegmt=True)
    return answer(200, {"audienceModels": []}, Date=moment)


@pytest.mark.parametrize(
    ("skew", "ok", "told"), [(0, True, "agrees"), (90, False, "90 s ahead of"), (-100, False, "100 s behind")]
)
async def test_probe_measures_the_clock(
    made: list[Clients], server: Server, aws: Aws, skew: float, ok: bool, told: str
) -> None:
    aws.ml = _dated(skew)
    sessions, api = joined(made, server)
    finding = (await probe(sessions, api, "default"))[-1]
    assert (finding.subject, finding.ok) == ("target default: clock", ok)
    measured = api.skews()["default"]
    assert skew - 1 < measured < skew + 5
    assert told.rsplit(maxsplit=1)[-1] in finding.message
    assert ok or any(f"{number} s" in finding.message for number in range(int(abs(skew)) - 2, int(abs(skew)) + 5))
