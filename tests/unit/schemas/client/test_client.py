"""The client over the twin: handles, waits, errors, repeats, restarts, and closing."""

import asyncio
import gc
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.client import (
    AnyRequest,
    CancelCommand,
    Client,
    ClientSettings,
    CommandChange,
    CreateAudienceModel,
    CreateTrainingDataset,
    FailedError,
    InvalidCommandError,
    JobHandle,
    ListAudienceModels,
    NotConnectedError,
    ParkedError,
    RejectedError,
    ReplyReceived,
    StatusChanged,
    UnreachableError,
)
from schemas.client.changes import Received
from schemas.client.transport import Positions
from schemas.docs import examples
from schemas.events import Message, ReplyKind
from schemas.testing import Twin

DATASET = examples.DATASET
MODEL = CreateAudienceModel(name="taste", trainingDatasetArn=DATASET)


async def settled() -> None:
    """Lets the client read what the twin has published."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_command_and_its_end() -> None:
    twin = Twin()
    async with twin.client(source="/planner") as client:
        job = await client.send(MODEL, id="taste-1", key="taste", correlation_id="campaign", priority=3)
        await job.accepted(1)
        await settled()
        started = job.last_reply
        assert started is not None
        assert (started.kind, started.correlation_id) == (ReplyKind.STARTED, "campaign")
        twin.finish(started.resource_id)
        assert (await job.result(1))["status"] == "ACTIVE"
        seen = [change async for change in job]
    assert [each.kind.value for each in seen if isinstance(each, ReplyReceived)] == ["accepted", "started", "succeeded"]
    statuses = [each.status for each in seen if isinstance(each, StatusChanged)]
    assert statuses == ["CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE"]
    assert repr(job) == "<JobHandle taste-1 of /planner: succeeded>"


async def test_a_chain_of_waits_sees_each_change_when_it_is_published() -> None:
    twin = Twin()
    seen: list[CommandChange] = []

    async def watch(job: JobHandle[Any]) -> None:
        async for change in job:
            seen.append(change)  # noqa: PERF401 - one at a time is the point

    async with twin.client() as client:
        job = await client.send(MODEL, id="one")
        watching = asyncio.create_task(watch(job))
        await settled()
        before = len(seen)
        twin.finish(next(iter(twin.account.things)))
        await watching
    assert 0 < before < len(seen)


async def test_an_invalid_command_is_not_sent() -> None:
    twin = Twin()
    async with twin.client() as client:
        with pytest.raises(InvalidCommandError, match=r"data.name: must have at least 1 characters"):
            await client.send(CreateAudienceModel(name="", trainingDatasetArn=DATASET), id="one")
        assert twin.published == []
        job = await client.send(CreateAudienceModel(name="", trainingDatasetArn=DATASET), id="one", check=False)
        with pytest.raises(RejectedError) as caught:
            await job.accepted(1)
        assert caught.value.violations[0]["path"] == "data.name"
        with pytest.raises(RejectedError):
            await job.result(1)


async def test_a_command_by_name_only() -> None:
    async with Twin().client() as client:
        job = await client.send(AnyRequest(command="ListAudienceModels", data={"maxResults": 1}))
        assert await job.result(1) == {"audienceModels": []}


async def test_what_fails_and_what_is_parked() -> None:
    twin = Twin()
    async with twin.client() as client:
        twin.refuse("ListAudienceModels", "AccessDeniedException", http_status=403)
        refused = await client.send(ListAudienceModels(), id="refused")
        with pytest.raises(FailedError, match="ListAudienceModels refused failed: AccessDeniedException") as caught:
            await refused.result(1)
        assert (caught.value.code, caught.value.http_status, caught.value.retryable) == (
            "AccessDeniedException",
            403,
            False,
        )
        twin.park("CreateAudienceModel")
        parked = await client.send(MODEL, id="parked")
        with pytest.raises(ParkedError, match="AmbiguousOutcome"):
            await parked.result(1)
        assert (await parked.outcome(1)).kind is ReplyKind.PARKED
        decision = {"commandId": "parked", "commandSource": "/tests", "resolution": "fail"}
        await client.send(AnyRequest(command="ResolveCommand", data=decision))
        await settled()
        with pytest.raises(FailedError, match="GivenUp"):
            await parked.result(1)


async def test_a_wait_has_a_limit_and_the_command_goes_on() -> None:
    twin = Twin()
    async with twin.client() as client:
        job = await client.send(MODEL, id="one")
        for wait in (job.result(0.01), job.outcome(0.01)):
            with pytest.raises(TimeoutError):
                await wait
        twin.finish(next(iter(twin.account.things)))
        assert (await job.result(1))["name"] == "taste"


async def test_the_same_id_is_the_same_command() -> None:
    twin = Twin()
    async with twin.client() as client:
        first = await client.send(MODEL, id="one", key="k")
        assert await client.send(MODEL, id="one", key="k") is first
        assert len(twin.account.things) == 1
        await settled()
        kinds = [each.kind for each in first.changes if isinstance(each, ReplyReceived)]
        assert kinds == [ReplyKind.ACCEPTED, ReplyKind.STARTED], "a repeated reply counts once"
        other = CreateAudienceModel(name="other", trainingDatasetArn=DATASET)
        with pytest.raises(InvalidCommandError, match="belongs to an earlier command with other content"):
            await client.send(other, id="one", key="k")
        with pytest.raises(InvalidCommandError, match="was sent with another key"):
            await client.send(MODEL, id="one", key="another")


async def test_an_id_that_another_process_has_used_is_rejected_and_hurts_only_the_second() -> None:
    twin = Twin()
    async with twin.client() as one, twin.client() as two:
        first = await one.send(MODEL, id="one")
        second = await two.send(ListAudienceModels(), id="one")
        with pytest.raises(RejectedError, match="IdMisuse"):
            await second.result(1)
        await settled()
        assert first.end is None
        twin.finish(next(iter(twin.account.things)))
        assert (await first.result(1))["status"] == "ACTIVE"


async def test_a_client_that_starts_later_finds_what_was_sent_before() -> None:
    twin = Twin(now=1_000_000.0)
    async with twin.client() as client:
        job = await client.send(MODEL, id="one", key="k")
        waiting = asyncio.create_task(job.result())
        await settled()
    with pytest.raises(NotConnectedError, match="the command goes on"):
        await waiting
    twin.pass_time(60)
    twin.finish(next(iter(twin.account.things)))
    async with twin.client() as client:
        later = await client.job("one", CreateAudienceModel, since=datetime.fromtimestamp(1_000_000, UTC), key="k")
        assert (await later.result(1))["status"] == "ACTIVE"
        assert [each.kind for each in later.changes if isinstance(each, ReplyReceived)] == [
            ReplyKind.ACCEPTED,
            ReplyKind.STARTED,
            ReplyKind.SUCCEEDED,
        ]
        late = await client.job("unknown", since=1_000_061.0)
        assert late.changes == ()
        assert await client.send(MODEL, id="one", key="k") is later


async def test_a_cancellation_has_the_commands_key_and_a_repeat_is_the_same_one() -> None:
    twin = Twin()
    async with twin.client() as client:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        job = await client.send(MODEL, id="one", key="k", not_before=tomorrow)
        cancellation = await job.cancel()
        assert await job.cancel() is cancellation
        assert (cancellation.id, cancellation.key) == ("cancel:one", b"k")
        assert (await cancellation.result(1))["cancelled"]
        with pytest.raises(FailedError, match="Cancelled"):
            await job.result(1)
        assert (await job.cancel(delete_resource=True)).id == "delete:one"
        long = await client.send(ListAudienceModels(), id="x" * 255)
        assert len((await long.cancel()).id) < 255
        unknown = await client.job("never")
        with pytest.raises(InvalidCommandError, match="the key of never is not known"):
            await unknown.cancel()


async def test_a_cancellation_goes_to_the_commands_target() -> None:
    twin = Twin()
    async with twin.client() as client, twin.client() as other:
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        job = await client.send(MODEL, id="one", key="k", target="default", not_before=tomorrow)
        assert (await job.cancel()).id == "cancel:default:one"
        resumed = await other.job("one", since=0.0, key="k")
        again = await resumed.cancel()
        assert (resumed.target, again.id) == ("default", "cancel:default:one")
        assert (await again.result(1))["cancelled"]


async def test_only_the_own_source_and_tenant_are_heard() -> None:
    twin = Twin()
    async with (
        twin.client(source="/one") as one,
        twin.client(source="/two") as two,
        twin.client("/one", tenant="x") as x,
    ):
        jobs = [await each.send(ListAudienceModels(), id="same") for each in (one, two)]
        for job in jobs:
            await job.result(1)
        assert all(len(job.changes) == 2 for job in jobs)
        assert (await x.job("same", since=0.0)).changes == ()


async def test_a_dropped_handle_leaves_nothing_behind() -> None:
    twin = Twin()
    async with twin.client() as client:
        for number in range(100):
            await client.send(ListAudienceModels(), id=f"{number}")
        await settled()
        gc.collect()
        assert len(client._jobs) == 0


async def test_replies_in_one_topic_of_ones_own() -> None:
    twin = Twin(limits=None)
    async with twin.client(reply_to="cleanroomsml.replies") as client:
        job = await client.send(ListAudienceModels())
        await job.result(1)
        assert {each.topic for each in twin.published} == {"cleanroomsml.replies"}


async def test_all_changes_and_the_history() -> None:
    twin = Twin()
    async with twin.client(source="/one") as one, twin.client(source="/two") as two:
        await (await one.send(ListAudienceModels(), id="a")).result(1)
        changes = two.changes()
        first = asyncio.create_task(changes.__anext__())
        await settled()
        await one.send(ListAudienceModels(), id="b")
        assert (await first).command_id == "b"
        await changes.aclose()
        assert [each.command_id async for each in two.history(0.0)] == ["a", "a", "b", "b"]


async def test_a_client_may_be_opened_again() -> None:
    twin = Twin()
    client = twin.client()
    async with client:
        job = await client.send(MODEL, id="one")
        await job.accepted(1)
    with pytest.raises(NotConnectedError):
        await job.result(1)
    async with client:
        assert await client.send(MODEL, id="one") is job
        twin.finish(next(iter(twin.account.things)))
        assert (await job.result(1))["status"] == "ACTIVE"


async def test_a_client_that_is_not_open() -> None:
    client = Client(ClientSettings(bootstrap_servers="", source="/x"))
    with pytest.raises(NotConnectedError):
        await client.send(ListAudienceModels())
    with pytest.raises(NotConnectedError):
        await client.job("one")
    with pytest.raises(ValueError, match="since has no time zone"):
        async with Twin().client() as opened:
            await opened.job("one", since=datetime(2026, 1, 1))


class Broken:
    """A transport whose reader fails, at once or later."""

    def __init__(self, at_open: bool) -> None:
        self.at_open, self.closed = at_open, 0
        self.fail = asyncio.Event()

    async def open(self, since: float | None = None) -> None:
        return None

    async def send(self, message: Message) -> tuple[str, int, int]:
        return "t", 0, 0

    def reader(self) -> Any:
        if self.at_open:
            return Refusing(self)
        return self

    async def read(self) -> list[Received]:
        await self.fail.wait()
        raise UnreachableError("gone for good")

    async def ends(self) -> Positions:
        return {}

    def positions(self) -> Positions:
        return {}

    async def close(self) -> None:
        self.closed += 1


class Defective(Broken):
    """A reader with a defect."""

    async def read(self) -> list[Received]:
        await self.fail.wait()
        raise TypeError("unhashable")


class Refusing(Broken):
    def __init__(self, transport: Broken) -> None:
        super().__init__(False)
        self.transport = transport

    async def open(self, since: float | None = None) -> None:
        raise UnreachableError("no topic")

    async def close(self) -> None:
        self.transport.closed += 1


async def test_what_fails_to_open_is_closed() -> None:
    transport = Broken(at_open=True)
    with pytest.raises(UnreachableError, match="no topic"):
        async with Client(ClientSettings(bootstrap_servers="", source="/x"), transport):
            pass
    assert transport.closed == 2, "reader and transport"


async def test_when_following_ends_for_good_no_wait_goes_on() -> None:
    transport = Broken(at_open=False)
    async with Client(ClientSettings(bootstrap_servers="", source="/x"), transport) as client:
        job = await client.send(ListAudienceModels())
        waiting = asyncio.create_task(job.result())
        await settled()
        transport.fail.set()
        with pytest.raises(UnreachableError, match="gone for good"):
            await waiting


async def test_no_wait_hangs_for_a_defect_nor_does_one_that_begins_later() -> None:
    transport = Defective(at_open=False)
    async with Client(ClientSettings(bootstrap_servers="", source="/x"), transport) as client:
        job = await client.send(ListAudienceModels())
        waiting = asyncio.create_task(job.result(1))
        await settled()
        transport.fail.set()
        with pytest.raises(NotConnectedError, match="ended with TypeError"):
            await waiting
        with pytest.raises(NotConnectedError, match="ended with TypeError"):
            await (await client.send(ListAudienceModels())).result(1)


async def test_a_typed_request_has_the_types_of_the_table() -> None:
    request = CancelCommand(commandId="a", commandSource="b")
    assert request.operation == "CancelCommand"
    assert CreateTrainingDataset.operation == "CreateTrainingDataset"
