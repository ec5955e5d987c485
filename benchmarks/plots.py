"""Plain SVG figures for the documents: bars with standard errors, and curves; no library, no script inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COLOURS = ("#9e9e9e", "#bdaa7a", "#7fb0a5", "#5b8fb0", "#7a6ba8", "#d0742c", "#a8322d", "#333333")
WIDTH = 640
ROW = 28
LEFT = 170


def bars(path: Path, title: str, figures: Mapping[str, Floats]) -> None:
    """A bar per method: the mean of the first column over groups (groups, n), with its standard error; 0.4 to 1."""
    scale = (WIDTH - LEFT - 70) / 0.6
    parts = []
    for row, (name, table) in enumerate(figures.items()):
        mean, error = float(table[:, 0].mean()), float(table[:, 0].std(ddof=1) / np.sqrt(len(table)))
        top, end = 40 + row * ROW, LEFT + max(mean - 0.4, 0) * scale
        parts += [
            _text(LEFT - 8, top + 15, name, "end"),
            f'<rect x="{LEFT}" y="{top}" width="{end - LEFT:.1f}" height="20" fill="{COLOURS[row % len(COLOURS)]}"/>',
            f'<path d="M{end - error * scale:.1f} {top + 10}H{end + error * scale:.1f}" stroke="#000"/>',
            _text(end + error * scale + 6, top + 15, f"{mean:.3f}"),
        ]
    _write(path, title, 50 + ROW * len(figures), parts)


def curves(path: Path, title: str, shares: Floats, found: Mapping[str, Floats]) -> None:
    """Share of the hidden ones found (0..1) against the audience's size as a share of the candidates (0..1)."""
    left, top, side = 60, 40, 340
    parts = [f'<path d="M{left} {top}V{top + side}H{left + side}" fill="none" stroke="#000"/>']
    for mark in (0.2, 0.4, 0.6, 0.8, 1.0):
        across, down = left + mark * side, top + side - mark * side
        parts += [
            f'<path d="M{left} {down:.0f}H{left + side}M{across:.0f} {top}V{top + side}" stroke="#ddd"/>',
            _text(across, top + side + 18, f"{mark:.0%}", "middle"),
            _text(left - 6, down + 4, f"{mark:.0%}", "end"),
        ]
    for row, (name, values) in enumerate(found.items()):
        colour = COLOURS[row % len(COLOURS)]
        points = " ".join(
            f"{left + x * side:.1f},{top + side - y * side:.1f}"
            for x, y in [(0.0, 0.0), *zip(shares.tolist(), values.tolist(), strict=True)]
        )
        parts += [
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.8"/>',
            f'<rect x="{left + side + 30}" y="{top + row * 24}" width="14" height="14" fill="{colour}"/>',
            _text(left + side + 50, top + 12 + row * 24, name),
        ]
    parts.append(
        _text(left + side / 2, top + side + 40, "audience, as a share of all users outside the seed", "middle")
    )
    _write(path, title, top + side + 55, parts)


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _write(path: Path, title: str, height: int, parts: Iterable[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="13">'
    )
    body = [head, f"<title>{escape(title)}</title>", '<rect width="100%" height="100%" fill="#fff"/>']
    path.write_text("\n".join([*body, _text(16, 22, title), *parts, "</svg>"]) + "\n", encoding="utf-8")
