"""What breaks the service costs one look, one call or one record, never a shard."""

from typing import Any

import pytest

from service.core import transitions
from service.core.observations import Seen
from tests.support.cluster import Rig

pytestmark = pytest.mark.looptime

MODEL, READ = "CreateAudienceModel", "ListAudienceModels"


async def test_a_look_that_breaks_the_service_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = looks_deliver()
    times = [0]

    def breaks(self: Any, *arguments: Any) -> None:
        times[0] += 1
        if times[0] == 1:
            raise KeyError("a defect")
        broken(self, *arguments)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr("service.runtime.poll_results.PollResults.deliver", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made(MODEL, trainingDatasetArn=dataset)
        assert times[0] > 1
        rig.audit()


def looks_deliver() -> Any:
    from service.runtime.poll_results import PollResults

    return PollResults.deliver


async def test_a_last_status_that_breaks_the_service_is_seen_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = transitions.step
    times = [0]

    def breaks(job: Any, observation: Any, *more: Any) -> Any:
        if isinstance(observation, Seen) and observation.description["status"] == "ACTIVE":
            times[0] += 1
            if times[0] == 1:
                raise KeyError("a defect")
        return broken(job, observation, *more)

    async with Rig(partitions=1) as rig:
        monkeypatch.setattr(transitions, "step", breaks)
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        await rig.made(MODEL, trainingDatasetArn=dataset)
        assert times[0] > 1
        await rig.numbered()
        rig.audit()
