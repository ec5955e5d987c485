"""Runs a command of the command line in this process, and gives what it prints and how it ends."""

from dataclasses import dataclass

import pytest

from service.cli import console
from service.cli.entry import app


@dataclass(frozen=True)
class Ended:
    """How a command has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass
class CommandLine:
    """``python -m service``, as a person types it."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Ended:
        self.capsys.readouterr()
        code = console.guarded(lambda: app(list(words)))
        out, err = self.capsys.readouterr()
        return Ended(code, out, err)
