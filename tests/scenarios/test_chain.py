"""Every operation from its command to its end, through a whole process over the fakes."""

from typing import Any

import pytest

from schemas.docs import json_schemas
from schemas.operations import EXPORT_JOB, OPERATIONS, RESOURCES, Kind
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.schema_vocabulary import is_valid

pytestmark = pytest.mark.looptime


async def test_the_chain_of_five() -> None:
    async with Rig() as rig:
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        model = await rig.made("CreateAudienceModel", trainingDatasetArn=dataset)
        configured = await rig.made("CreateConfiguredAudienceModel", audienceModelArn=model)
        job = await rig.made("StartAudienceGenerationJob", configuredAudienceModelArn=configured)
        export = await rig.perform(
            "StartAudienceExportJob", request("StartAudienceExportJob", audienceGenerationJobArn=job)
        )
        assert export.kind == "succeeded"
        await rig.numbered()
        assert rig.statuses(dataset) == rig.statuses(configured) == ["created"]
        assert rig.statuses(model) == rig.statuses(job) == ["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]
        export_id = rig.replies(export.key)[1].data["resourceId"]
        assert rig.statuses(export_id)[-1] == "ACTIVE"
        assert rig.kinds(export.key) == ["accepted", "started", "succeeded"]
        assert "[crml:" not in str(rig.events())
        rig.audit()
        for command_id in rig.sent:
            assert len(rig.creates(command_id)) == 1


async def test_every_operation_reaches_its_end() -> None:
    async with Rig() as rig:
        await rig.start()
        ends: dict[str, str] = {}

        async def do(operation: str, **members: Any) -> dict[str, Any]:
            reply = await rig.perform(operation, request(operation, **members))
            ends[operation] = reply.kind
            return dict(reply.data.get("result", {}))

        dataset = {"trainingDatasetArn": (await do("CreateTrainingDataset"))["trainingDatasetArn"]}
        await do("GetTrainingDataset", **dataset)
        model = {"audienceModelArn": (await do("CreateAudienceModel", **dataset))["audienceModelArn"]}
        await do("GetAudienceModel", **model)
        made = await do("CreateConfiguredAudienceModel", **model, description="mine")
        configured = {"configuredAudienceModelArn": made["configuredAudienceModelArn"]}
        await do("UpdateConfiguredAudienceModel", **configured, description="ours")
        assert (await do("GetConfiguredAudienceModel", **configured))["description"] == "ours"
        await do("PutConfiguredAudienceModelPolicy", **configured)
        await do("GetConfiguredAudienceModelPolicy", **configured)
        await do("DeleteConfiguredAudienceModelPolicy", **configured)
        job = {
            "audienceGenerationJobArn": (await do("StartAudienceGenerationJob", **configured))[
                "audienceGenerationJobArn"
            ]
        }
        await do("GetAudienceGenerationJob", **job)
        await do("StartAudienceExportJob", **job)
        tagged = {"resourceArn": model["audienceModelArn"]}
        await do("TagResource", **tagged, tags={"team": "films"})
        assert (await do("ListTagsForResource", **tagged))["tags"] == {"team": "films"}
        await do("UntagResource", **tagged, tagKeys=["team"])
        for operation in (name for name in OPERATIONS if name.startswith("List") and name not in ends):
            assert OPERATIONS[operation].kind is Kind.READ
            await do(operation)
        await do("DeleteAudienceGenerationJob", **job)
        await do("DeleteConfiguredAudienceModel", **configured)
        await do("DeleteAudienceModel", **model)
        await do("DeleteTrainingDataset", **dataset)

        assert ends == dict.fromkeys(OPERATIONS, "succeeded")
        await rig.numbered()
        assert_typed(rig)
        await rig.numbered()
        assert rig.statuses(model["audienceModelArn"])[-3:] == ["DELETE_PENDING", "DELETE_IN_PROGRESS", "deleted"]
        assert rig.statuses(model["audienceModelArn"], "tags") == ["updated", "updated"]
        rig.audit()


async def test_a_policy_may_come_back() -> None:
    """Its id is that of the model it belongs to, so that a deletion is not the end of its events."""
    async with Rig() as rig:
        await rig.start()
        model = {"configuredAudienceModelArn": await configured_model(rig)}
        for operation in ("Put", "Delete", "Put"):
            name = f"{operation}ConfiguredAudienceModelPolicy"
            assert (await rig.perform(name, request(name, **model))).kind == "succeeded"
        await rig.numbered()
        told = rig.statuses(model["configuredAudienceModelArn"], "configured-audience-model-policy")
        assert told == ["updated", "deleted", "updated"]
        rig.audit()


async def configured_model(rig: Rig) -> str:
    dataset = await rig.made("CreateTrainingDataset")
    model = await rig.made("CreateAudienceModel", trainingDatasetArn=dataset)
    return await rig.made("CreateConfiguredAudienceModel", audienceModelArn=model)


async def test_an_update_keeps_the_marker() -> None:
    """So that a search for the creation still finds it."""
    async with Rig() as rig:
        await rig.start()
        arn = await configured_model(rig)
        command_id = next(name for name, operation in rig.sent.items() if operation == "CreateConfiguredAudienceModel")
        name = "UpdateConfiguredAudienceModel"
        update = await rig.perform(name, request(name, configuredAudienceModelArn=arn, description="new"))
        assert update.kind == "succeeded"
        item = rig.api.item(arn)
        assert item.members["description"].startswith("new [crml:")
        assert item.members["description"][4:] in rig.creates(command_id)[0].params["description"]


async def test_a_job_that_fails_says_why() -> None:
    async with Rig() as rig:
        rig.api.fail_jobs.add("audience-model")
        await rig.start()
        dataset = await rig.made("CreateTrainingDataset")
        reply = await rig.perform("CreateAudienceModel", request("CreateAudienceModel", trainingDatasetArn=dataset))
        assert (reply.kind, reply.code) == ("failed", "CREATE_FAILED")
        rig.audit()


async def test_an_export_without_identity_is_found_by_its_marker() -> None:
    async with Rig() as rig:
        rig.api.list_lag = 7.0
        await rig.start()
        configured = await configured_model(rig)
        job = await rig.made("StartAudienceGenerationJob", configuredAudienceModelArn=configured)
        export = rig.send("StartAudienceExportJob", request("StartAudienceExportJob", audienceGenerationJobArn=job))
        await rig.until(lambda: rig.phase(export) == "accepted")
        assert (await rig.end(export)).kind == "succeeded"
        await rig.until(lambda: len(rig.api.items(EXPORT_JOB)) == 1)
        assert len(rig.creates(export)) == 1
        rig.audit()


def assert_typed(rig: Rig) -> None:
    """Every result and every description is as its schema says."""
    for reply in (ending for each in rig.sent if (ending := rig.ending(each)) and ending.kind == "succeeded"):
        schema = json_schemas.contract()["results"][reply.data["operation"]]["data"]
        assert is_valid(schema, reply.data), (reply.data["operation"], reply.data["result"])
    described = [event for event in rig.events() if event.data.get("resource")]
    assert described
    for event in described:
        schema = json_schemas.event_data(RESOURCES[event.resource_kind])
        assert is_valid(schema, event.data), (event.resource_kind, event.data)
