"""The service as the demo runs it: its variables, its two commands, its log."""

import os
import sys
from pathlib import Path

import pytest

from sandbox.demo import records, service
from sandbox.demo.service import ServiceError, environment, foreign, readable, running_service
from service.settings.loading import load

SANDBOX = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "123456789012"}


def test_the_service_sees_the_sandbox_and_nothing_of_the_person_s_own() -> None:
    variables = environment({"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "123456789012"}, 8081)
    assert variables["CRML_TARGETS__DEFAULT__ENDPOINT_URL"] == "http://127.0.0.1:1"
    assert variables["CRML_HTTP__PORT"] == "8081"
    assert foreign({"AWS_PROFILE": "mine", "CRML_SETTINGS": "x", "HOME": "/"}) == ["AWS_PROFILE", "CRML_SETTINGS"]


def test_log_lines_are_made_readable() -> None:
    log = '{"event": "no such topic", "level": "error", "timestamp": "12:00", "topic": "x"}\nplain\n[1]\n' + "y" * 999
    first, second, third, last = readable(log).splitlines()
    assert first == "12:00 error no such topic topic=x"
    assert (second, third) == ("plain", "[1]")
    assert len(last) < 300


class FakeChild:
    """A child process that ends as its command says; records its life."""

    started: list["FakeChild"]
    codes: dict[str, int]

    def __init__(self, command: list[str], *, log: Path, environment: dict[str, str], without: list[str]) -> None:
        assert command[:3] == [sys.executable, "-m", "service"]
        self.command, self.log, self.environment, self.without = command[3], log, environment, without
        self.stopped: list[float | None] = []
        log.write_text(f"the log of {self.command}\n")
        self.started.append(self)

    async def wait_ended(self) -> int:
        return self.codes[self.command]

    async def stop(self, bound: float | None = None) -> None:
        self.stopped.append(bound)

    def last_log(self) -> str:
        return self.log.read_text()


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> type[FakeChild]:
    child = type("Child", (FakeChild,), {"started": [], "codes": {"topics": 0}})
    monkeypatch.setattr(service, "Child", child)
    for name in [name for name in os.environ if name.startswith(("AWS_", "CRML_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CRML_MINE", "x")
    return child


async def test_topics_come_first_and_the_service_is_stopped_at_the_end(
    children: type[FakeChild], tmp_path: Path
) -> None:
    async with running_service(SANDBOX, tmp_path) as running:
        topics, serving = children.started
        given: object = running
        assert given is serving
        assert (topics.command, serving.command) == ("topics", "run")
        assert (len(topics.stopped), len(serving.stopped)) == (1, 0)
        assert topics.environment == serving.environment
        assert serving.environment["CRML_TARGETS__DEFAULT__ACCOUNT"] == "123456789012"
        assert topics.without == serving.without == ["CRML_MINE"]
    assert len(serving.stopped) == 1
    assert os.listdir(tmp_path) == ["service.log"], "the log of the topics says nothing new"


async def test_topics_that_cannot_be_created_are_an_error_with_their_log(
    children: type[FakeChild], tmp_path: Path
) -> None:
    children.codes["topics"] = 3
    with pytest.raises(ServiceError, match=r"(?s)topics` ended with exit code 3:.*the log of topics"):
        async with running_service(SANDBOX, tmp_path):
            pytest.fail("the service was started")
    assert [each.command for each in children.started] == ["topics"]
    assert len(children.started[0].stopped) == 1
    assert (tmp_path / "topics.log").exists(), "what went wrong is kept"


async def test_the_service_is_stopped_when_the_block_fails(children: type[FakeChild], tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        async with running_service(SANDBOX, tmp_path):
            _ = SANDBOX["nothing of this name"]
    assert [len(each.stopped) for each in children.started] == [1, 1]


def test_the_variables_are_settings_of_the_service() -> None:
    """The sandbox imports nothing of the service: whether the names are right, only the service can say."""
    sandbox = {
        **SANDBOX,
        "CRML_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9092",
        "CRML_KAFKA__REPLICATION_FACTOR": "1",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "eu-west-1",
    }
    settings = load(environ=environment(sandbox, 8081))
    assert settings.http.port == 8081
    assert list(settings.timing.search_delays) == [0.0, 1.0, 2.0]
    assert settings.targets["default"].account == "123456789012"
    assert {kind.first for kind in settings.polling.kinds.values()} == {0.5}
    topics = settings.topics
    assert (topics.commands, topics.replies, topics.events, topics.dead_letters) == (
        records.COMMANDS,
        records.REPLIES,
        records.EVENTS,
        records.DEAD_LETTERS,
    )
