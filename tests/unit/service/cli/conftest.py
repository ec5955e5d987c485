"""The command line without Kafka and AWS: the least settings, and nothing done to the process's logging."""

import pytest

from tests.support.command_line import CommandLine


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The least that runs; what a command does to the process's logging is undone."""
    monkeypatch.setenv("CRML_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:9")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("logging.disable", lambda _: None)
    for module in ("service.cli.app", "service.cli.console"):
        monkeypatch.setattr(f"{module}.configure_logging", lambda *_: None)
    return monkeypatch


@pytest.fixture
def type_(environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """Types a command."""
    return CommandLine(capsys)
