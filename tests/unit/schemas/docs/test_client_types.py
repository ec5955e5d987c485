"""The generated classes are what the table and the model say, and a type checker can use them."""

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from schemas import results, service_commands, shapes
from schemas.client import requests
from schemas.client.composing import CommandRequest
from schemas.docs import client_types, render
from schemas.operations import COMMANDS, OPERATIONS


def test_the_file_is_fresh() -> None:
    assert (render.ROOT / render.CLIENT_TYPES).read_text("utf-8") == client_types.module()


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_class_has_the_commands_members(name: str) -> None:
    made: Any = getattr(requests, name)
    assert issubclass(made, CommandRequest)
    fields = {each.name: each.default is dataclasses.MISSING for each in dataclasses.fields(made)}
    if name in OPERATIONS:
        shape = shapes.input_shape(name)
        assert fields == {member: member in shape.required_members for member in shape.members}
    else:
        schema = service_commands.MODELS[name].model_json_schema()
        assert fields == {member: member in schema.get("required", ()) for member in schema["properties"]}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_a_result_has_the_members_that_are_promised(name: str) -> None:
    [base] = getattr(requests, name).__orig_bases__
    [result] = base.__args__
    schema = results.result(name)
    if hasattr(result, "__required_keys__"):
        assert result.__required_keys__ == set(schema.get("required", ()))
        assert result.__required_keys__ | result.__optional_keys__ == set(schema.get("properties", ()))
    else:
        assert "properties" not in schema


PROGRAM = """
from schemas.client import Client, CreateAudienceModel, GetAudienceModel

async def right(client: Client, arn: str) -> str:
    job = await client.send(CreateAudienceModel(name="a", trainingDatasetArn=arn), id="x")
    got = await (await client.job("y", GetAudienceModel)).result()
    async with client.chain(key="k") as chain:
        chained = chain.add(CreateAudienceModel(name="a", trainingDatasetArn=job.reference), id="z", priority=3)
    return (await job.result())["audienceModelArn"] + got["status"] + (await chained.result())["name"]

async def wrong(client: Client) -> None:
    CreateAudienceModel(name=3)
    job = await client.send(CreateAudienceModel(name="a", trainingDatasetArn="b"), priority="high")
    (await job.result())["nothing"]
"""


def test_a_type_checker_can_use_them(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(program)]
    done = subprocess.run(command, cwd=render.ROOT, capture_output=True, text=True, timeout=110, check=False)
    lines = [line.split(":")[1] for line in done.stdout.splitlines() if ": error:" in line]
    begin = PROGRAM.splitlines().index("async def wrong(client: Client) -> None:") + 1
    assert set(lines) == {str(begin + 1), str(begin + 2), str(begin + 3)}, done.stdout
