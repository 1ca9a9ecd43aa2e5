"""The growth of the database's time with the calls, as an SVG of a few lines."""

import math
from collections.abc import Iterable, Sequence
from pathlib import Path

from local.bench.growth import DatabaseCost

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 420, 70, 50, 60, 60
_TEXT = 'font-family="sans-serif" font-size="13" fill="#333"'
_END = 'text-anchor="end"'
TITLE = "Settling one second of all calls (S=10): milliseconds of CPU of Postgres"
SECOND = "grey: median wall time, on a machine that others used too"
COMMAND = "python -m local bench --only growth --plot docs/settle-growth.svg"


def draw_growth(costs: Sequence[DatabaseCost], path: Path) -> None:
    """Both axes logarithmic: a straight line of slope one is a cost that grows with the calls."""
    times = [ms for c in costs for ms in (c.ms_p50, c.cpu_ms) if ms > 0]
    xs = _Axis([c.calls for c in costs], LEFT, WIDTH - RIGHT)
    ys = _Axis([*times, 1000.0], HEIGHT - BOTTOM, TOP)
    cpu = [(xs.at(c.calls), ys.at(c.cpu_ms), c.cpu_ms) for c in costs if c.cpu_ms > 0]
    wall = [(xs.at(c.calls), ys.at(c.ms_p50), c.ms_p50) for c in costs]
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        f"<desc>{COMMAND}</desc>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<text x="{LEFT}" y="24" {_TEXT}>{TITLE}</text>',
        f'<text x="{LEFT}" y="42" {_TEXT}>{SECOND}</text>',
        *_grid(xs, ys),
        _line(wall, "#aaa"),
        _line(cpu, "#0a6"),
        *[
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#0a6"/>'
            f'<text x="{x + 6:.1f}" y="{y + 18:.1f}" {_TEXT}>{ms:.1f}</text>'
            for x, y, ms in cpu
        ],
        "</svg>",
    ]
    path.write_text("\n".join(parts) + "\n")


def _line(points: Sequence[tuple[float, float, float]], colour: str) -> str:
    places = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    return f'<polyline points="{places}" fill="none" stroke="{colour}" stroke-width="2"/>'


class _Axis:
    """A logarithmic scale from the decade below the least value to the one above the greatest."""

    def __init__(self, values: Iterable[float], begin: float, end: float) -> None:
        known = list(values)
        self.first = math.floor(math.log10(min(known)))
        self.last = math.ceil(math.log10(max(known)))
        self._begin, self._end = begin, end

    @property
    def decades(self) -> list[float]:
        return [10.0**n for n in range(self.first, self.last + 1)]

    def at(self, value: float) -> float:
        share = (math.log10(value) - self.first) / (self.last - self.first)
        return self._begin + share * (self._end - self._begin)


def _grid(xs: _Axis, ys: _Axis) -> list[str]:
    stroke = 'stroke="#ddd"'
    low, high = HEIGHT - BOTTOM, TOP
    parts = []
    for value in xs.decades:
        x = f"{xs.at(value):.1f}"
        parts.append(f'<line x1="{x}" x2="{x}" y1="{low}" y2="{high}" {stroke}/>')
        parts.append(
            f'<text x="{x}" y="{low + 20}" text-anchor="middle" {_TEXT}>{value:,.0f}</text>'
        )
    for value in ys.decades:
        y = f"{ys.at(value):.1f}"
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}" {stroke}/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y}" {_END} {_TEXT}>{value:g}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 10}" {_END} {_TEXT}>calls</text>')
    return parts
