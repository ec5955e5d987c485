"""A sandbox in a thread: its URL, its end, and an error when it cannot start. The server is played."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from sandbox import embedded
from sandbox.cleanroomsml.options import Options
from sandbox.embedded import running_sandbox


class FakeServer:
    """Starts and stops at once, unless it is to fail; keeps what it saw."""

    fails: BaseException | None = None
    hangs = False
    seen: list[object]

    def __init__(self, options: Options) -> None:
        self.seen.append(options)
        self.url = "http://127.0.0.1:1"

    async def __aenter__(self) -> "FakeServer":
        if self.fails is not None:
            raise self.fails
        if self.hangs:
            await asyncio.Event().wait()
        self.loop, self.thread = asyncio.get_running_loop(), threading.current_thread().name
        self.seen.append(self.thread)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert asyncio.get_running_loop() is self.loop
        self.seen.append("stopped")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[FakeServer]]:
    fake = type("Fake", (FakeServer,), {"seen": []})
    monkeypatch.setattr(embedded, "SandboxServer", fake)
    before = threading.active_count()
    yield fake
    assert threading.active_count() == before, "no thread is left"


def test_it_serves_from_a_thread_of_its_own_on_a_free_port(server: type[FakeServer]) -> None:
    with running_sandbox(Options(port=4599, workers=3)) as url:
        assert url == "http://127.0.0.1:1"
        assert server.seen[1] == "sandbox" != threading.current_thread().name
    assert server.seen[0] == Options(port=0, workers=3)
    assert server.seen[-1] == "stopped"


def test_it_stops_when_the_block_fails(server: type[FakeServer]) -> None:
    with pytest.raises(KeyError), running_sandbox():
        raise KeyError
    assert server.seen[-1] == "stopped"


@pytest.mark.parametrize("error", [OSError("port 1 is taken"), SystemExit(3)])
def test_a_start_that_fails_is_an_error_with_its_cause(server: type[FakeServer], error: BaseException) -> None:
    """Said once, to the caller: a traceback of the thread would be a warning, which fails the test."""
    server.fails = error
    with pytest.raises(RuntimeError, match="the sandbox did not start") as caught, running_sandbox():
        pytest.fail("it started")
    assert caught.value.__cause__ is error


def test_a_start_that_takes_too_long_is_given_up_and_leaves_no_thread(
    server: type[FakeServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_START_SECONDS", 0.02)
    server.hangs = True
    with pytest.raises(RuntimeError, match="the sandbox did not start") as caught, running_sandbox():
        pytest.fail("it started")
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert len(server.seen) == 1
