"""The service from its image, hardened, with a real Kafka and the sandbox's image."""

import asyncio
import os
from collections.abc import Callable

import pytest

from tests.acceptance.films import Films
from tests.acceptance.harness import Client, assert_gap_free
from tests.image.conftest import answers, wait
from tests.image.containers import SERVICE, attempt, podman, said, since_boot, started
from tests.support.sandbox_account import World

MAX_START_SECONDS = 1.5
MAX_IDLE_MEGABYTES = 95
SETTLED = 5.0
TRIES = 5

MOUNTED = {"C /etc"}
"""Names of hosts and of this one, which podman puts there."""


def ready(environment: dict[str, str]) -> Callable[[], bool]:
    return lambda: answers(f"http://127.0.0.1:{environment['CRML_HTTP__PORT']}/readyz")


async def test_a_command_to_its_reply(environment: dict[str, str], world: World) -> None:
    environment |= {"CRML_POLLING__TICK": "0.1", "CRML_POLLING__KINDS__AUDIENCE_MODEL__FIRST": "0.2"}
    films = Films.upload(world)
    assert "created" in said(SERVICE, "topics", environment=environment)
    assert "ready to run" in said(SERVICE, "check", environment=environment)
    with started(SERVICE, environment=environment) as container:
        await asyncio.to_thread(wait, ready(environment), container, 30)
        bootstrap, prefix = environment["CRML_KAFKA__BOOTSTRAP_SERVERS"], environment["CRML_TOPICS__PREFIX"]
        async with Client(bootstrap, prefix) as client:
            dataset = await films.dataset_made(client)
            model = await client.perform("CreateAudienceModel", films.model(dataset), command_id="model")
            await client.event(model["audienceModelArn"], "ACTIVE")
            assert model["status"] == "ACTIVE"
            assert_gap_free(client.events())
        code = await asyncio.to_thread(container.stop)
        assert code == 0, container.logs
        assert '"stopped"' in container.logs.splitlines()[-1]
        assert set(podman("diff", container.name).splitlines()) <= MOUNTED, "something was written"


def test_the_process_has_no_rights(environment: dict[str, str]) -> None:
    said(SERVICE, "topics", environment=environment)
    with started(SERVICE, environment=environment) as container:
        wait(ready(environment), container, 30)
        status = container.status()
        assert set(status["Uid"].split()) == set(status["Gid"].split()) == {"65532"}
        assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == int(status["CapBnd"], 16) == 0
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
        assert status["Name"] == "python"
        assert status["NSpid"].split()[-1] == "1"


def test_it_runs_as_anybody(environment: dict[str, str]) -> None:
    """Some clusters give each namespace users of its own."""
    said(SERVICE, "topics", environment=environment)
    with started(SERVICE, environment=environment, options=("--user=1000660000:0",)) as container:
        wait(ready(environment), container, 30)
        assert container.stop() == 0


def test_wrong_settings_are_told(environment: dict[str, str]) -> None:
    variables = [f"--env={name}={value}" for name, value in (environment | {"CRML_HTTP__PORT": "high"}).items()]
    done = attempt("run", "--rm", "--network=host", "--read-only", *variables, SERVICE)
    assert done.returncode == 2
    assert "http.port" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.timeout(180)
def test_start_and_memory(environment: dict[str, str], measured: dict[str, str]) -> None:
    """From the process's first moment to a ready probe, and resident memory once it is idle; no job is known."""
    said(SERVICE, "topics", environment=environment)
    walls: list[float] = []
    cpus: list[float] = []
    resident = 0.0
    bound = MAX_START_SECONDS * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    while len(walls) < TRIES and min(walls, default=bound + 1) > MAX_START_SECONDS:
        with started(SERVICE, environment=environment) as container:
            wait(ready(environment), container, 30)
            walls.append(since_boot() - container.started())
            cpus.append(container.cpu_seconds())
            if not resident:
                asyncio.run(asyncio.sleep(SETTLED))
                resident = int(container.status()["VmRSS"].split()[0]) * 1024 / 1e6
            container.stop()
    measured["start: process to ready, empty changelog"] = (
        f"{min(walls):.2f} s, best of {len(walls)} (at most {MAX_START_SECONDS}; "
        f"{bound:.1f} at this load of {os.getloadavg()[0]:.1f}); CPU time {min(cpus):.2f} s"
    )
    measured["resident memory, idle"] = f"{resident:.0f} MB (at most {MAX_IDLE_MEGABYTES})"
    assert min(walls) <= bound, measured
    assert min(cpus) <= MAX_START_SECONDS, measured
    assert resident <= MAX_IDLE_MEGABYTES, measured
