"""The child process: its port, its end, and the journal in front of it when a file is named. Nothing is served here."""

import io
import logging
import os
import queue
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.moto import journal, process


class Server:
    """Stands in for werkzeug's server."""

    server_port = 4321
    served = 0

    def serve_forever(self) -> None:
        type(self).served += 1


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What `main` has set up."""
    seen: dict[str, Any] = {"signals": {}, "services": [], "followed": queue.Queue()}

    class Dispatcher:
        def __init__(self, _create: object) -> None:
            pass

        def get_application(self, environ: dict[str, str]) -> None:
            seen["services"].append(environ["HTTP_AUTHORIZATION"].split("/")[3])

    def make_server(host: str, port: int, application: Any, **options: Any) -> Server:
        seen["server"] = {"host": host, "port": port, "application": application, **options}
        return Server()

    monkeypatch.setattr(process, "DomainDispatcherApplication", Dispatcher)
    monkeypatch.setattr(process, "make_server", make_server)
    monkeypatch.setattr(process, "_follow", seen["followed"].put)
    monkeypatch.setattr(signal, "signal", lambda number, action: seen["signals"].update({number: action}))
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"from the parent")))
    monkeypatch.setattr(sys, "argv", ["process.py"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    logger = logging.getLogger("werkzeug")
    monkeypatch.setattr(logger, "level", logger.level)
    return seen


def test_it_says_its_port_and_serves_on_the_loopback_only(
    started: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    process.main()
    assert capsys.readouterr().out == "4321\n"
    server = started["server"]
    assert (server["host"], server["port"], server["threaded"]) == ("127.0.0.1", 0, True)
    assert started["services"] == ["s3", "glue", "iam", "sts"], "loaded before the port is said"


def test_ctrl_c_is_the_parents_and_its_pipe_is_followed(started: dict[str, Any]) -> None:
    process.main()
    assert started["followed"].get(timeout=5) is sys.stdin.buffer
    assert started["signals"] == {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}


def test_it_ends_where_the_pipe_ends_and_not_before(monkeypatch: pytest.MonkeyPatch) -> None:
    class Ended(Exception):
        pass

    def end(code: int) -> None:
        assert code == 0
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    stream = io.BytesIO(b"whatever is written\n" * 10)
    with pytest.raises(Ended):
        process._follow(stream)
    assert stream.read() == b""


def test_a_named_file_puts_the_journal_in_front(
    started: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(journal, "Recorded", lambda application, path: ("recorded", application, path))
    process.main()
    plain = started["server"]["application"]
    monkeypatch.setattr(sys, "argv", ["process.py", str(tmp_path / "moto.journal")])
    process.main()
    word, application, path = started["server"]["application"]
    assert (word, path) == ("recorded", tmp_path / "moto.journal")
    assert type(application) is type(plain)
