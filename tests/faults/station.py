"""The ground under the laboratories: one Kafka with a listener for each, one sandbox, and what strikes them all."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.cleanroomsml.options import Options, Quotas, Timing
from sandbox.embedded import running_sandbox
from sandbox.kafka.broker import Broker, BrokerError, free_port
from tests.faults.rendezvous import Rendezvous

QUOTA = 6
"""Audience models at once: few, so that commands wait for a slot."""
_OPTIONS = Options(
    timing=Timing(pending=0.15, floor=0.3),
    quotas=Quotas(audience_models=QUOTA, exports_per_generation_job=1_000_000),
    jobs_module="tests.support.quick_jobs",
)


@dataclass
class Station:
    """What laboratories share.

    Attributes:
        broker: It has a listener of its own for each laboratory, which advertises that laboratory's proxy.
        lines: (port of the proxy, port of the listener) by laboratory.
        url: The sandbox.
    """

    broker: Broker
    lines: list[tuple[int, int]]
    url: str
    directory: Path
    access: Mapping[str, str] = field(default_factory=dict)
    """Settings by which a laboratory's replicas are let in."""
    accounts: "itertools.count[int]" = field(default_factory=lambda: itertools.count(300_000_000_001))
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    meeting: Rendezvous = field(default_factory=Rendezvous)
    """Where laboratories wait for each other before something strikes them all."""

    async def together(self, act: Callable[[], Awaitable[None]]) -> None:
        """Does something once for all laboratories; returns when it is done."""
        await self.meeting.together(act)

    async def mend(self) -> None:
        """Starts the broker if a run has left it dead."""
        try:
            _ = self.broker.pid
        except BrokerError:
            await self.broker.start()


@dataclass(frozen=True, slots=True)
class Footing:
    """What is special about a station's broker.

    Attributes:
        config: Properties.
        prepare: Called with the address when the broker runs.
        access: See `Station`.
        protocol: Of the laboratories' listeners.
    """

    config: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[str], None] = lambda _: None
    access: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "PLAINTEXT"


@asynccontextmanager
async def station(directory: Path, laboratories: int, footing: Footing | None = None) -> AsyncIterator[Station]:
    """A running station; all of it ends with the block."""
    footing = footing or Footing()
    port, controller = free_port(), free_port()
    lines = [(free_port(), free_port()) for _ in range(laboratories)]
    names = [f"LAB{number}" for number in range(laboratories)]
    listeners = [f"{name}://127.0.0.1:{listener}" for name, (_, listener) in zip(names, lines, strict=True)]
    advertised = [f"{name}://127.0.0.1:{proxy}" for name, (proxy, _) in zip(names, lines, strict=True)]
    plain = f"PLAINTEXT://127.0.0.1:{port}"
    protocols = ["PLAINTEXT:PLAINTEXT", "CONTROLLER:PLAINTEXT", *(f"{name}:{footing.protocol}" for name in names)]
    settings = {
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": ",".join([plain, *listeners, f"CONTROLLER://127.0.0.1:{controller}"]),
        "advertised.listeners": ",".join([plain, *advertised]),
        "listener.security.protocol.map": ",".join(protocols),
        "inter.broker.listener.name": "PLAINTEXT",
        **footing.config,
    }
    broker = Broker(port, directory / "kafka", config=settings)
    with running_sandbox(_OPTIONS) as url:
        try:
            await broker.start()
            await asyncio.to_thread(footing.prepare, broker.bootstrap)
            yield Station(broker, lines, url, directory, footing.access)
        finally:
            await broker.stop()
