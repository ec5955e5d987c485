"""Lines for an operator: nothing from outside is markup, and what is parked is told without its members."""

import json
from typing import Any

import pytest

from schemas.operations import OPERATIONS
from schemas.records import Fault, Phase
from service.cli import console, output
from service.core.job import marker
from service.operator.repair.changelog_snapshot import Corrupt, OwnedJob
from service.operator.repair.drift import Candidate
from service.runtime.ports import LogError, TopicPartition
from service.settings import Settings
from tests.support import builders

PLACE = TopicPartition("commands", 3)
CREATE, DELETE = OPERATIONS["CreateAudienceModel"], OPERATIONS["DeleteAudienceModel"]
EVIL = "\x1b[2J[red]x[/]\n"


def parked(operation: Any = CREATE, **more: Any) -> OwnedJob:
    command = builders.command(operation, **more)
    fault = Fault("AmbiguousOutcome", EVIL)
    job = builders.job(
        operation,
        Phase.PARKED,
        command=command,
        fault=fault,
        finished_at=1_700_000_000.0,
        reply={"searched": "2 resources"},
    )
    return OwnedJob(PLACE, job)


@pytest.mark.parametrize(("number", "words"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs")])
def test_a_number_and_its_noun(number: int, words: str) -> None:
    assert output.count(number, "job") == words


def test_what_is_known_of_a_parked_command() -> None:
    held = parked()
    found = output.described(held)
    assert (found["command_id"], found["source"], found["operation"]) == ("c-1", "/shop", "CreateAudienceModel")
    assert found["marker"] == marker(held.job.command)
    assert found["since"] == "2023-11-14T22:13:20.000Z"
    assert found["searched"] == "2 resources"
    assert output.described(parked(DELETE))["marker"] == ""


def test_a_deletion_of_a_cancellation_is_told_as_what_was_asked_for() -> None:
    assert output.described(parked(DELETE, asked="CancelCommand"))["operation"] == "CancelCommand"


def test_a_line_for_programs_has_the_place_and_no_members() -> None:
    line = output.as_json(parked(params={"name": "canary"}), [])
    assert "canary" not in line
    found = json.loads(line)
    assert (found["topic"], found["partition"]) == ("commands", 3)


def test_nothing_from_outside_is_markup_or_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_line(EVIL)
    console.print_error(EVIL)
    output.show_parked([(parked(id=EVIL), [Candidate(EVIL, EVIL, EVIL, None)])])
    output.show_corrupt([Corrupt(PLACE, 7, EVIL.encode() + b"\xff", EVIL)])
    told = capsys.readouterr()
    for text in (told.out, told.err):
        assert "\x1b" not in text
        assert "[red]x[/]\\n" in text
    assert "unreadable: commands partition 3 offset 7, key \\x1b[2J" in told.out


def test_a_parked_command_is_a_block(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_parked([(parked(), [])])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "c-1"
    assert lines[-5].split() == ["place", "commands,", "partition", "3"]
    assert " ".join(lines[-4].split()) == "candidate none: AWS lists no resource with its marker"
    assert lines[-1].endswith("parked resolve c-1 --source /shop --fail")


def test_counts_are_sorted(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_counts({"b": 2, "a": 10})
    assert capsys.readouterr().out.splitlines() == ["     10  a", "      2  b"]


def test_a_command_ends_with_its_own_code(environment: pytest.MonkeyPatch) -> None:
    async def work(settings: Settings) -> int:
        assert settings.kafka.bootstrap_servers == ("127.0.0.1:9",)
        return 5

    assert console.run(None, work) == 5


def test_a_kafka_that_cannot_be_used_is_told(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def work(_settings: Settings) -> int:
        raise LogError("no answer")

    assert console.run(None, work) == console.EXIT_REFUSED
    assert capsys.readouterr().err == "Kafka: no answer\n"


def test_an_interrupt_has_its_own_code(environment: pytest.MonkeyPatch) -> None:
    async def work(_settings: Settings) -> int:
        raise KeyboardInterrupt

    assert console.run(None, work) == 130
