"""``python -m service acls``: prints what was asked for, and refuses what it does not know."""

from typing import Any

import pytest

from service.cli.acls import print_acls
from service.operator.access.formats import FORMATS
from service.settings import SettingsError
from tests.unit.service.operator.access.test_kafka_acls import BASE


@pytest.mark.parametrize("name", list(FORMATS))
def test_the_command_prints_every_format(
    name: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for variable, value in BASE.items():
        monkeypatch.setenv(variable, value)
    assert print_acls(format=name, component=("publisher",), principal=("publisher=User:alice",)) == 0
    printed = capsys.readouterr().out
    assert "cleanroomsml.commands" in printed
    assert "cleanroomsml.jobs" not in printed
    assert name == "msk-iam" or "alice" in printed


def test_the_command_refuses_what_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in BASE.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match="nothing is called publishr; there are: service, topics"):
        print_acls(component=("publishr",))
    with pytest.raises(SettingsError, match="found publisher=alice; expected COMPONENT=TYPE:NAME"):
        print_acls(principal=("publisher=alice",))


@pytest.mark.parametrize("given", ["service", "service=", "service=alice", "=User:alice", "nobody=User:alice"])
def test_a_principal_is_a_component_and_a_name(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    for variable, value in BASE.items():
        monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"--principal: found {given}; expected COMPONENT=TYPE:NAME"):
        print_acls(principal=(given,))
