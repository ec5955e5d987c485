"""Calls through a whole process: when they leave, and answers that nobody foresaw."""

import asyncio
from random import Random
from typing import Any

import pytest

from schemas import records
from schemas.operations import Operation
from service.runtime.ports import Failure
from tests.support import api as fake
from tests.support.account import World
from tests.support.cluster import Rig
from tests.support.messages import request
from tests.support.process import POLICY

pytestmark = pytest.mark.looptime

CREATE, MODEL = "CreateTrainingDataset", "CreateAudienceModel"


async def test_who_waits_for_the_budget_is_permitted_by_a_commit_of_its_own() -> None:
    """Every request leaves within the window of the commit that permits it; who waits for long is told so."""
    async with Rig(partitions=1, writes_per_second=0.2) as rig:
        node = await rig.start()
        for _ in range(4):
            rig.send(CREATE)
        await rig.until(lambda: rig.ended() == set(rig.sent))
        times = [entry.time for entry in rig.api.log if entry.operation == CREATE]
        assert times[-1] >= 15.0 > POLICY.call_window
        assert [rig.kinds(command_id).count("waiting") for command_id in rig.sent] == [0, 0, 1, 1]
        told_and_permitted = node.story.transitions.count(("intended", "intended"))
        assert told_and_permitted == 2 + 3
        rig.audit()


@pytest.mark.parametrize("broken", ["\ud800", "x\udfffy"])
async def test_what_cannot_be_encoded_ends_one_command_and_no_process(broken: str) -> None:
    """Anybody with access to the account may have named something so."""
    async with Rig() as rig:
        node = await rig.start()
        for code in ("ValidationException", broken):
            refusal = Failure(code, f"{broken} is no name", 400, extra={broken: broken})
            rig.api.inject(CREATE, fake.Fault(refusal))
            assert (await rig.perform(CREATE)).kind == "failed"
        arn = await rig.made(CREATE)
        rig.api.item(arn).members["name"] = f"é {broken}"
        got = await rig.perform("GetTrainingDataset", request("GetTrainingDataset", trainingDatasetArn=arn))
        shown = broken.encode(errors="replace").decode()
        assert got.data["result"]["name"] == f"é {shown}"
        rig.api.worlds["default"].tags[arn] = {broken: "x"}
        tags = await rig.perform("ListTagsForResource", {"resourceArn": arn})
        assert tags.data["result"]["tags"] == {shown: "x"}
        assert (await rig.perform("ListTrainingDatasets")).kind == "succeeded"
        assert node.story.problems == []
        rig.audit()


async def test_what_aws_quotes_of_a_marker_is_not_published() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        quoted = ""

        def refusing(entry: fake.Entry) -> fake.Fault:
            nonlocal quoted
            quoted = (
                f"Value '{entry.params['description']}' at 'description' is not '{entry.params['description'][:20]}'"
            )
            return fake.Fault(Failure("ValidationException", quoted, 400, extra={"fields": [quoted]}))

        rig.api.turn = lambda entry: refusing(entry) if entry.operation == CREATE else None
        ending = await rig.perform(CREATE, {**request(CREATE), "description": "mine"})
        rig.api.turn = lambda entry: None
        assert "[crml:" in quoted
        assert ending.data["error"]["message"].startswith("Value 'mine' at 'description' is not 'mine'")
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=await rig.made(CREATE)))
        await rig.until(lambda: rig.phase(command) == "running")
        told = {"statusDetails": {"statusCode": "INVALID", "message": quoted}}
        rig.api.distort = lambda operation, result: {**result, **told} if operation == "GetAudienceModel" else result
        assert (await rig.end(command)).kind == "succeeded"
        rig.api.set_status(rig.job(command).resource_id, "DELETE_FAILED")  # type: ignore[union-attr]
        deletion = rig.send("DeleteAudienceModel", {"audienceModelArn": rig.job(command).resource_id})  # type: ignore[union-attr]
        await rig.end(deletion)
        await rig.numbered()
        rig.audit()


async def test_one_answer_that_does_not_find_a_living_job_is_not_its_end() -> None:
    """An eventually consistent read; a `deleted` that was published is final."""
    async with Rig(partitions=1) as rig:
        await rig.start()
        data = await rig.made(CREATE)
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=data))
        await rig.until(lambda: (job := rig.job(command)) and job.status == "CREATE_IN_PROGRESS")
        rig.api.inject("GetAudienceModel", fake.Fault(Failure("ResourceNotFoundException", "no", http_status=404)))
        assert (await rig.end(command)).kind == "succeeded"
        await rig.numbered()
        assert rig.statuses(rig.job(command).resource_id)[-1] == "ACTIVE"  # type: ignore[union-attr]
        rig.audit()


async def test_a_deletion_that_fails_again_at_once_ends() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        model = rig.api.by_hand(MODEL, name="m")
        rig.api.set_status(model, "DELETE_FAILED")
        command = rig.send("DeleteAudienceModel", {"audienceModelArn": model})
        await rig.until(lambda: rig.api.counts()["DeleteAudienceModel"], step=0.001)
        rig.api.item(model).gone = float("inf")
        rig.api.set_status(model, "DELETE_FAILED", {"statusCode": "X", "message": "again"})
        assert (await rig.end(command)).code == "DELETE_FAILED"


async def test_one_wrong_status_is_not_believed_for_ever() -> None:
    """A status of leaving that was not true hid all that followed, and the slot was gone for good."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        wrong = ["DELETE_PENDING"]

        def distort(operation: str, shown: dict[str, Any]) -> dict[str, Any]:
            there = operation == "GetAudienceModel" and shown["status"] == "CREATE_IN_PROGRESS" and wrong
            return {**shown, "status": wrong.pop()} if there else shown

        rig.api.working, rig.api.distort = 120.0, distort
        data = await rig.made(CREATE)
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=data))
        assert (await rig.end(command)).kind == "succeeded"
        await rig.numbered()
        seen = rig.statuses(rig.job(command).resource_id)  # type: ignore[union-attr]
        assert seen[-3:] == ["DELETE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]
        assert node.app.slots()["default/audience-models"]["taken"] == 0


async def test_a_deletion_that_aws_takes_back_fails() -> None:
    async with Rig(partitions=1) as rig:
        await rig.start()
        model = rig.api.by_hand(MODEL, name="m")
        command = rig.send("DeleteAudienceModel", {"audienceModelArn": model})
        await rig.until(lambda: (job := rig.job(command)) and job.status == "DELETE_PENDING", step=0.1)
        rig.api.item(model).gone = None
        rig.api.set_status(model, "ACTIVE")
        assert (await rig.end(command)).code == "NotRemoved"
        await rig.numbered()
        assert rig.statuses(model)[-1] == "ACTIVE"


async def test_a_status_that_is_not_known_and_stays_is_for_a_person() -> None:
    """New owners go on counting."""
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        data = await rig.made(CREATE)
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=data))
        await rig.until(lambda: "started" in rig.kinds(command))
        rig.api.set_status(rig.job(command).resource_id, "CREATE_STOPPED")  # type: ignore[union-attr]
        await asyncio.sleep(0.7 * POLICY.search_limit)
        await rig.restart(node)
        assert (await rig.end(command, 0.5 * POLICY.search_limit)).code == "StatusUnknown"
        assert rig.phase(command) == "parked"


@pytest.mark.parametrize("wrong", [17, {"code": 17}, "", "x", "arn:aws:cleanrooms-ml:eu-west-1:111122223333:other/x"])
async def test_a_creation_whose_answer_names_no_resource_is_searched_for(wrong: Any) -> None:
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        data, plain = await rig.made(CREATE), rig.api._perform

        def broken(world: World, row: Operation, params: dict[str, Any], delay: float) -> dict[str, Any]:
            result = plain(world, row, params, delay)
            return {"audienceModelArn": wrong} if row.name == MODEL else result

        rig.api._perform = broken  # type: ignore[method-assign]
        command = rig.send(MODEL, request(MODEL, trainingDatasetArn=data))
        await rig.until(lambda: "started" in rig.kinds(command))
        await rig.restart(node)
        assert (await rig.end(command)).kind == "succeeded"
        rig.audit()


GARBAGE: tuple[Any, ...] = (
    None,
    True,
    17,
    -1.5,
    10**30,
    float("nan"),
    "",
    "text",
    [],
    [17],
    {},
    {"code": 17},
    {"\ud800": 17},
    "\ud800",
)


def spoilt(random: Random, value: Any) -> Any:
    """The same, with one of its members of any JSON."""
    if isinstance(value, dict) and value and random.random() < 0.8:
        name = random.choice(sorted(value))
        return value | {name: spoilt(random, value[name])}
    if isinstance(value, list) and value and random.random() < 0.8:
        return [*value[1:], spoilt(random, value[0])]
    return random.choice(GARBAGE)


@pytest.mark.parametrize("seed", range(6))
async def test_any_json_in_any_answer_kills_no_process_and_is_never_stored(seed: int) -> None:
    """Each command ends, whatever the answers to its calls, searches and looks, and a next owner reads what is kept."""
    random = Random(seed)
    async with Rig(partitions=1) as rig:
        node = await rig.start()
        data, model = rig.api.by_hand(CREATE, name="data"), rig.api.by_hand(MODEL, name="model")
        configured = rig.api.by_hand("CreateConfiguredAudienceModel", name="configured")
        rig.api.worlds["default"].tags[data] = {}
        plain = rig.api._perform
        spoiling = True

        def garbage(world: World, row: Operation, params: dict[str, Any], delay: float) -> Any:
            result = plain(world, row, params, delay)
            return spoilt(random, result) if spoiling and random.random() < 0.4 else result

        rig.api._perform = garbage  # type: ignore[method-assign]
        identity = "configuredAudienceModelArn"
        for operation, members in (
            (CREATE, {"name": "new"}),
            (MODEL, {"trainingDatasetArn": data}),
            ("StartAudienceGenerationJob", {identity: configured}),
            ("UpdateConfiguredAudienceModel", {identity: configured, "description": "other"}),
            ("GetAudienceModel", {"audienceModelArn": model}),
            ("ListTrainingDatasets", {}),
            ("ListTagsForResource", {"resourceArn": data}),
            ("DeleteAudienceModel", {"audienceModelArn": model}),
        ):
            rig.send(operation, request(operation, **members))
        await asyncio.sleep(60.0)
        spoiling = False
        await rig.until(lambda: rig.ended() == set(rig.sent), 700)
        assert not node.task.done()
        assert [what for what, _ in node.story.problems if "broke" in what] == []
        for number in range(rig.options.partitions):
            for record in rig.folded(number).values():
                assert records.decode(records.encode(record)) == record
        await rig.restart(node)
        assert rig.nodes[-1].app.status()["halted"] == {}
        rig.audit()
