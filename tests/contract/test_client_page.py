"""Every program of docs/howto/client.md runs as it stands, in the page's order, against the twin."""

import asyncio
import re
from pathlib import Path
from typing import Any, Final

import pytest

from schemas.client import Client, ClientSettings, CreateTrainingDataset
from schemas.client import client as module
from schemas.docs import examples
from schemas.testing import Twin

PAGE: Final = Path(__file__).parents[2] / "docs" / "howto" / "client.md"
FENCE: Final = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def programs() -> list[str]:
    """The page's programs; here, the package has its folder's name."""
    return [each.replace("from cleanroomsml.", "from schemas.") for each in FENCE.findall(PAGE.read_text("utf-8"))]


@pytest.fixture
def twin(monkeypatch: pytest.MonkeyPatch) -> Twin:
    """Every client of the page talks to it."""
    twin = Twin(automatic=True)
    transport = twin.client()._transport
    monkeypatch.setattr("schemas.client.kafka.KafkaTransport", lambda _: transport)
    return twin


def defined(twin: Twin, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The names that all the programs define; the first one runs to its end meanwhile."""
    names: dict[str, Any] = {}
    for number, program in enumerate(programs()):
        exec(compile(program, f"{PAGE.name}[{number}]", "exec"), names)  # noqa: S102
    return names


async def test_all_of_them(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    names = await asyncio.to_thread(defined, twin, capsys)  # the first one is a program with a loop of its own
    assert capsys.readouterr().out.rstrip().endswith("ACTIVE")
    async with Client(ClientSettings(bootstrap_servers="", source="/planner")) as client:
        job = await client.job("taste-2026-48", since=0.0)
        await names["follow"](job)
        assert "-> ACTIVE" in capsys.readouterr().out
        assert await names["report"](job) == "CreateAudienceModel succeeded"
        await names["many"](client)
        assert capsys.readouterr().out == "1000\n"
        await names["resume"](client)
        assert capsys.readouterr().out.rstrip().endswith(" 1000")
    assert module.Client is Client
    assert CreateTrainingDataset.operation in examples.COMMANDS


@pytest.mark.parametrize("name", ["test_a_model_is_trained", "test_a_training_fails"])
def test_the_tests_of_the_page_stand_alone(name: str, twin: Twin) -> None:
    (program,) = (each for each in programs() if f"def {name}" in each)
    names: dict[str, Any] = {}
    exec(compile(program, PAGE.name, "exec"), names)  # noqa: S102
    names[name]()


async def test_the_chain_of_the_page(twin: Twin, capsys: pytest.CaptureFixture[str]) -> None:
    names = await asyncio.to_thread(defined, twin, capsys)
    async with Client(ClientSettings(bootstrap_servers="", source="/planner")) as client:
        await names["campaign"](client)
    assert ":configured-audience-model/" in capsys.readouterr().out
