"""Plain SVG figures for the documents: bars with errors or ranges, curves, growth; no library, no script inside."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
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


def ranges(path: Path, title: str, unit: str, rows: Mapping[str, Mapping[str, Sequence[float]]]) -> None:
    """A bar per contestant in each group: the median, and a line over the range of its rounds."""
    most = max(max(values) for group in rows.values() for values in group.values())
    left, scale = 200, (WIDTH - 200 - 90) / most
    parts, top = [], 40
    for group, found in rows.items():
        parts.append(_text(16, top + 15, group))
        top += 24
        for row, (name, values) in enumerate(found.items()):
            end, middle = left + statistics.median(values) * scale, top + 10
            last = left + max(values) * scale
            parts += [
                _text(left - 8, top + 15, name, "end"),
                f'<rect x="{left}" y="{top}" width="{end - left:.1f}" height="20" fill="{COLOURS[row]}"/>',
                f'<path d="M{left + min(values) * scale:.1f} {middle}H{last:.1f}" stroke="#000"/>',
                _text(last + 6, top + 15, f"{statistics.median(values):,.0f} {unit}".strip()),
            ]
            top += ROW
        top += 8
    _write(path, title, top + 8, parts)


def growth(path: Path, title: str, panels: Mapping[str, Mapping[float, float]]) -> None:
    """A panel per measure, two beside each other: its values by number, on logarithmic axes."""
    parts = []
    for place, (name, values) in enumerate(panels.items()):
        left, top, wide, high = 60 + place % 2 * 310, 66 + place // 2 * 210, 220, 130
        low, most = (math.floor(math.log10(min(values.values()))), math.ceil(math.log10(max(values.values()) * 1.001)))
        first, last = math.log10(min(values)), math.log10(max(values))
        points = [
            (
                left + (math.log10(x) - first) / max(last - first, 1) * wide,
                top + high - (math.log10(y) - low) / max(most - low, 1) * high,
            )
            for x, y in values.items()
        ]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts += [
            _text(left, top - 10, name),
            f'<path d="M{left} {top}V{top + high}H{left + wide}" fill="none" stroke="#000"/>',
            *[
                _text(left - 6, top + high - (mark - low) / max(most - low, 1) * high + 4, f"{10**mark:g}", "end")
                for mark in range(low, most + 1)
            ],
            f'<polyline points="{line}" fill="none" stroke="{COLOURS[3]}" stroke-width="1.8"/>',
        ]
        for (x, y), number, value in zip(points, values, values.values(), strict=True):
            parts += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[3]}"/>',
                _text(x, y - 8, f"{value:.3g}", "middle"),
                _text(x, top + high + 18, f"{number:,.0f}", "middle"),
            ]
    _write(path, title, 66 + (len(panels) + 1) // 2 * 210, parts)
