"""Records a run of the demo as a picture: ``python -m sandbox.demo.recording FILE.svg`` (``make render-demo``)."""

import os
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI

from sandbox.demo.command import demo

_COLUMNS: Final = 100
_FILM: Final = "Blade Runner"

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
        picture.write_text(
            console.export_svg(title="make demo", theme=MONOKAI, code_format=_PICTURE, unique_id="demo"),
            encoding="utf-8",
        )
    return code


if __name__ == "__main__":
    os.environ.pop("FORCE_COLOR", None)
    sys.exit(record(Path(sys.argv[1]), Path("demo-output")))
