"""A picture of what needs what: boxes in columns, each to the right of all that it needs, with lines between. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 128, 46
"""Of a box, in the picture's own units."""
ACROSS, DOWN = 48, 26
"""Between boxes."""
MARGIN = 6


@dataclass(frozen=True, slots=True)
class Box:
    """Where a name stands: its left upper corner."""

    name: str
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Line:
    """From what is needed to what needs it. `path` is an SVG path."""

    needed: str
    needing: str
    path: str


@dataclass(frozen=True, slots=True)
class Picture:
    """All boxes, those needed first, and all lines."""

    width: int
    height: int
    boxes: list[Box]
    lines: list[Line]


def picture(needs: Mapping[str, Sequence[str]]) -> Picture:
    """`needs`: each name with those that it needs, which come before it."""
    columns: dict[int, list[str]] = {}
    depth: dict[str, int] = {}
    for name, needed in needs.items():
        depth[name] = 1 + max((depth[other] for other in needed), default=-1)
        columns.setdefault(depth[name], []).append(name)
    boxes = {
        name: Box(name, MARGIN + column * (WIDTH + ACROSS), MARGIN + row * (HEIGHT + DOWN))
        for column, names in columns.items()
        for row, name in enumerate(names)
    }
    lines = [Line(other, name, _line(boxes[other], boxes[name])) for name, needed in needs.items() for other in needed]
    rows = max(map(len, columns.values()), default=0)
    return Picture(
        width=2 * MARGIN + len(columns) * (WIDTH + ACROSS) - (ACROSS if columns else 0),
        height=2 * MARGIN + rows * (HEIGHT + DOWN) - (DOWN if rows else 0),
        boxes=list(boxes.values()),
        lines=lines,
    )


def _line(one: Box, other: Box) -> str:
    """From the right of one box to the left of another: level in its own row, and bent between the last columns."""
    x1, y1 = one.x + WIDTH, one.y + HEIGHT // 2
    x2, y2 = other.x, other.y + HEIGHT // 2
    middle = x2 - ACROSS // 2
    return f"M{x1} {y1}H{x2 - ACROSS}C{middle} {y1} {middle} {y2} {x2} {y2}"
