"""Every operation from its command to its end, through a whole process over the fakes."""

import pytest

from tests.runtime.messages import request
from tests.runtime.rig import Rig

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
        assert rig.statuses(dataset) == rig.statuses(configured) == ["created"]
        assert rig.statuses(model) == rig.statuses(job) == ["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]
        export_id = rig.replies(export.key)[1].data["resourceId"]
        assert rig.statuses(export_id)[-1] == "ACTIVE"
        assert rig.kinds(export.key) == ["accepted", "started", "succeeded"]
        assert "[crml:" not in str(rig.events())
        rig.audit()
        for command_id in rig.sent:
            assert len(rig.creates(command_id)) == 1
