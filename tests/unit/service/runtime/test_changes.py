"""Event numbers over the whole history of a resource: none is used twice, none is left out."""

import asyncio
import json

import pytest

from schemas import records
from schemas.records import ResourceState
from service.runtime.ports import TopicPartition
from tests.support.cluster import Rig
from tests.support.messages import CHANGES, DEAD_LETTERS, RESOURCES, request
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

CREATE, DELETE = "CreateConfiguredAudienceModel", "DeleteConfiguredAudienceModel"
PUT, TAKE = "PutConfiguredAudienceModelPolicy", "DeleteConfiguredAudienceModelPolicy"
POLICY_KIND = "configured-audience-model-policy"


async def configured(rig: Rig) -> str:
    dataset = await rig.made("CreateTrainingDataset")
    model = rig.api.by_hand("CreateAudienceModel", name="m", trainingDatasetArn=dataset)
    return await rig.made(CREATE, audienceModelArn=model)


async def forgotten(rig: Rig) -> None:
    """The retention passes, and a record shows the time."""
    await asyncio.sleep(POLICY.retention + 1.0)
    await rig.made("CreateTrainingDataset")
    await rig.numbered()
    await asyncio.sleep(5.0)


def remembered(rig: Rig, arn: str) -> set[str]:
    """Kinds of which the changelog of numbers knows something under an ARN."""
    states = [each for number in range(rig.options.partitions) for each in rig.folded(number, RESOURCES).values()]
    return {each.kind for each in states if isinstance(each, ResourceState) and each.id == arn}


@pytest.mark.parametrize("restart", [False, True])
async def test_a_policy_that_comes_back_after_the_retention_goes_on_counting(restart: bool) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = await configured(rig)
        put = request(PUT, configuredAudienceModelArn=arn)
        await rig.perform(PUT, put)
        await rig.perform(TAKE, {"configuredAudienceModelArn": arn})
        await forgotten(rig)
        if restart:
            await rig.restart(node)
        await rig.perform(PUT, put)
        await rig.numbered()
        events = [each for each in rig.events() if each.resource_kind == POLICY_KIND]
        assert [(each.sequence, each.status) for each in events] == [(1, "updated"), (2, "deleted"), (3, "updated")]
        assert len({each.id for each in events}) == 3
        rig.audit([])


async def test_policy_and_tags_are_forgotten_with_their_resource() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        arn = await configured(rig)
        await rig.perform(PUT, request(PUT, configuredAudienceModelArn=arn))
        await rig.perform("TagResource", {"resourceArn": arn, "tags": {"a": "b"}})
        await rig.perform(TAKE, {"configuredAudienceModelArn": arn})
        await forgotten(rig)
        assert remembered(rig, arn) == {"configured-audience-model", POLICY_KIND, "tags"}
        await rig.perform(DELETE, {"configuredAudienceModelArn": arn})
        await rig.numbered()
        await forgotten(rig)
        assert remembered(rig, arn) == set()


async def test_a_second_removal_is_told_after_one_that_failed() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        arn = rig.api.by_hand("CreateAudienceModel", name="m", trainingDatasetArn=dataset)
        await asyncio.sleep(60.0)
        rig.api.fail_removals.add("audience-model")
        assert (await rig.perform("DeleteAudienceModel", {"audienceModelArn": arn})).kind == "failed"
        rig.api.fail_removals.clear()
        assert (await rig.perform("DeleteAudienceModel", {"audienceModelArn": arn})).kind == "succeeded"
        await rig.numbered()
        leaving = ["DELETE_PENDING", "DELETE_IN_PROGRESS"]
        assert rig.statuses(arn) == [*leaving, "DELETE_FAILED", *leaving, "deleted"]
        rig.audit([])


async def test_a_change_that_only_a_later_release_can_read_waits_for_one() -> None:
    """In a rolling update the owner of the changes may be the last old replica: no event may be lost there."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        arn = await rig.made("CreateTrainingDataset")
        await rig.numbered()
        (change,) = rig.broker.read_committed(CHANGES)
        newer = json.loads(change.value or b"") | {"v": records.VERSION + 1, "status": "deleted"}
        rig.broker.produce(CHANGES, change.key, json.dumps(newer).encode(), partition=0)
        await rig.until(lambda: node.assignment.standing)
        assert "run the release that wrote it" in node.assignment.standing[TopicPartition(CHANGES, 0)]
        assert not rig.broker.read_committed(DEAD_LETTERS)
        with pytest.MonkeyPatch.context() as later:
            later.setattr(records, "VERSION", records.VERSION + 1)
            await rig.until(lambda: rig.statuses(arn) == ["created", "deleted"])
