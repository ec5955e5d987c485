"""Every published example sends a key where every other one sends it."""

import ast
import random
import re
import shlex
import subprocess
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiokafka.partitioner import DefaultPartitioner, murmur2
from confluent_kafka import Message, Producer
from hypothesis import given
from hypothesis import strategies as st

from schemas.docs import client_examples, examples
from schemas.docs.client_examples import PARTITION_RULE
from schemas.docs.examples import COMMANDS
from tests.support.node_packages import kafkajs

ROOT = Path(__file__).parents[4]
NAME = next(iter(COMMANDS))
JAVA = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Hashes by Java's client, as its own tests have them."""

RULED = "partitioner=murmur2_random"
keys = st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=50, unique=True)


def java(key: bytes, partitions: int) -> int:
    """The partition that Java's client chooses."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions


def librdkafka(options: Mapping[str, Any], sent: Iterable[bytes]) -> dict[bytes, int]:
    """Where librdkafka sends the keys; it brings a broker of its own, with four partitions."""
    chosen: dict[bytes, int] = {}

    def delivered(error: object, message: Message) -> None:
        assert error is None
        key, partition = message.key(), message.partition()
        assert isinstance(key, bytes)
        assert partition is not None
        chosen[key] = partition

    producer = Producer({**options, "test.mock.num.brokers": 1, "log_level": 0})
    for key in sent:
        producer.produce("cleanroomsml.commands", b"{}", key=key, on_delivery=delivered)
    assert producer.flush(20) == 0
    return chosen


def confluent_settings() -> dict[str, Any]:
    """What the published confluent-kafka program gives its producer."""
    calls = [
        node
        for node in ast.walk(ast.parse(client_examples.snippet("confluent-kafka", NAME)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Producer"
    ]
    (found,) = calls
    assert isinstance(found.args[0], ast.Dict)
    pairs = zip(found.args[0].keys, found.args[0].values, strict=True)
    return {
        ast.literal_eval(key): ast.literal_eval(value)
        for key, value in pairs
        if key and isinstance(value, ast.Constant)
    }


def kcat_settings() -> list[dict[str, Any]]:
    """The settings of every kcat that publishes, in every example and on every page."""
    texts = [client_examples.snippet("kcat", NAME)]
    texts += [page.read_text("utf-8") for page in (ROOT / "docs").rglob("*.md")]
    lines = [line for text in texts for line in text.replace("\\\n", " ").splitlines() if "kcat -P" in line]
    return [dict(pair.split("=", 1) for pair in _options(line[line.index("kcat -P") :])) for line in lines]


def _options(line: str) -> list[str]:
    words = shlex.split(line)
    return [word for flag, word in pairwise(words) if flag == "-X" and "..." not in word]


def test_the_hash_is_that_of_java() -> None:
    assert {key: (murmur2(key) ^ 0x80000000) - 0x80000000 for key in JAVA} == JAVA


@given(keys, st.integers(1, 60))
def test_aiokafka_and_java_agree(sent: list[bytes], partitions: int) -> None:
    every = list(range(partitions))
    assert [DefaultPartitioner()(key, every, every) for key in sent] == [java(key, partitions) for key in sent]


def test_the_confluent_program_and_java_agree() -> None:
    drawn = random.Random(7)
    sent = [drawn.randbytes(drawn.randint(1, 40)) for _ in range(500)]
    assert librdkafka(confluent_settings(), sent) == {key: java(key, 4) for key in sent}


def test_every_kcat_line_and_java_agree() -> None:
    found = kcat_settings()
    assert len(found) > len(COMMANDS)
    sent = [f"key-{number}".encode() for number in range(200)]
    for options in {tuple(sorted(each.items())) for each in found}:
        assert librdkafka(dict(options), sent) == {key: java(key, 4) for key in sent}


def test_librdkafka_alone_does_not_agree() -> None:
    """Why the setting is there; if this fails, the default has changed and the rule can go."""
    sent = [f"key-{number}".encode() for number in range(200)]
    assert librdkafka({}, sent) != {key: java(key, 4) for key in sent}


@pytest.mark.acceptance
def test_the_kafkajs_program_and_java_agree() -> None:
    (chosen,) = re.findall(r"createPartitioner: ([\w.]+)", client_examples.snippet("kafkajs", NAME))
    sent = [f"key-{number}" for number in range(200)]
    program = f"""
        const {{ Partitioners }} = require("kafkajs");
        const choose = {chosen}();
        const partitionMetadata = [...Array(12).keys()].map((partitionId) => ({{ partitionId, leader: 1 }}));
        for (const key of {sent}) console.log(choose({{ topic: "t", partitionMetadata, message: {{ key }} }}));
    """
    words = ["node", "-e", program]
    done = subprocess.run(
        words, env={"NODE_PATH": str(kafkajs())}, capture_output=True, text=True, check=True, timeout=60
    )
    assert [int(line) for line in done.stdout.split()] == [java(key.encode(), 12) for key in sent]


def test_every_page_that_publishes_says_the_rule() -> None:
    pages = [page for page in (ROOT / "docs").rglob("*.md") if "kcat -P" in page.read_text("utf-8")]
    assert len(pages) > len(examples.COMMANDS)
    pages.append(ROOT / "docs/howto/publish-and-subscribe.md")
    for page in pages:
        prose = re.sub(r"```.*?```", "", page.read_text("utf-8"), flags=re.DOTALL)
        assert RULED in prose, page


def flat(text: str) -> str:
    return " ".join(text.split())


def test_what_is_not_rendered_from_the_programs_says_the_rule_too() -> None:
    """The front page, whose example of a command is no program, and the channels of the published description."""
    assert flat(PARTITION_RULE) in flat((ROOT / "README.md").read_text("utf-8"))
    channels = yaml.safe_load((ROOT / "schemas/generated/asyncapi.yaml").read_text("utf-8"))["channels"]
    publishing = [channel for name, channel in channels.items() if "ommands" in name]
    assert len(publishing) == 2
    assert all(flat(PARTITION_RULE) in flat(channel["description"]) for channel in publishing)
