"""Faults of clocks: one replica's wall clock is stepped while it runs, or is wrong when it starts.

libfaketime (Debian's ``faketime``) shifts the wall clock of the whole process, its signatures and logs included, and
leaves the monotonic clocks alone, as NTP or a hypervisor does.
"""

import asyncio
import signal
from pathlib import Path

from tests.faults.lab import Lab
from tests.faults.processes import resumed
from tests.faults.runner import Inject, Mark
from tests.faults.workers import Worker

HOUR, DAY = 3600.0, 86_400.0
_LASTS = 8.0
"""Seconds for which the clock is wrong: twice the settling time of the laboratory."""
_TAKEN = 30.0
_LIBRARY = next((str(file) for file in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), "")


def stepped(seconds: float) -> Inject:
    """The clock of a replica is wrong for a while, amid answers that are lost and commands that are sent again."""

    async def inject(lab: Lab, mark: Mark) -> None:
        stepped, file = await _with_own_clock(lab)
        await lab.start()
        await _lose_answers(lab)
        mark.now()
        file.write_text(f"{seconds:+.0f}")
        await asyncio.sleep(_LASTS)
        file.write_text("+0")
        await _lose_answers(lab)
        assert stepped.alive, f"{stepped.name} ended: {stepped.tail()}"

    return inject


def started(seconds: float) -> Inject:
    """A replica starts with a wrong clock, takes everything over, and is corrected later."""

    async def inject(lab: Lab, mark: Mark) -> None:
        wrong, file = await _with_own_clock(lab)
        file.write_text(f"{seconds:+.0f}")
        await lab.start()
        await _lose_answers(lab)
        mark.now()
        for other in lab.workers:
            if other is not wrong:
                other.kill()
        await resumed(lab, mark.since, _TAKEN)
        await asyncio.sleep(_LASTS)
        file.write_text("+0")
        await asyncio.sleep(1)
        mark.now()
        for other in lab.workers:
            if other is not wrong:
                other.start()

    return inject


async def _with_own_clock(lab: Lab) -> tuple[Worker, Path]:
    """A replica in the place of the first one, with a clock that follows a file; not started."""
    assert _LIBRARY, "libfaketime is needed: install Debian's package faketime"
    file = lab.directory / "clock"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("+0")
    worker = lab.worker(
        f"c{lab.chance.randrange(10**6)}",
        LD_PRELOAD=_LIBRARY,
        FAKETIME_TIMESTAMP_FILE=str(file),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    lab.workers[0].send(signal.SIGTERM)
    await lab.workers[0].ended(20)
    lab.workers[0] = worker
    return worker, file


async def _lose_answers(lab: Lab) -> None:
    for tenant in range(len(lab.worlds)):
        await asyncio.to_thread(lab.fault, "close_after_effect", "Create*", tenant, count=2)
