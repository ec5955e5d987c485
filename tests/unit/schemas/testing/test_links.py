"""Chains in the twin: as the service has them; `tests/scenarios/test_campaigns.py` has the same cases there."""

import json
from typing import Any

import pytest

from schemas.docs import examples
from schemas.events import Message
from schemas.testing import Published, Twin, assert_ended, command, terminal

MEMBERS = {"trainingData", "roleArn", "outputConfig", "sharedAudienceMetrics", "seedAudience", "audienceSize"}


def build(operation: str, name: str, *, after: list[str] | None = None, key: str = "k", **members: Any) -> Message:
    data = {member: value for member, value in examples.COMMANDS[operation].data.items() if member in MEMBERS}
    extensions = {"after": json.dumps(after)} if after else {}
    if operation.startswith(("Create", "Start")):
        data["name"] = name
    return command(operation, {**data, **members}, command_id=name, key=key, extensions=extensions)


def campaign(twin: Twin) -> None:
    for message in (
        build("CreateTrainingDataset", "one"),
        build("CreateAudienceModel", "two", trainingDatasetArn="command:one"),
        build("CreateConfiguredAudienceModel", "three", audienceModelArn="command:two"),
        build("StartAudienceGenerationJob", "four", configuredAudienceModelArn="command:three"),
        build("StartAudienceExportJob", "five", audienceGenerationJobArn="command:four"),
    ):
        twin.send(message)


def kinds(twin: Twin, name: str) -> list[str]:
    return [one.kind for one in replies(twin, name)]


def replies(twin: Twin, name: str) -> list[Published]:
    return [one for one in twin.published if one.is_reply and one.data["commandId"] == name]


def code(twin: Twin, name: str, kind: str = "failed") -> str:
    return str(assert_ended(twin.published, name, kind).data["error"]["code"])


def test_five_at_once() -> None:
    twin = Twin(automatic=True)
    campaign(twin)
    dataset = assert_ended(twin.published, "one").data["result"]["trainingDatasetArn"]
    assert assert_ended(twin.published, "two").data["request"] == {"trainingDatasetArn": dataset}
    assert assert_ended(twin.published, "five").data["result"]["status"] == "ACTIVE"


def test_it_waits_for_a_job_and_goes_on_with_what_it_made() -> None:
    twin = Twin()
    campaign(twin)
    assert kinds(twin, "three") == ["accepted", "waiting"]
    waiting = replies(twin, "three")[1].data
    assert (waiting["reason"], waiting["predecessors"]) == ("Predecessor", ["two"])
    model = replies(twin, "two")[1].data["resourceArn"]
    twin.finish(model)
    assert assert_ended(twin.published, "three").data["request"] == {"audienceModelArn": model}
    assert replies(twin, "four")[2].data["request"]["configuredAudienceModelArn"].startswith("arn:")


def test_one_that_fails_ends_the_others() -> None:
    twin = Twin()
    campaign(twin)
    twin.fail(replies(twin, "two")[1].data["resourceArn"])
    assert [code(twin, name) for name in ("three", "four", "five")] == ["PredecessorFailed"] * 3
    assert replies(twin, "four")[-1].data["predecessors"] == ["three"]
    assert kinds(twin, "five") == ["accepted", "waiting", "failed"]
    message = replies(twin, "five")[-1].data["error"]["message"]
    assert message.startswith(
        "command four, which this one names, has failed because two did not succeed (CREATE_FAILED)"
    )


def test_a_long_chain_ends() -> None:
    twin = Twin()
    twin.send(build("CreateAudienceModel", "0", trainingDatasetArn=examples.DATASET))
    for number in range(1, 301):
        twin.send(build("ListAudienceModels", str(number), after=[str(number - 1)]))
    twin.fail(replies(twin, "0")[1].data["resourceArn"])
    assert code(twin, "300") == "PredecessorFailed"


def test_what_is_not_known_is_rejected() -> None:
    twin = Twin()
    campaign(twin)
    for name, key in (("nothing", "k"), ("one", "other")):
        twin.send(build("CreateAudienceModel", f"m-{name}", trainingDatasetArn=f"command:{name}", key=key))
        assert code(twin, f"m-{name}", "rejected") == "UnknownPredecessor"
    twin.send(build("CreateAudienceModel", "wrong", trainingDatasetArn="command:two"))
    assert code(twin, "wrong", "rejected") == "PredecessorMismatch"
    assert not twin.dead_letters


def test_a_parked_one_is_waited_for() -> None:
    twin = Twin()
    twin.park("CreateTrainingDataset")
    campaign(twin)
    assert kinds(twin, "two") == ["accepted", "waiting"]
    decision = {"commandId": "one", "commandSource": "/tests", "resolution": "adopt", "resourceArn": examples.DATASET}
    twin.send(command("ResolveCommand", decision, key="k"))
    assert replies(twin, "two")[2].data["request"] == {"trainingDatasetArn": examples.DATASET}


def test_cancelling_and_deadlines() -> None:
    twin = Twin()
    campaign(twin)
    twin.send(command("CancelCommand", {"commandId": "three", "commandSource": "/tests"}, key="k"))
    assert code(twin, "three") == "Cancelled"
    assert code(twin, "five") == "PredecessorFailed"


@pytest.mark.parametrize("until", [None, "deleted"])
def test_a_watch_in_a_chain(until: str | None) -> None:
    twin = Twin()
    twin.send(build("CreateAudienceModel", "m", trainingDatasetArn=examples.DATASET))
    model = replies(twin, "m")[1].data["resourceArn"]
    data = {"resourceArn": model} | ({"untilStatus": until} if until else {})
    twin.send(command("TrackResource", data, command_id="t", key="k"))
    twin.send(build("CreateConfiguredAudienceModel", "c", audienceModelArn="command:t"))
    assert terminal(twin.published, "c") is None
    twin.finish(model)
    if until:
        twin.advance(model, "deleted")
        assert code(twin, "c") == "PredecessorMismatch"
    else:
        assert_ended(twin.published, "c")
