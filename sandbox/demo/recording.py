"""Records a run of the demo as a picture: ``python -m sandbox.demo.recording FILE.svg`` (``make render-demo``)."""

import io
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from sandbox.demo.command import demo

_COLUMNS: Final = 100
_FILM: Final = "Blade Runner"
_RULE: Final = "───"
_STEP: Final = re.compile(r"^ +\d+\.\d s ")
_ENDS: Final = ("succeeded", "ready", "started")
_FINDING: Final = "Was it right?"
_ASKED: Final = "What Clean Rooms ML was asked"

_PICTURE: Final = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
  <style>
    .{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace;
      font-size: {char_height}px; line-height: {line_height}px; }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
    </clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">{matrix}</g>
  </g>
</svg>
"""
"""rich's own picture fetches a font from a server; this one uses the reader's."""


def record(picture: Path, output: Path) -> int:
    """Runs the demo, shows it as a pipe would see it, and saves what was shown; returns the demo's exit code."""
    console = Console(record=True, width=_COLUMNS, highlight=False)
    code = demo(_FILM, output, console)
    if code == 0:
        drawn = Console(record=True, width=_COLUMNS, highlight=False, file=io.StringIO())
        for line in essence(console.export_text(styles=True).splitlines()):
            drawn.print(Text.from_ansi(line), soft_wrap=True)
        svg = drawn.export_svg(title="make demo", theme=MONOKAI, code_format=_PICTURE, unique_id="demo")
        picture.write_text(svg, encoding="utf-8")
    return code


def essence(lines: Sequence[str]) -> list[str]:
    """What a reader sees at a glance: each command's end, and the sections that say whether it was right.

    The sections between them, and the steps on the way, are left out.
    """
    sections: list[list[str]] = [[]]
    for line in lines:
        if _RULE in line:
            sections.append([])
        sections[-1].append(line)
    first, *others = sections
    kept = [line for line in first if not _STEP.search(line) or any(word in line for word in _ENDS)]
    chosen = [each for each in others if _FINDING in each[0] or _ASKED in each[0]]
    return [*kept, *(line for each in chosen for line in each)]


if __name__ == "__main__":
    os.environ.pop("FORCE_COLOR", None)
    sys.exit(record(Path(sys.argv[1]), Path("demo-output")))
