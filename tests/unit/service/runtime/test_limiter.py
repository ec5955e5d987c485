"""The budget's waiting: order, rate, rest after a throttle, share, and waiters that give up."""

import asyncio

import pytest

from service.core.rate_budget import Lane
from service.runtime.limiter import Limiter, Turn
from tests.support.clock import LoopClock

pytestmark = pytest.mark.looptime


def limiter(reads: float = 10.0, writes: float = 2.0) -> Limiter:
    return Limiter(LoopClock(), reads_per_second=reads, writes_per_second=writes)


async def grants(made: Limiter, *lanes: Lane) -> list[tuple[Lane, float]]:
    """Who was let through, and when."""
    order: list[tuple[Lane, float]] = []

    async def wait(lane: Lane) -> None:
        await made.take(lane)
        order.append((lane, asyncio.get_running_loop().time()))

    await asyncio.gather(*map(wait, lanes))
    return order


async def drained(made: Limiter, lane: Lane) -> None:
    """Takes the savings of a limiter of at most one call a second."""
    await made.take(lane)


async def test_savings_go_at_once_and_then_at_the_rate() -> None:
    times = [at for _, at in await grants(limiter(writes=2.0), *[Lane.CREATE] * 6)]
    assert times == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.5, 2.0], abs=0.01)


async def test_a_rate_below_one_a_second() -> None:
    times = [at for _, at in await grants(limiter(writes=0.1), *[Lane.CREATE] * 3)]
    assert times == pytest.approx([0.0, 10.0, 20.0], abs=0.1)


async def test_lanes_take_turns_and_each_goes_by_arrival() -> None:
    made = limiter(writes=1.0)
    await drained(made, Lane.CREATE)
    order = await grants(made, Lane.CREATE, Lane.CREATE, Lane.CREATE, Lane.REMOVE, Lane.REMOVE)
    assert [lane for lane, _ in order] == [Lane.REMOVE, Lane.CREATE, Lane.REMOVE, Lane.CREATE, Lane.CREATE]


async def test_reads_and_polls_take_turns_and_neither_waits_behind_writes() -> None:
    made = limiter(reads=1.0, writes=1.0)
    await drained(made, Lane.READ)
    await drained(made, Lane.CREATE)
    order = await grants(made, Lane.READ, Lane.READ, Lane.CREATE, Lane.POLL, Lane.CREATE, Lane.CREATE)
    assert [lane for lane, _ in order if not lane.writes] == [Lane.POLL, Lane.READ, Lane.READ]
    assert dict(order)[Lane.POLL] < dict(order)[Lane.CREATE]


@pytest.mark.parametrize(
    ("flood", "lane"), [(flood, lane) for flood in Lane for lane in Lane if flood.writes is lane.writes]
)
async def test_no_flood_of_one_lane_starves_another(flood: Lane, lane: Lane) -> None:
    made = limiter(reads=1.0, writes=1.0)
    order = await grants(made, *[flood] * 50, lane)
    last = [granted for granted, _ in order].index(lane) if lane is not flood else 0
    assert last <= 2


async def test_a_throttle_halves_and_successes_restore() -> None:
    made = limiter(writes=8.0)
    for expected in (4.0, 2.0, 1.0):
        made.throttled(Lane.CREATE)
        assert made.statistics()["writes_per_second"] == expected
    assert made.statistics()["reads_per_second"] == 10.0
    began = asyncio.get_running_loop().time()
    times = [at - began for _, at in await grants(made, *[Lane.CREATE] * 3)]
    assert times == pytest.approx([1.0, 2.0, 3.0], abs=0.01)  # the savings are gone too
    for _ in range(30):
        made.succeeded(Lane.CREATE)
    assert made.statistics()["writes_per_second"] == 8.0


async def test_a_storm_never_stops_the_calls_for_good() -> None:
    made = limiter(writes=10.0)
    for _ in range(100):
        made.throttled(Lane.CREATE)
    await asyncio.wait_for(made.take(Lane.CREATE), 5.0)


async def test_a_throttle_while_waiting_makes_the_wait_longer() -> None:
    made = limiter(writes=1.0)
    await drained(made, Lane.CREATE)
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(made.take(Lane.CREATE))
    await asyncio.sleep(0.9)
    made.throttled(Lane.CREATE)
    await waiting
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.9, abs=0.05)


async def test_who_gives_up_costs_nothing() -> None:
    made = limiter(writes=1.0)
    await drained(made, Lane.CREATE)
    began = asyncio.get_running_loop().time()
    tasks = [asyncio.create_task(made.take(Lane.CREATE)) for _ in range(5)]
    await asyncio.sleep(0.1)
    for task in tasks[:4]:
        task.cancel()
    await tasks[4]
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.05)
    assert all(task.cancelled() for task in tasks[:4])
    assert made.statistics()["writes_waiting"] == 0.0


async def test_the_share_sets_the_rate_and_keeps_the_throttling() -> None:
    made = limiter(reads=10.0, writes=8.0)
    made.throttled(Lane.CREATE)
    made.share(0.5)
    assert (made.statistics()["reads_per_second"], made.statistics()["writes_per_second"]) == (5.0, 2.0)
    made.share(1.0)
    assert (made.statistics()["reads_per_second"], made.statistics()["writes_per_second"]) == (10.0, 4.0)


async def test_a_greater_share_wakes_who_waits() -> None:
    made = limiter(writes=10.0)
    made.share(0.01)
    await drained(made, Lane.CREATE)
    began = asyncio.get_running_loop().time()
    waiting = asyncio.create_task(made.take(Lane.CREATE))
    await asyncio.sleep(0.1)
    made.share(1.0)
    await waiting
    assert asyncio.get_running_loop().time() - began < 0.3


async def test_statistics_count_who_waits() -> None:
    made = limiter(writes=1.0)
    tasks = [asyncio.create_task(made.take(Lane.CREATE)) for _ in range(4)]
    await asyncio.sleep(0.1)
    assert made.statistics()["writes_waiting"] == 3.0
    await asyncio.gather(*tasks)
    assert made.statistics()["writes_waiting"] == 0.0


def pool(connections: int, window: float = 2.0, clock: LoopClock | None = None) -> Limiter:
    """A budget that is never short of tokens."""
    return Limiter(
        clock or LoopClock(), reads_per_second=1e6, writes_per_second=1e6, connections=connections, window=window
    )


async def used(made: Limiter, seconds: float, lane: Lane = Lane.CREATE) -> None:
    """A call holds its connection so long."""
    turn = await made.take(lane)
    await turn.connect()
    await asyncio.sleep(seconds)
    turn.used = True
    turn.release()


async def granted(made: Limiter, lane: Lane) -> list[Turn]:
    """All turns that there are at once."""
    return list(iter(lambda: made.try_take(lane), None))


@pytest.mark.parametrize(
    ("seconds", "writes"),
    [(0.001, 4 * 10), (0.5, 3 * 10), (0.9, 21), (1.1, 10), (60.0, 10)],
)
async def test_there_are_as_many_turns_as_get_a_connection_while_their_permission_is_good(
    seconds: float, writes: int
) -> None:
    made = pool(10)
    turns = await granted(made, Lane.CREATE)
    assert len(turns) == 10  # how long calls take is not known yet
    for turn in turns:
        turn.release()
    await used(made, seconds)
    await used(made, seconds, Lane.READ)
    assert len(await granted(made, Lane.CREATE)) == writes
    assert len(await granted(made, Lane.READ)) == 10, "reads need no permission, and wait here"


async def test_a_call_that_ends_makes_room_for_the_lane_whose_turn_it_is() -> None:
    made = pool(1)
    first = await made.take(Lane.CREATE)
    order: list[Lane] = []

    async def next_one(lane: Lane) -> None:
        turn = await made.take(lane)
        order.append(lane)
        turn.release()

    others = [asyncio.create_task(next_one(lane)) for lane in (Lane.CREATE, Lane.CREATE, Lane.REMOVE)]
    await asyncio.sleep(1.0)
    assert order == []
    assert made.statistics()["writes_waiting"] == 3.0
    first.release()
    first.release()  # once is enough
    await asyncio.gather(*others)
    assert order == [Lane.REMOVE, Lane.CREATE, Lane.CREATE]
    assert len(await granted(made, Lane.CREATE)) == 1


async def test_a_turn_that_was_not_used_gives_its_token_back() -> None:
    made = Limiter(LoopClock(), reads_per_second=1.0, writes_per_second=1.0, connections=5)
    turn = await made.take(Lane.CREATE)
    assert not made.ready(Lane.CREATE)
    turn.release()
    turn = await made.take(Lane.CREATE)
    turn.used = True
    turn.release()
    assert made.try_take(Lane.CREATE) is None


async def test_who_gives_up_as_its_turn_comes_leaves_room() -> None:
    made = pool(1)
    first = await made.take(Lane.CREATE)
    waiting = asyncio.create_task(made.take(Lane.CREATE))
    await asyncio.sleep(0)
    first.release()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert len(await granted(made, Lane.CREATE)) == 1


async def test_who_waits_comes_before_who_asks_later() -> None:
    made = pool(1)
    first = await made.take(Lane.CREATE)
    waiting = asyncio.create_task(made.take(Lane.CREATE))
    await asyncio.sleep(0)
    first.release()
    assert made.try_take(Lane.CREATE) is None
    (await waiting).release()


async def test_budgets_tell_how_long_the_oldest_waits() -> None:
    clock = LoopClock()
    limiter = Limiter(clock, reads_per_second=10.0, writes_per_second=0.01)
    await limiter.take(Lane.CREATE)
    assert limiter.budgets()["writes"].waiting == 0
    waiting = asyncio.create_task(limiter.take(Lane.CREATE))
    await asyncio.sleep(30.0)
    later = asyncio.create_task(limiter.take(Lane.CREATE))
    await asyncio.sleep(10.0)
    budget = limiter.budgets()["writes"]
    assert (budget.limit, budget.rate, budget.waiting, budget.oldest) == (0.01, 0.01, 2, 40.0)
    limiter.throttled(Lane.CREATE)
    assert limiter.budgets()["writes"].rate == 0.005
    for task in (waiting, later):
        task.cancel()
    await asyncio.wait([waiting, later])
    assert limiter.budgets()["writes"].waiting == 0
    assert limiter.budgets()["reads"].oldest == 0.0


async def slow_after(made: Limiter, seconds: float) -> list[str]:
    """Calls wait so long, each of which is throttled as soon as it has left; then none waits any more."""

    async def call() -> None:
        while True:
            await made.take(Lane.CREATE)
            made.throttled(Lane.CREATE)

    calls = [asyncio.create_task(call()) for _ in range(3)]
    await asyncio.sleep(seconds)
    slow = made.slow()
    for each in calls:
        each.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    return slow


async def test_a_bucket_is_slow_when_calls_have_waited_a_minute_for_a_throttled_target() -> None:
    made = limiter(writes=1.0)
    assert await slow_after(made, 50.0) == []
    await made.take(Lane.CREATE)
    assert await slow_after(made, 50.0) == []  # since nothing waited, what comes next has its minute again
    assert await slow_after(made, 100.0) == ["writes"]
    await made.take(Lane.CREATE)
    assert made.slow() == []


async def test_a_bucket_is_not_slow_because_its_limit_is() -> None:
    made = limiter(writes=0.01)
    crowd = [asyncio.create_task(made.take(Lane.CREATE)) for _ in range(5)]
    await asyncio.sleep(250.0)
    assert made.slow() == []
    await asyncio.gather(*crowd)


async def test_a_bucket_is_no_longer_slow_when_its_rate_has_grown_again() -> None:
    made = limiter(writes=1.0)
    crowd = [asyncio.create_task(made.take(Lane.CREATE)) for _ in range(50)]
    for _ in range(3):
        made.throttled(Lane.CREATE)
    await asyncio.sleep(61.0)
    assert made.slow() == ["writes"]
    for _ in range(3):
        made.succeeded(Lane.CREATE)
    assert made.slow() == []
    await asyncio.gather(*crowd)
