"""What a person sees of a running system: its own words, and what the programs log."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from thunderline.supervision.logs import Follower

COLOURS = (36, 33, 32, 35, 34, 96, 93, 92)


class Terminal:
    """Each line with its program's name in front, coloured if `out` is a terminal."""

    def __init__(self, out: TextIO, log: Path, programs: list[str]) -> None:
        self.out = out
        self.programs = programs
        self.width = max(map(len, programs))
        self.colour = out.isatty() and "NO_COLOR" not in os.environ
        self.follower = Follower(log / f"{name}.log" for name in programs)

    def say(self, text: str) -> None:
        """A terminal that went away stops nothing."""
        with suppress(OSError, ValueError):
            self.out.write(f"{text}\n")
            self.out.flush()

    def close(self) -> None:
        self.follower.close()

    def show_logs(self) -> None:
        for program, line in self.follower.lines():
            self.say(f"{self._head(program)} {line}")

    def _head(self, program: str) -> str:
        head = f"{program:{self.width}} |"
        if not self.colour:
            return head
        return f"\x1b[{COLOURS[self.programs.index(program) % len(COLOURS)]}m{head}\x1b[0m"
