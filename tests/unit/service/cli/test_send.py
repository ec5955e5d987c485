"""``python -m service send``: what is sent, and what is said instead when something is wrong."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas.events import ReplyKind
from service.cli.send import instant
from service.operator.repair.command_sender import Outgoing
from service.runtime.ports import LogError, TopicPartition
from tests.support.command_line import CommandLine
from tests.support.published_records import MODEL, NOW, PublishedTopics, error, reply, sent

FILE = f"""
source: /teams/op
key: campaign-7
commands:
- operation: GetAudienceModel
  id: ${{week}}-get
  data: {{audienceModelArn: "{MODEL}"}}
- operation: ListAudienceModels
  id: ${{week}}-list
  extensions: {{priority: 9}}
"""


class Kafka:
    """A producer, and what is published meanwhile."""

    def __init__(self) -> None:
        self.sent: list[Outgoing] = []
        self.topics = PublishedTopics()
        self.room = 100

    @asynccontextmanager
    async def sender(self, _settings: Any, role: str) -> AsyncIterator[Any]:
        assert role == "commands"
        yield self

    async def send(self, outgoing: Outgoing) -> TopicPartition:
        if len(self.sent) == self.room:
            raise LogError("Kafka is away")
        self.sent.append(outgoing)
        return TopicPartition(outgoing.topic, 4)

    def headers(self) -> list[dict[str, str]]:
        return [{name: (value or b"").decode() for name, value in each.headers} for each in self.sent]


@pytest.fixture
def kafka(environment: pytest.MonkeyPatch) -> Kafka:
    kafka = Kafka()
    environment.setattr("service.cli.send.sender", kafka.sender)
    environment.setattr("service.cli.send.published", kafka.topics.published)
    return kafka


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "commands.yaml"
    path.write_text(FILE, encoding="utf-8")
    return str(path)


def test_a_file_of_commands(kafka: Kafka, type_: CommandLine, file: str) -> None:
    ended = type_("send", file, "--set", "week=w48", "--correlation", "w48", "--target", "default")
    assert (ended.code, ended.err) == (0, "")
    assert ended.lines == [
        "sent w48-get (GetAudienceModel) to cleanroomsml.commands, partition 4",
        "sent w48-list (ListAudienceModels) to cleanroomsml.commands, partition 4",
        "To follow: python -m service watch w48-get w48-list",
    ]
    first, second = kafka.headers()
    assert (first["ce_id"], first["ce_source"], first["ce_type"]) == (
        "w48-get",
        "/teams/op",
        "cleanroomsml.command.GetAudienceModel",
    )
    assert (second["ce_correlationid"], second["ce_target"], second["ce_priority"]) == ("w48", "default", "9")
    assert {(each.key, each.partition) for each in kafka.sent} == {(b"campaign-7", None)}
    assert json.loads(kafka.sent[0].value) == {"audienceModelArn": MODEL}


def test_standard_input(kafka: Kafka, type_: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    text = '{"operation": "ListAudienceModels", "id": "a", "source": "/s"}\n'
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert type_("send", "-").code == 0
    assert kafka.sent[0].key == b"a"  # its id, where no key is given


def test_standard_input_that_is_closed(kafka: Kafka, type_: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    ended = type_("send", "-")
    assert ended.code == 2
    assert "standard input is closed" in ended.err


@pytest.mark.parametrize("option", ["--key", "--id", "--source", "--correlation"])
def test_an_option_that_is_not_utf_8(kafka: Kafka, type_: CommandLine, option: str) -> None:
    ended = type_("send", "ListAudienceModels", option, "\udcff")
    assert (ended.code, kafka.sent) == (2, [])
    assert "is not UTF-8" in ended.err


@pytest.mark.parametrize("data", ["{maxResults: 5}", '{"maxResults": 5}', "@FILE", "-"])
def test_an_operation_that_is_typed(
    kafka: Kafka, type_: CommandLine, data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").write_text("maxResults: 5", encoding="utf-8")
    monkeypatch.setattr("sys.stdin", io.StringIO("maxResults: 5"))
    given = data.replace("FILE", str(tmp_path / "data"))
    assert type_("send", "ListAudienceModels", "--data", given).code == 0
    (headers,) = kafka.headers()
    assert headers["ce_id"].startswith("ListAudienceModels-")
    assert headers["ce_source"].startswith("/operator/")
    assert json.loads(kafka.sent[0].value) == {"maxResults": 5}


def test_who_gives_no_members_is_shown_where_an_example_is(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("send", "CreateAudienceModel")
    assert ended.code == 5
    assert ended.err.endswith("python -m service send CreateAudienceModel --example --dry-run\n")
    assert "--example" not in type_("send", "CreateAudienceModel", "--data", "{}").err


def test_examples_have_names_of_their_own_and_a_repeat_the_same_one(kafka: Kafka, type_: CommandLine) -> None:
    """AWS refuses a second training dataset of one name; the same id is the same command."""
    for words in ((), (), ("--id", "a"), ("--id", "a")):
        assert type_("send", "CreateTrainingDataset", "--example", *words).code == 0
    one, two, third, again = (json.loads(each.value)["name"] for each in kafka.sent)
    assert one.startswith("ratings-")
    assert len({one, two, third}) == 3
    assert third == again


def test_an_example_with_everything_set(kafka: Kafka, type_: CommandLine) -> None:
    words = ["--id", "a", "--source", "/s", "--key", "k", "--priority", "3", "--deadline", "+2h"]
    more = ["--not-before", "2026-01-31T12:00:00Z"]
    assert type_("send", "CreateTrainingDataset", "--example", *words, *more).code == 0
    (headers,) = kafka.headers()
    assert (headers["ce_id"], headers["ce_source"], headers["ce_priority"]) == ("a", "/s", "3")
    assert headers["ce_notbefore"] == "2026-01-31T12:00:00Z"
    assert headers["ce_deadline"] > "2026-01-31T12:00:00Z"
    assert kafka.sent[0].key == b"k"


def test_a_scheduled_run_gives_the_ids(kafka: Kafka, type_: CommandLine, tmp_path: Path) -> None:
    many = "source: /s\ncommands:\n" + 2 * "- {operation: ListAudienceModels}\n"
    (tmp_path / "many").write_text(many, encoding="utf-8")
    (tmp_path / "one").write_text("{operation: ListAudienceModels, source: /s, key: '${run}-k'}", encoding="utf-8")
    for _ in range(2):  # doubled: the same ids
        assert type_("send", str(tmp_path / "many"), "--run", "nightly-29411520").code == 0
    assert type_("send", str(tmp_path / "one"), "--run", "nightly-29411520").code == 0
    ids = [each.command_id for each in kafka.sent]
    assert ids == 2 * ["nightly-29411520-1", "nightly-29411520-2"] + ["nightly-29411520"]
    assert kafka.sent[-1].key == b"nightly-29411520-k"


def test_a_dry_run_prints_what_can_be_sent(kafka: Kafka, type_: CommandLine, file: str) -> None:
    ended = type_("send", file, "--set", "week=w48", "--dry-run")
    assert (ended.code, kafka.sent, kafka.topics.asked) == (0, [], [])
    first, second = yaml.safe_load_all(ended.out)
    assert (first["id"], first["key"], second["extensions"]) == ("w48-get", "campaign-7", {"priority": "9"})
    again = type_("send", file, "--set", "week=w48", "--dry-run", "--json")
    assert [json.loads(line) for line in again.lines] == [first, second]


@pytest.mark.parametrize(
    "text", ["1e3", "-1E3", "1.e3", "010", "0x10", "12:30", "no", "1_000", "2026-01-01", ".inf", "~"]
)
def test_what_a_dry_run_prints_is_read_as_the_same(kafka: Kafka, type_: CommandLine, tmp_path: Path, text: str) -> None:
    command = {"operation": "ListAudienceModels", "id": text, "source": text, "key": text, "data": {"nextToken": text}}
    (tmp_path / "a").write_text(json.dumps(command), encoding="utf-8")
    printed = type_("send", str(tmp_path / "a"), "--dry-run").out
    (tmp_path / "a").write_text(printed, encoding="utf-8")
    ended = type_("send", str(tmp_path / "a"), "--dry-run", "--json")
    assert json.loads(ended.out) == command


def test_all_violations_and_nothing_sent(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("send", "CreateAudienceModel", "--data", "{name: '', more: 1}", "--id", "a", "--wait")
    assert ended.code == 5
    assert kafka.sent == []
    assert "a: data.name: " in ended.err
    assert "a: data.trainingDatasetArn: " in ended.err
    assert ended.err.endswith("The service would reject this; nothing was sent.\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["CreateAudienceModle"], "found the operation 'CreateAudienceModle'; expected perhaps CreateAudienceModel"),
        (["FILE", "--set", "week=w48", "--id", "x"], "--id is for one command; there are 2"),
        (["FILE"], "${week} has no value"),
        (["FILE", "--set", "week"], "--set: found 'week'; expected name=value"),
        (["FILE", "--data", "{}"], "--data and --example are for an operation"),
        (["ListAudienceModels", "--example", "--data", "{}"], "choose one of --data and --example"),
        (["ListAudienceModels", "--data", "@nowhere"], "nowhere: no such file\n"),
        (["nofile.yaml"], "nofile.yaml: no such file\n"),
        (["ListAudienceModels", "--data", "{a"], "data can't be read"),
        (["ListAudienceModels", "--deadline", "+soon"], "found '+soon'; expected"),
        (["ListAudienceModels", "--wait", "soon"], "--wait: found 'soon'; expected seconds"),
    ],
)
def test_what_makes_no_sense(kafka: Kafka, type_: CommandLine, file: str, words: list[str], expected: str) -> None:
    ended = type_("send", *(file if word == "FILE" else word for word in words))
    assert ended.code == 2
    assert expected in ended.err
    assert kafka.sent == []


def test_an_identity_is_not_made_up_for_a_file(kafka: Kafka, type_: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("operation: ListAudienceModels", encoding="utf-8")
    ended = type_("send", str(tmp_path / "one"))
    assert ended.code == 2
    assert "document 1: id is not given" in ended.err
    assert "document 1: source is not given" in ended.err
    assert type_("send", str(tmp_path / "one"), "--id", "a", "--source", "/s").code == 0


def test_a_tenant_must_be_named_where_there_are_several(
    kafka: Kafka, type_: CommandLine, environment: pytest.MonkeyPatch
) -> None:
    for tenant in ("RED", "BLUE"):
        environment.setenv(f"CRML_TENANTS__{tenant}__TARGETS", "default")
        environment.setenv(f"CRML_TENANTS__{tenant}__OPERATIONS", "List*")
    ended = type_("send", "ListAudienceModels")
    assert (ended.code, kafka.sent) == (2, [])
    assert "--tenant: found None; expected one of " in ended.err
    assert type_("send", "ListAudienceModels", "--tenant", "red").code == 0
    assert kafka.sent[0].topic == "cleanroomsml.red.commands"
    assert type_("send", "GetAudienceModel", "--example", "--tenant", "red").code == 5


@pytest.mark.parametrize(
    ("kind", "data", "code"),
    [
        (ReplyKind.SUCCEEDED, {"result": {}}, 0),
        (ReplyKind.FAILED, error("X", "why"), 4),
        (ReplyKind.REJECTED, error("X", "why"), 5),
        (ReplyKind.PARKED, error("X", "why"), 6),
    ],
)
def test_it_is_followed_to_its_end(
    kafka: Kafka, type_: CommandLine, kind: ReplyKind, data: dict[str, Any], code: int
) -> None:
    kafka.topics.coming = [
        [reply(sent("a", source="/s"), ReplyKind.ACCEPTED), reply(sent("a", source="/s"), kind, NOW, data, 2)]
    ]
    ended = type_("send", "ListAudienceModels", "--id", "a", "--source", "/s", "--wait")
    assert ended.code == code
    assert [line.split("  ")[2] for line in ended.lines[1:]] == ["accepted", kind.value]


def test_programs_read_json(kafka: Kafka, type_: CommandLine) -> None:
    kafka.topics.coming = [[reply(sent("a", source="/s"), ReplyKind.SUCCEEDED, NOW, {"result": {}})]]
    ended = type_("send", "ListAudienceModels", "--id", "a", "--source", "/s", "--watch", "--json")
    first, second = (json.loads(line) for line in ended.lines)
    assert (first["kind"], first["partition"], second["type"]) == ("sent", 4, "succeeded")


def test_time_is_up(kafka: Kafka, type_: CommandLine) -> None:
    ended = type_("send", "ListAudienceModels", "--id", "a", "--wait", "0.02")
    assert ended.code == 124
    assert "python -m service watch a" in ended.err


def test_what_was_sent_before_kafka_went_away_is_said(kafka: Kafka, type_: CommandLine, file: str) -> None:
    kafka.room = 1
    ended = type_("send", file, "--set", "week=w48")
    assert ended.code == 3
    assert ended.lines == ["sent w48-get (GetAudienceModel) to cleanroomsml.commands, partition 4"]
    assert "Kafka is away" in ended.err


@pytest.mark.parametrize(("text", "expected"), [("+90s", "1970-01-01T00:01:40.000Z"), ("anything", "anything")])
def test_times_from_now_on(text: str, expected: str) -> None:
    assert instant(text, 10.0) == expected
