"""The examples meet the real service: it rejects none, the twin agrees with it, the pages' programs run as they are."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer

from sandbox.kafka.broker import Broker
from schemas.docs import client_examples, examples
from schemas.operations import COMMANDS, RESOURCES, Kind
from schemas.testing import Twin, assert_numbered, command, parse
from schemas.testing.reading import Published
from tests.acceptance.conftest import prepared
from tests.acceptance.harness import TERMINAL, Client, Heard, ServiceProcess, until
from tests.support.node_packages import kafkajs
from tests.support.sandbox_account import World
from tests.unit.schemas.docs.test_client_examples import confluent_settings

PAGES = Path(__file__).parents[2] / "docs" / "reference"
PREFIX = "cleanroomsml"
FENCE = re.compile(r"### (?P<title>[^\n]+)\n\n```[a-z]+\n(?P<text>.*?)```", re.DOTALL)


@pytest.fixture
async def service(kafka: Broker, examples_world: World, tmp_path: Path) -> AsyncIterator[ServiceProcess]:
    """The service under the names that the pages use."""
    process = await prepared(kafka, examples_world, PREFIX, tmp_path / "service.log")
    yield process
    if process.process is not None and process.process.poll() is None:
        await process.terminate()


@pytest.fixture
async def client(kafka: Broker, service: ServiceProcess) -> AsyncIterator[Client]:
    async with Client(kafka.bootstrap, PREFIX) as client:
        yield client


@dataclass
class Story:
    """The examples, told in their order; ids that are invented give way to those that were made."""

    made: dict[str, str] = field(default_factory=dict)

    def data(self, name: str) -> dict[str, Any]:
        text = json.dumps(examples.COMMANDS[name].data)
        for invented, real in self.made.items():
            text = text.replace(invented, real)
        found: dict[str, Any] = json.loads(text)
        return found

    def learn(self, name: str, result: dict[str, Any]) -> None:
        if name in examples.MAKES:
            self.made[examples.MAKES[name]] = str(result[COMMANDS[name].resource.identity])


def _read(heard: Sequence[Heard]) -> list[Published]:
    """What was heard, read by the test kit."""
    return [
        parse(
            json.dumps(one.data).encode(),
            tuple((name, text.encode()) for name, text in one.headers.items()),
            one.key.encode(),
            one.topic,
        )
        for one in heard
    ]


def _kinds_and_keys(published: Sequence[Published]) -> list[tuple[str, list[str]]]:
    return [(one.kind, sorted(one.data)) for one in published]


def _errors(published: Sequence[Published]) -> list[tuple[str, list[str]]]:
    return [(one.data["error"]["code"], sorted(one.data["error"])) for one in published if "error" in one.data]


async def test_every_example_is_performed_and_the_twin_agrees(
    running: ServiceProcess, client: Client, examples_world: World
) -> None:
    real, invented, twin = Story(), Story(), Twin(automatic=True)
    for name in examples.COMMANDS:
        identity, extensions = examples.command_id(name), dict(examples.COMMANDS[name].extensions)
        await client.send(
            name, real.data(name), command_id=identity, source=examples.SOURCE, key="campaign-7", **extensions
        )
        end = await client.terminal(identity, 60)
        assert end.kind != "rejected", end.data
        said = twin.send(
            command(
                name,
                invented.data(name),
                command_id=identity,
                source=examples.SOURCE,
                extensions=extensions,
                check=True,
            )
        )
        heard = _read(client.replies(identity))
        replies = [one for one in said if one.is_reply]
        assert _kinds_and_keys(heard) == _kinds_and_keys(replies), name
        assert _errors(heard) == _errors(replies), name
        assert heard[-1].data["operation"] == replies[-1].data["operation"] == name
        if end.kind == "succeeded":
            real.learn(name, end.data["result"])
            invented.learn(name, dict(replies[-1].data["result"]))
            assert set(replies[-1].data["result"]) <= set(end.data["result"]), name
    failed = [name for name in examples.COMMANDS if client.replies(examples.command_id(name))[-1].kind == "failed"]
    assert [COMMANDS[name].kind for name in failed] == [Kind.CANCEL, Kind.RESOLVE], "too late, and nothing to decide"
    expected = [one for one in twin.published if not one.is_reply]
    wanted = _last(expected)
    await until(lambda: _last(_read(client.events())) == wanted, 20, lambda: str(_last(_read(client.events()))))
    _assert_events_agree(_read(client.events()), expected)


def _last(events: list[Published]) -> dict[str, str]:
    """The last status of each kind; events are numbered, and so published, after the reply to their command."""
    return {one.kind: str(one.data["status"]) for one in events}


def _assert_events_agree(real: list[Published], twin: list[Published]) -> None:
    """A poll may miss a status, and never invents one; the last one and the members are the same."""
    assert_numbered(real)
    assert_numbered(twin)
    for kind in RESOURCES:
        seen = [(str(one.data["status"]), sorted(one.data)) for one in real if one.kind == kind]
        complete = [(str(one.data["status"]), sorted(one.data)) for one in twin if one.kind == kind]
        assert seen, kind
        assert seen[-1] == complete[-1]
        rest = iter(complete)
        assert all(one in rest for one in seen), (kind, seen, complete)


async def test_the_twin_agrees_on_bad_and_repeated_commands(
    running: ServiceProcess, client: Client, examples_world: World
) -> None:
    twin = Twin()
    arn = examples.MODEL
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("ListAudienceModels", {}, "twice"),
        ("ListAudienceModels", {}, "twice"),
        ("ListAudienceModels", {"maxResults": 1}, "twice"),
        ("CreateAudienceModel", {"name": "", "trainingDatasetArn": "x", "more": 1}, "invalid"),
        ("CreateAudienceModel", {"name": "", "trainingDatasetArn": "x", "more": 1}, "invalid"),
        ("NoSuchOperation", {}, "unknown"),
        ("GetAudienceModel", {"audienceModelArn": arn}, "absent"),
        ("DeleteTrainingDataset", {"trainingDatasetArn": examples.DATASET}, "absent-too"),
        ("CancelCommand", {"commandId": "nobody", "commandSource": "nowhere"}, "cancel"),
    ]
    said: list[Published] = []
    for name, data, suffix in cases:
        identity = f"bad-{suffix}"
        before = len(client.replies(identity))
        said = twin.send(command(name, data, command_id=identity, source=examples.SOURCE, check=False))
        await client.send(name, data, command_id=identity, source=examples.SOURCE)
        await until(lambda: len(client.replies(identity)) >= before + len(said), 20, lambda: f"{name} {data}")  # noqa: B023
        heard = _read(client.replies(identity))[before:]
        assert _kinds_and_keys(heard) == _kinds_and_keys(said), (name, data)
        assert _errors(heard) == _errors(said), (name, data)
        assert [one.attributes["id"].split("/")[0] for one in heard] == [
            one.attributes["id"].split("/")[0] for one in said
        ]
    mine = [letter for letter in client.dead_letters() if letter.headers.get("ce_id", "").startswith("bad-")]
    assert len(mine) == len(twin.dead_letters) == 3


# --- programs --------------------------------------------------------------------------------------------------------

NEEDS_NO_ID = "ListTrainingDatasets"


def _program(title: str) -> str:
    """A program as the page shows it."""
    page = (PAGES / f"{NEEDS_NO_ID}.md").read_text("utf-8")
    return next(found["text"] for found in FENCE.finditer(page) if found["title"] == client_examples.TITLES[title])


async def _run(words: Sequence[str], kafka: Broker, **more: str) -> str:
    """Runs a program to its end, and gives what it wrote."""
    result = await asyncio.to_thread(
        subprocess.run,
        words,
        env={**os.environ, "KAFKA": kafka.bootstrap, **more},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def _ends(output: str) -> list[str]:
    return [line.split(" ", 1)[0] for line in output.splitlines() if line.split(" ", 1)[0] in TERMINAL]


async def test_the_programs_of_a_page_run_as_they_are(
    running: ServiceProcess, kafka: Broker, client: Client, tmp_path: Path
) -> None:
    for title in ("aiokafka", "confluent-kafka"):
        program = tmp_path / f"example_{title}.py"
        program.write_text(_program(title), "utf-8")
        output = await _run([sys.executable, "-W", "error", str(program)], kafka)
        assert _ends(output) == ["succeeded"], output
        assert '"trainingDatasets":' in output


@pytest.mark.skipif(shutil.which("kcat") is None, reason="kcat is not installed")
async def test_the_kcat_program_runs_as_it_is(running: ServiceProcess, kafka: Broker, client: Client) -> None:
    output = await _run(["sh", "-c", _program("kcat")], kafka)
    assert "ce_type=cleanroomsml.reply.succeeded" in output


async def test_a_repeat_by_another_client_library_is_recognised(
    running: ServiceProcess, kafka: Broker, client: Client, examples_world: World
) -> None:
    """The same id, source, key and content by aiokafka, and then by librdkafka with what the pages give it."""
    data = examples.COMMANDS["CreateTrainingDataset"].data
    producer = Producer({**confluent_settings(), "bootstrap.servers": kafka.bootstrap})
    for number in range(6):
        identity, mine = f"repeat-{number}", {**data, "name": f"repeat-{number}"}
        await client.send("CreateTrainingDataset", mine, command_id=identity, source=examples.SOURCE, key=identity)
        assert (await client.terminal(identity)).kind == "succeeded"
        told = len(client.replies(identity))
        headers: dict[str, str | bytes | None] = {
            "ce_specversion": "1.0",
            "ce_id": identity,
            "ce_source": examples.SOURCE,
            "ce_type": "cleanroomsml.command.CreateTrainingDataset",
            "content-type": "application/json",
        }
        producer.produce(f"{PREFIX}.commands", json.dumps(mine).encode(), key=identity.encode(), headers=headers)
        assert producer.flush(10) == 0
        await until(lambda: len(client.replies(identity)) > told, 20, lambda: identity)  # noqa: B023
        assert client.replies(identity)[-1].kind == "succeeded"
        assert (
            len(
                {
                    reply.data["result"]["trainingDatasetArn"]
                    for reply in client.replies(identity)
                    if reply.kind == "succeeded"
                }
            )
            == 1
        )


async def test_the_node_program_runs_as_it_is(
    running: ServiceProcess, kafka: Broker, client: Client, tmp_path: Path
) -> None:
    modules = kafkajs()
    program = tmp_path / "example.js"
    program.write_text(_program("kafkajs"), "utf-8")
    output = await _run(["node", str(program)], kafka, NODE_PATH=str(modules))
    assert _ends(output) == ["succeeded"], output


def test_every_page_has_every_program() -> None:
    for name in examples.COMMANDS:
        titles = [found["title"] for found in FENCE.finditer((PAGES / f"{name}.md").read_text("utf-8"))]
        assert titles == list(client_examples.TITLES.values())
