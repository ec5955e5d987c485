"""Calls through a whole process: when they leave, and answers that nobody foresaw."""

import pytest

from service.runtime.ports import Failure
from tests.fakes import api as fake
from tests.runtime.messages import request
from tests.runtime.node import POLICY
from tests.runtime.rig import Rig

pytestmark = pytest.mark.looptime

CREATE = "CreateTrainingDataset"


async def test_budget_waits_longer_than_the_window_renew_by_commits_of_their_own() -> None:
    """The same, through a whole process: every request leaves within the window of some commit of its intent."""
    async with Rig(partitions=1, writes_per_second=0.2) as rig:
        node = await rig.start()
        for _ in range(4):
            rig.send(CREATE)
        await rig.until(lambda: rig.ended() == set(rig.sent))
        times = [entry.time for entry in rig.api.log if entry.operation == CREATE]
        assert times[-1] >= 15.0 > POLICY.call_window
        told_and_renewed = node.story.transitions.count(("intended", "intended"))
        assert told_and_renewed == 2 * 3
        rig.audit()


@pytest.mark.parametrize("broken", ["\ud800", "x\udfffy"])
async def test_what_cannot_be_encoded_ends_one_command_and_no_process(broken: str) -> None:
    """Anybody with access to the account may have named something so."""
    async with Rig() as rig:
        node = await rig.start()
        refusal = Failure("ValidationException", f"{broken} is no name", 400, extra={"quotaName": broken})
        rig.api.inject(CREATE, fake.Fault(refusal))
        assert (await rig.perform(CREATE)).kind == "failed"
        arn = await rig.made(CREATE)
        rig.api.item(arn).members["name"] = f"é {broken}"
        got = await rig.perform("GetTrainingDataset", request("GetTrainingDataset", trainingDatasetArn=arn))
        assert got.data["result"]["name"] == "é " + broken.encode(errors="replace").decode()
        assert (await rig.perform("ListTrainingDatasets")).kind == "succeeded"
        assert node.story.problems == []
        rig.audit()
