"""All commands, a page at a time: complete, in order, and at a bounded cost."""

import random
from collections.abc import Iterator

import pytest

from schemas import records
from schemas.operations import OPERATIONS
from schemas.records import Job, Phase, ResourceState, job_key, resource_key
from service.core.command_state import ENDED, OPEN, CommandState, state_of
from service.core.job import replace
from service.runtime import catalogue
from service.runtime.catalogue import Catalogue, Cursor, FoundPage, InvalidCursor, Query
from service.runtime.ports import TopicPartition
from service.runtime.store import Store
from tests.support.builders import ARN, NOW, command, job

MODEL, DATASET = OPERATIONS["CreateAudienceModel"], OPERATIONS["CreateTrainingDataset"]
EVERY = frozenset(CommandState)


class Partitions:
    """Stores by partition, filled as a restore fills them."""

    def __init__(self, count: int = 3) -> None:
        self.held = {TopicPartition("commands", number): Store() for number in range(count)}

    def stores(self) -> Iterator[tuple[TopicPartition, Store]]:
        yield from self.held.items()

    def put(self, number: int, *jobs: Job) -> None:
        store = self.held[TopicPartition("commands", number)]
        for each in jobs:
            store.load(job_key(each.command.source, each.command.id), records.encode(each))


def made(number: int, phase: Phase = Phase.INTENDED, at: float = 0.0, **more: object) -> Job:
    """One job: ``at`` is its acceptance, or its end if it has ended."""
    ended = phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED, Phase.PARKED)
    operation = MODEL if number % 2 else DATASET
    wanted = command(operation, id=f"c-{number}", source=f"/s{number % 3}", target=f"t{number % 2}")
    fields: dict[str, object] = {"accepted_at": NOW + at, "finished_at": NOW + at if ended else 0.0, **more}
    return replace(job(operation, phase), command=wanted, **fields)


async def walk(asked: Catalogue, query: Query) -> list[FoundPage]:
    """Every page to the end."""
    pages = [await asked.page(query)]
    while pages[-1].cursor is not None:
        cursor = Cursor.decode(pages[-1].cursor.encode())
        pages.append(await asked.page(replace_query(query, cursor)))
        assert len(pages) < 500
    return pages


def replace_query(query: Query, cursor: Cursor) -> Query:
    fields = {name: getattr(query, name) for name in Query.__slots__}
    return Query(**{**fields, "cursor": cursor})


def ids(pages: list[FoundPage]) -> list[str]:
    return [each.job.command.id for page in pages for each in page.commands]


PHASES = (Phase.INTENDED, Phase.QUEUED, Phase.RUNNING, Phase.PARKED, Phase.SUCCEEDED, Phase.FAILED, Phase.REJECTED)


@pytest.mark.parametrize("limit", [1, 7, 200])
@pytest.mark.parametrize("newest", [False, True])
@pytest.mark.parametrize("seed", [1, 2])
async def test_pages_hold_every_command_once_in_order(seed: int, newest: bool, limit: int) -> None:
    """Many were accepted, or have ended, at the same time."""
    draw, partitions = random.Random(seed), Partitions()
    jobs = [made(number, draw.choice(PHASES), float(draw.randrange(12))) for number in range(150)]
    for each in sorted(jobs, key=lambda job: job.finished_at or job.accepted_at):
        partitions.put(draw.randrange(3), each)
    pages = await walk(Catalogue(partitions), Query(states=EVERY, newest=newest, limit=limit))
    assert sorted(ids(pages)) == sorted(each.command.id for each in jobs)
    assert all(len(page.commands) <= limit for page in pages)
    found = [each.job for page in pages for each in page.commands]
    opened = [each.accepted_at for each in found if state_of(each) in OPEN]
    closed = [each.finished_at for each in found if state_of(each) in ENDED]
    assert opened == sorted(opened, reverse=newest)
    assert closed == sorted(closed, reverse=True)
    assert [state_of(each) in ENDED for each in found] == sorted(state_of(each) in ENDED for each in found)


async def test_pages_go_on_where_they_stopped_although_the_clocks_of_owners_differed() -> None:
    """A partition has its ends in the order of its commits, which need not be that of their times."""
    partitions = Partitions(1)
    for number, at in enumerate([*range(40), *range(5, 30), *range(90, 100), *range(20)]):
        partitions.put(0, made(number, Phase.SUCCEEDED, float(at)))
    pages = await walk(Catalogue(partitions), Query(states=frozenset(ENDED), limit=7))
    assert ids(pages) == [f"c-{number}" for number in reversed(range(95))]


async def test_what_changes_between_two_pages_hides_nothing_that_stays() -> None:
    partitions = Partitions(2)
    jobs = [made(number, Phase.QUEUED, float(number)) for number in range(40)]
    for each in jobs:
        partitions.put(int(each.command.id[2:]) % 2, each)
    asked = Catalogue(partitions)
    first = await asked.page(Query(limit=10))
    assert first.cursor is not None
    for gone in (jobs[9], jobs[10], jobs[25]):  # the last one shown among them
        done = replace(gone, phase=Phase.SUCCEEDED, finished_at=NOW + 100)
        partitions.put(int(gone.command.id[2:]) % 2, done)
    rest = await walk(asked, Query(limit=10, cursor=first.cursor))
    assert ids(rest) == [f"c-{number}" for number in range(11, 40) if number != 25]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (Query(states=EVERY, text="C-7"), {7}),
        (Query(states=EVERY, text="/s1"), {1, 4, 7, 10}),
        (Query(states=EVERY, operation="CreateAudienceModel"), {1, 3, 5, 7, 9, 11}),
        (Query(states=EVERY, target="t0"), {0, 2, 4, 6, 8, 10}),
        (Query(states=EVERY, tenant=""), set(range(12))),
        (Query(states=EVERY, tenant="other"), set()),
        (Query(states=EVERY, text="spring"), set(range(12))),
        (Query(states=EVERY, text="for the spring campaign"), set()),
        (Query(states=EVERY, text="t1", operation="CreateTrainingDataset"), set()),
        (Query(states=frozenset({CommandState.STARTED})), {1, 5, 9}),
    ],
)
async def test_filters(query: Query, expected: set[int]) -> None:
    """A text is searched for in what is shown, never in the payload beside it: that would say what is in it."""
    partitions = Partitions()
    for number in range(12):
        partitions.put(number % 3, made(number, Phase.RUNNING if number % 4 == 1 else Phase.INTENDED, float(number)))
    pages = await walk(Catalogue(partitions), query)
    assert set(ids(pages)) == {f"c-{number}" for number in expected}


async def test_text_beyond_ascii_and_quotes_are_found() -> None:
    partitions = Partitions()
    for number, name in enumerate(("Ärger", 'a "quoted" one', "back\\slash", "<img onerror>")):
        wanted = command(MODEL, id=f"c-{number}", params={"name": name})
        partitions.put(0, replace(job(MODEL), command=wanted))
    for number, text in enumerate(("äRGER", 'A "Quoted"', "back\\s", "<IMG")):
        assert ids(await walk(Catalogue(partitions), Query(text=text))) == [f"c-{number}"]


async def test_an_ended_command_is_found_by_the_name_that_its_resource_has() -> None:
    partitions = Partitions()
    arn = ARN.format(kind="training-dataset")
    done = replace(made(2, Phase.SUCCEEDED), resource_id=arn, command=command(DATASET, id="c-2", params={}))
    partitions.put(1, done, made(4, Phase.SUCCEEDED))
    state = ResourceState(arn, "training-dataset", 1, "created", "Purchases of May")
    resources = partitions.held[TopicPartition("commands", 2)]
    resources.load(resource_key("training-dataset", arn), records.encode(state))
    asked = Catalogue(partitions)
    assert ids(await walk(asked, Query(states=EVERY, text="purchases"))) == ["c-2"]
    assert asked.named(done) == "Purchases of May"
    assert asked.resource(arn) == [state]
    assert asked.resource("arn:other") == []


async def test_a_search_ends_within_its_budget_and_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "BUDGET", 300)
    partitions = Partitions()
    for number in range(900):
        partitions.put(number % 3, made(number, Phase.SUCCEEDED, float(number)))
    pages = await walk(Catalogue(partitions), Query(states=EVERY, text="c-17"))
    assert set(ids(pages)) == {f"c-{number}" for number in range(900) if "17" in str(number)[:2]}
    assert [page.exhausted for page in pages] == [True] * (len(pages) - 1) + [False]
    assert max(page.searched for page in pages) <= 300


async def test_others_have_their_turn_during_a_search(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = 0

    async def counted(_seconds: float) -> None:
        nonlocal turns
        turns += 1

    monkeypatch.setattr("service.runtime.catalogue.asyncio.sleep", counted)
    partitions = Partitions(1)
    for number in range(3000):
        partitions.put(0, made(number, Phase.RUNNING, float(number)))
    await Catalogue(partitions).page(Query(text="nothing has this"))
    few = turns
    await Catalogue(partitions).page(Query(states=frozenset({CommandState.WAITING})))
    assert few == pytest.approx(3000 * catalogue.COMPARING // catalogue.SLICE, abs=1)
    assert turns - few == pytest.approx(3000 * catalogue.DECODING // catalogue.SLICE, abs=1)


async def test_the_first_page_of_many_ended_commands_decodes_few(monkeypatch: pytest.MonkeyPatch) -> None:
    partitions = Partitions()
    for number in range(3000):
        partitions.put(number % 3, made(number, Phase.SUCCEEDED, float(number)))
    decoded = 0
    original = Store.job

    def counted(store: Store, key: bytes) -> Job | None:
        nonlocal decoded
        decoded += 1
        return original(store, key)

    monkeypatch.setattr(Store, "job", counted)
    asked = Catalogue(partitions)
    first = await asked.page(Query(states=frozenset(ENDED), limit=50))
    assert decoded < 150
    deep = Cursor(True, NOW + 1500, "commands", 0, '["/s0","c-1500"]')
    decoded = 0
    page = await asked.page(Query(states=frozenset(ENDED), limit=50, cursor=deep))
    assert decoded < 250
    assert ids([first])[:2] == ["c-2999", "c-2998"]
    assert ids([page])[:2] == ["c-1499", "c-1498"]


def test_one_command_in_several_partitions() -> None:
    partitions = Partitions()
    partitions.put(0, made(1))
    partitions.put(2, made(1))
    found = Catalogue(partitions).command("/s1", "c-1")
    assert [each.partition.partition for each in found] == [0, 2]
    assert Catalogue(partitions).command("/s1", "c-2") == []


def test_counts_and_parked_commands() -> None:
    partitions = Partitions()
    for number, phase in enumerate(Phase):
        partitions.put(number % 3, made(number, phase, float(-number)))
    for number in range(20, 25):
        partitions.put(0, made(number, Phase.PARKED, float(number)))
    asked = Catalogue(partitions)
    counts = {"accepted": 3, "waiting": 1, "started": 1, "parked": 6, "succeeded": 1, "failed": 1, "rejected": 1}
    assert asked.states() == counts
    assert [each.job.command.id for each in asked.parked(2)] == ["c-8", "c-20"]
    partitions.put(0, replace(made(20, Phase.FAILED)))
    assert asked.states()["parked"] == 5


async def test_the_latest_ends_of_an_operation() -> None:
    partitions = Partitions()
    for number in range(30):
        partitions.put(number % 3, made(number, Phase.SUCCEEDED if number != 29 else Phase.FAILED, float(number)))
    found = await Catalogue(partitions).latest_succeeded("CreateAudienceModel", 4)
    assert [each.command.id for each in found] == ["c-27", "c-25", "c-23", "c-21"]


@pytest.mark.parametrize("text", ["", "x", "!!!", "W10", "WzEsMl0", "bnVsbA", "A" * 4000, "é", "WyJhIl0="])
def test_a_foreign_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        Cursor.decode(text)
