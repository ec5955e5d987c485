"""How a command ends: an exit code of the table, one line for a person, never a traceback."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from service.cli import console, following
from service.cli.entry import app
from service.runtime.ports import LogError
from service.settings import SettingsError


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (SettingsError("kafka: wrong"), 2, "kafka: wrong"),
        (KeyboardInterrupt(), 130, ""),
        (asyncio.CancelledError(), 130, ""),
        (SystemExit(2), 2, ""),
        (SystemExit(None), 0, ""),
        (ValueError("canary"), 70, "; this is a defect"),
        (UnicodeEncodeError("utf-8", "canary\udcff", 6, 7, "surrogates not allowed"), 2, "is not UTF-8 (position 6)"),
        (FileNotFoundError(2, "No such file", "/x"), 70, "No such file: '/x'"),
        (
            ExceptionGroup("two", [KeyError("canary"), ExceptionGroup("in", [OSError(28, "full")])]),
            70,
            "[Errno 28] full (OSError)",
        ),
    ],
)
def test_ends(capsys: pytest.CaptureFixture[str], error: BaseException, code: int, told: str) -> None:
    assert console.guarded(raising(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert told in err
    assert "Traceback" not in err
    assert "canary" not in err


def test_the_place_of_a_defect_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A command of ours that breaks in the middle."""
    monkeypatch.setattr("service.operator.access.iam_policies.documents", lambda *_: dict[str, str]()["canary"])
    monkeypatch.setenv("CRML_KAFKA__BOOTSTRAP_SERVERS", "a:1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    assert console.guarded(lambda: app(["iam"])) == 70
    assert re.search(r"KeyError at service\.cli\.app:\d+; this is a defect", capsys.readouterr().err)


COMMANDS = [
    *(["topics"], ["check"], ["dlq", "list"], ["dlq", "show", "0", "0"], ["dlq", "replay"], ["parked", "list"]),
    *(["reconcile"], ["backfill"], ["skip-corrupt", "--topic", "x", "--partition", "0"], ["run"], ["acls"], ["iam"]),
]
CONNECTING = [words for words in COMMANDS if words[0] not in {"acls", "iam"}]


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The least that runs; what a command does to the process's logging is undone."""
    monkeypatch.setenv("CRML_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr("logging.disable", lambda _: None)
    for module in ("service.cli.app", "service.cli.console"):
        monkeypatch.setattr(f"{module}.configure_logging", lambda *_: None)
    return monkeypatch


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_refuses_a_malformed_broker(
    variables: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    variables.setenv("CRML_KAFKA__BOOTSTRAP_SERVERS", "broker:port")
    assert console.guarded(lambda: app(words)) == 2
    assert "kafka.bootstrap_servers: found" in capsys.readouterr().err


@pytest.mark.parametrize("words", CONNECTING, ids=" ".join)
def test_every_command_refuses_a_certificate_that_is_missing(
    variables: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    variables.setenv("CRML_KAFKA__SECURITY_PROTOCOL", "SSL")
    variables.setenv("CRML_KAFKA__SSL_CA_FILE", "/nowhere.pem")
    assert console.guarded(lambda: app(words)) == 2
    assert capsys.readouterr().err.startswith("kafka: TLS can't be set up from ssl_ca_file /nowhere.pem: ")


def test_when_kafka_has_gone_the_line_says_what_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CRML_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setattr(console, "configure_logging", lambda: None)
    monkeypatch.setattr("service.cli.console.logging.disable", lambda _: None)

    async def work(_: object) -> int:
        error = LogError("Kafka has not answered for 30 s")
        error.add_note("the commands go on")
        raise error

    assert console.run(None, work) == 3
    assert capsys.readouterr().err == "Kafka: Kafka has not answered for 30 s; the commands go on\n"


def test_a_character_that_the_terminal_lacks_is_an_escape(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("operation: ListAudienceModels\nid: caf\u00e9…\nsource: /s\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "service", "send", str(tmp_path / "a.yaml"), "--dry-run"],
        env={
            **os.environ,
            "CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1",
            "AWS_REGION": "eu-west-1",
            "PYTHONIOENCODING": "ascii",
        },
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert rb"id: caf\xe9\u2026" in done.stdout


@pytest.mark.parametrize("shell", ["acls | true", "iam >&-", "iam 2>&- >/dev/full"])
def test_output_that_cannot_be_written(tmp_path: Path, shell: str) -> None:
    """The reader has gone, as of `| head`; the descriptor is closed; the disk is full."""
    command = f"{sys.executable} -m service {shell}; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["/bin/bash", "-c", command],
        env={**os.environ, "CRML_KAFKA__BOOTSTRAP_SERVERS": "a:1", "AWS_REGION": "eu-west-1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    wanted = {"|": 141, "f": 70}.get("|" if "|" in shell else "f" if "full" in shell else "", 0)
    assert done.stdout.split() == [str(wanted)]
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


def test_the_table_of_exit_codes() -> None:
    table = Path("docs/howto/operate.md").read_text(encoding="utf-8")
    named = {**vars(console), **vars(following)}
    codes = {value for name, value in named.items() if name.startswith("EXIT_")} | {0, 1}
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes
