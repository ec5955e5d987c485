"""What a target costs that nothing is sent to."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import yaml

from service import bootstrap
from service.settings import Settings, load
from tests.support import costs

LEAST = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:9"}


def of_targets(file: Path, count: int) -> Settings:
    targets = {
        f"account-{number}": {"region": "eu-west-1", "role_arn": f"arn:aws:iam::{number:012}:role/crml"}
        for number in range(count)
    }
    file.write_text(yaml.safe_dump({"targets": targets, "default_target": "account-0"}))
    return load(file, LEAST)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Files of certificates, as they are read."""
    found: list[Any] = []
    read = ssl.create_default_context

    def noted(*args: Any, **named: Any) -> ssl.SSLContext:
        found.append(named.get("cafile"))
        return read(*args, **named)

    monkeypatch.setattr(ssl, "create_default_context", noted)
    return found


def test_certificates_are_read_once_however_many_targets_trust_them(tmp_path: Path, reads: list[Any]) -> None:
    """It took 20 s of a start with 1,000 targets."""
    bootstrap.build(of_targets(tmp_path / "settings.yaml", 50))
    assert len(reads) == 1


def test_an_idle_target_takes_little_memory(tmp_path: Path) -> None:
    """Its session, client and connections are made when the first call is sent to it."""
    bootstrap.build(of_targets(tmp_path / "settings.yaml", 2))  # what is made once for all does not count
    settings = of_targets(tmp_path / "settings.yaml", 200)
    with costs.memory() as kept:
        service = bootstrap.build(settings)
    assert service.app.lags()
    assert kept.bytes / 200 < 15_000
