"""The twin's transport: what a client reads is what the twin has published, from a time or from now on."""

from schemas.testing import Twin, command
from schemas.testing.transport import TwinTransport


def transport(twin: Twin) -> TwinTransport:
    return TwinTransport(twin.send, twin._out)


async def test_a_reader_begins_where_it_was_opened() -> None:
    twin = Twin(now=1_000.0)
    link = transport(twin)
    first = await link.send(command("ListAudienceModels"))
    twin.now = 2_000.0
    now, since, all_ = link.reader(), link.reader(), link.reader()
    await now.open()
    assert await link.send(command("ListAudienceModels")) == (*first[:2], 1)
    await since.open(1_500.0)
    await all_.open(0.0)
    assert [len(await each.read()) for each in (now, since, all_)] == [2, 2, 4]
    assert now.positions() == await now.ends() == {("cleanroomsml.replies", 0): 4}


async def test_a_closed_reader_is_forgotten() -> None:
    twin = Twin()
    reader = transport(twin).reader()
    await reader.close()
    await reader.open()
    await reader.close()
    assert twin._out.listeners == []


async def test_replies_and_events_have_offsets_of_their_own() -> None:
    twin = Twin()
    reader = transport(twin).reader()
    await reader.open(0.0)
    twin.send(command("CreateAudienceModel", name="a", trainingDatasetArn=DATASET))
    records = await reader.read()
    assert [(each.topic.rpartition(".")[2], each.offset) for each in records] == [
        ("replies", 0),
        ("replies", 1),
        ("events", 0),
    ]
    assert len(records) == len(twin.published)


DATASET = "arn:aws:cleanrooms-ml:eu-west-1:123456789012:training-dataset/00000000-0000-4000-8000-000000000001"
