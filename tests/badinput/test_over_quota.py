"""Class 57: more than an account may have under way is no error: it waits its turn, and nobody waits behind it."""

import pytest

from tests.badinput.records import MODEL, command
from tests.badinput.stage import Sent, Stage

pytestmark = [pytest.mark.acceptance, pytest.mark.asyncio(loop_scope="session")]

ALLOWED = 2
"""Models that may be trained at once: AWS's default, and the sandbox's."""


async def _model(stage: Stage, name: str, dataset: str) -> Sent:
    return await stage.send(command(MODEL, {"name": name, "trainingDatasetArn": dataset}))


def _kinds(stage: Stage, sent: Sent) -> list[str]:
    return [reply.kind for reply in stage.client.replies(sent.command_id)]


async def test_57_what_is_over_the_quota_waits_and_is_carried_out(stage: Stage) -> None:
    """Our own count of slots: AWS is not asked in vain."""
    dataset = stage.world.dataset(name="for-a-crowd")
    before = stage.calls().get(MODEL, 0)
    sent = [await _model(stage, f"crowd-{number}", dataset) for number in range(ALLOWED + 1)]
    last = sent[-1]
    waiting = await stage.client.reply(last.command_id, "waiting")
    assert (waiting.data["reason"], waiting.data["position"]) == ("ConcurrencyLimit", 1)
    await stage.sentinel()
    assert _kinds(stage, last) == ["accepted", "waiting"], "what came behind it did not wait for it"
    for one in sent:
        assert (await stage.terminal(one)).kind == "succeeded"
        assert not stage.has_letter(one)
    assert _kinds(stage, last) == ["accepted", "waiting", "started", "succeeded"]
    assert stage.calls()[MODEL] - before == len(sent)
    stage.assert_no_secret_in_the_log()


async def test_57_a_quota_that_others_use_up_is_waited_for_too(stage: Stage) -> None:
    """AWS's own 402: somebody else's jobs fill the account, which we can't count."""
    world = stage.world
    dataset = world.dataset(name="for-strangers")
    strangers = [world.model(dataset, name=f"stranger-{number}") for number in range(ALLOWED)]
    sent = await _model(stage, "guest", dataset)
    waiting = await stage.client.reply(sent.command_id, "waiting")
    assert waiting.data["reason"] == "ServiceQuotaExceededException"
    await stage.sentinel()
    for stranger in strangers:
        world.until_model(stranger)
    end = await stage.terminal(sent)
    assert end.kind == "succeeded", end.data
    assert _kinds(stage, sent) == ["accepted", "waiting", "started", "succeeded"]
    assert not stage.has_letter(sent)
    stage.assert_no_secret_in_the_log()
