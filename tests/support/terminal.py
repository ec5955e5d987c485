"""Consoles of Rich whose output a test reads."""

import io

from rich.console import Console


def console(width: int = 80, *, terminal: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, highlight=False)


def text(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return "".join(f"{line.rstrip()}\n" for line in shown.file.getvalue().splitlines())
