"""What commands print: tables and bars for people, one JSON document for programs."""

from __future__ import annotations

import math
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TextIO

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

BAR = 20
WIDE = 10_000


def console(stream: Any) -> Console:
    """A console on a command's `self.stdout` or `self.stderr`. In a pipe: no colours, and no line is cut or wrapped."""
    target: TextIO = stream
    return Console(file=target, highlight=False, soft_wrap=True, width=None if target.isatty() else WIDE)


def write_json(stream: Any, value: object) -> None:
    """One JSON document, for `--json`. Instants are ISO 8601; numbers that are not finite are null."""
    text = orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
    stream.write(text.decode())


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, numbers: Sequence[str] = ()) -> Table:
    """A plain table; the columns in `numbers` stand to the right. Cells are printed as they are; `Text` has colours."""
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: object) -> Text:
    return value if isinstance(value, Text) else Text("" if value is None else str(value))


def shown(value: object) -> str:
    """A value from JSON for people: text as it is, all else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def bar(value: float, *, low: float = 0.0, high: float = 1.0, width: int = BAR) -> str:
    """How far `value` is from `low` to `high`: `██████░░░░`."""
    share = (value - low) / (high - low)
    filled = round(min(1.0, max(0.0, share)) * width)
    return "█" * filled + "░" * (width - filled)


def between(kind: Callable[[str], float], low: float, high: float) -> Callable[[str], float]:
    """An argparse type: a number of this kind from `low` to `high`."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise ArgumentTypeError(f"{text!r} is not a number from {low:,} to {high:,}")
        return value

    return parse


position, count = between(int, 0, 2**62), between(int, 1, 2**62)
"""argparse types: a place in the log, and how many."""
